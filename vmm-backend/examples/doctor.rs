//! Prints what this host can do.

fn main() {
    for finding in vmm_backend::doctor::examine(&vmm_backend::doctor::Wanted::default()) {
        println!("{finding}");
    }
}
