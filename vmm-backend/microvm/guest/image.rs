//! The embedded guest's image: entry, doorbell and the loop around the service. Runs in ring 3 on its own
//! page tables, with no operating system below it; there is no interrupt, no system call and no second
//! thread. Built by `build.rs`, not by cargo.
#![no_std]
#![no_main]

#[path = "../src/guest/generator.rs"]
mod generator;
#[path = "../src/guest/layout.rs"]
#[allow(dead_code, reason = "the host uses the rest")]
mod layout;
#[path = "../src/guest/mailbox.rs"]
#[allow(dead_code, reason = "the host uses the rest")]
mod mailbox;
#[path = "../src/guest/service.rs"]
mod service;

use core::arch::{asm, global_asm};

// The entry lies first in the image. The host sets the stack pointer and puts the number of bytes of memory
// into RDI.
global_asm!(
    ".section .text.entry, \"ax\"",
    ".global entry",
    "entry:",
    "xor ebp, ebp",
    "call {main}",
    "ud2",
    main = sym main,
);

static mut SERVICE: service::Service = service::Service::new();

/// Leave the guest; comes back when the host runs it again, and the mailbox may have changed by then.
fn ring(value: u32) {
    // SAFETY: the doorbell is mapped and has no memory behind it, so the write changes nothing of ours. The
    // host does write the mailbox meanwhile, so the compiler may not assume that memory stays as it is: no
    // `nomem` here.
    unsafe { asm!("mov dword ptr [{at}], {value:e}", at = in(reg) layout::DOORBELL, value = in(reg) value) }
}

extern "C" fn main(memory_bytes: u64) -> ! {
    ring(layout::RING_CHECKPOINT);
    loop {
        // SAFETY: the host gives memory of `memory_bytes`, of which HEAP and above is used by nothing else;
        // the mailbox page and SERVICE are this thread's alone while it runs; all three references end before
        // the next ring.
        unsafe {
            let bytes = (memory_bytes - layout::HEAP) as usize;
            let heap = core::slice::from_raw_parts_mut(layout::HEAP as *mut u8, bytes);
            let mailbox = &mut *(layout::MAILBOX as *mut mailbox::Mailbox);
            mailbox.reply = (*(&raw mut SERVICE)).serve(&mut mailbox.order, heap);
        }
        ring(layout::RING_REPLY);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        ring(layout::RING_PANIC);
    }
}

// The compiler calls these by name; elsewhere the C library has them.

/// Copy between places that do not overlap.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both places; the direction flag is clear by the calling convention.
    unsafe { asm!("rep movsb", inout("rcx") bytes => _, inout("rdi") to => _, inout("rsi") from => _) };
    to
}

/// Fill with one byte.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, bytes: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the place; the direction flag is clear by the calling convention.
    unsafe { asm!("rep stosb", inout("rcx") bytes => _, inout("rdi") to => _, in("al") byte as u8) };
    to
}
