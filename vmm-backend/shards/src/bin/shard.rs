//! A program that can only be a shard, for the tests of this crate, whose own program cannot be started
//! again.

fn main() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
    shards::main_if_shard();
    eprintln!("it is started by its parent, not by hand");
    std::process::exit(2);
}
