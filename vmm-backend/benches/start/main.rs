//! What a start, a boot and a wake cost; `measure.rs` says what beside. Skipped where there is no KVM.

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod actors;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
mod measure;

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm)))]
fn main() -> measure::Outcome {
    measure::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(warmpool_no_kvm))))]
fn main() {
    println!("skipped: {}", vmm_backend::why_not());
}
