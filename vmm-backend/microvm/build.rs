//! Builds the embedded guest: `guest/image.rs` with the same rustc and linker that build this crate, as one
//! flat binary. Needs no other tool. The image is `no_std`, so it depends on nothing but `core`.

use std::env;
use std::path::PathBuf;
use std::process::{Command, exit};

fn main() {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let left_out = env::var_os("CARGO_CFG_WARMPOOL_NO_KVM").is_some();
    if left_out || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        // The crate is empty there.
        return;
    }
    let sources = ["generator.rs", "layout.rs", "mailbox.rs", "service.rs"];
    println!("cargo::rerun-if-changed=guest/image.rs");
    println!("cargo::rerun-if-changed=guest/image.ld");
    for source in sources {
        println!("cargo::rerun-if-changed=src/guest/{source}");
    }
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let script = directory.join("guest/image.ld");
    let status = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC"))
        .arg(directory.join("guest/image.rs"))
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "guest"])
        .args(["--target", &target, "--remap-path-prefix"])
        .arg(format!("{}=guest", directory.display()))
        .args(["-C", "opt-level=2", "-C", "panic=abort", "-C", "relocation-model=static"])
        .args(["-C", "codegen-units=1", "-C", "debuginfo=0", "-C", "overflow-checks=no"])
        .args(["-C", "link-arg=-nostdlib", "-C", "link-arg=-static", "-C", "link-arg=-no-pie"])
        .args(["-C", "link-arg=-Wl,--oformat=binary,--build-id=none,-z,norelro"])
        .arg("-C")
        .arg(format!("link-arg=-Wl,-T,{}", script.display()))
        .arg("-o")
        .arg(out.join("guest.bin"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("rustc could not build the embedded guest: {status}")),
        Err(error) => fail(&format!("cannot start rustc for the embedded guest: {error}")),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1);
}
