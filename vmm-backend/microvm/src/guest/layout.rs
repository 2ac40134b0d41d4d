//! Where things lie in a guest's memory. Shared by the host side, which builds the memory, and by the guest
//! image, which lives in it; so it may use `core` only.

/// Bytes in a page.
pub const PAGE_BYTES: u64 = 4096;
/// Global descriptor table (supervisor only).
pub const GDT: u64 = 0x1000;
/// Interrupt descriptor table: all zero, so any exception in the guest is a shutdown that the host sees.
pub const IDT: u64 = 0x2000;
/// Task state segment (supervisor only).
pub const TSS: u64 = 0x3000;
/// Top-level page table; the tables that it leads to follow it page by page.
pub const PML4: u64 = 0x4000;
/// Page-directory-pointer table.
pub const PDPT: u64 = 0x5000;
/// Four page directories, one per GiB of the low 4 GiB.
pub const PD: u64 = 0x6000;
/// Page table of the first 2 MiB, where pages differ in their rights.
pub const PT: u64 = 0xa000;
/// The mailbox page: orders in, replies out.
pub const MAILBOX: u64 = 0x1_0000;
/// The image: code and constants, readable and executable.
pub const IMAGE: u64 = 0x2_0000;
/// The image's variables, readable and writable.
pub const VARIABLES: u64 = 0x4_0000;
/// End of the room for the image.
pub const IMAGE_END: u64 = 0x6_0000;
/// Lowest address of the stack.
pub const STACK: u64 = 0x7_0000;
/// The stack grows down from here.
pub const STACK_TOP: u64 = 0x8_0000;
/// From here to the end of memory the guest's service may use pages as it likes.
pub const HEAP: u64 = 0x20_0000;
/// An address without memory: a four-byte write here leaves the guest.
pub const DOORBELL: u64 = 0xd000_0000;
/// Memory may not reach beyond this, so that the doorbell stays without memory.
pub const MEMORY_BYTES_MAX: u64 = 0xc000_0000;
/// The image, its stack and some heap must fit.
pub const MEMORY_BYTES_MIN: u64 = 0x40_0000;

/// Doorbell value: booted, waiting to be captured.
pub const RING_CHECKPOINT: u32 = 1;
/// Doorbell value: the reply in the mailbox is complete.
pub const RING_REPLY: u32 = 2;
/// Doorbell value: the image panicked; nothing in the mailbox is to be believed.
pub const RING_PANIC: u32 = 3;
