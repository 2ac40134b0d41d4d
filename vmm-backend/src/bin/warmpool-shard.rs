//! A program that can only be a shard, for fleets whose own program cannot be started again. Everything is in
//! the library.

fn main() {
    vmm_backend::main_if_shard();
    eprintln!("warmpool-shard is started by a fleet, not by hand");
    std::process::exit(2);
}
