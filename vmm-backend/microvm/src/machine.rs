//! The guest's machine at boot: memory contents (tables, image) and special registers for 64-bit ring 3,
//! entered directly. Holds no VM; works the same on ordinary KVM and where ring 0 is emulated.

use crate::guest::layout;
use crate::sys::memory::Mapping;
use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment, kvm_sregs};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
/// Accessed and dirty are set from the start, so that running writes no page table.
const USED: u64 = 1 << 5 | 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

const CODE_SELECTOR: u16 = 0x33;
const DATA_SELECTOR: u16 = 0x2b;
const TASK_SELECTOR: u16 = 0x40;
const TASK_LIMIT: u32 = 0x67;

/// The machine cannot be laid out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MachineError {
    /// Not a multiple of 2 MiB, or outside the limits.
    #[error("guest memory of {bytes} bytes is not possible: take a multiple of 2 MiB from {min} to {max} bytes",
        min = layout::MEMORY_BYTES_MIN, max = layout::MEMORY_BYTES_MAX)]
    Memory {
        /// What was asked.
        bytes: u64,
    },
    /// The image does not fit its room.
    #[error("guest image `{name}` of {bytes} bytes does not fit into {room} bytes",
        room = layout::IMAGE_END - layout::IMAGE)]
    Image {
        /// Which image.
        name: &'static str,
        /// Its size.
        bytes: usize,
    },
}

/// Whether a guest can have this much memory.
///
/// # Errors
/// [`MachineError::Memory`] with the limits.
pub fn check_memory(bytes: u64) -> Result<(), MachineError> {
    let fits = (layout::MEMORY_BYTES_MIN..=layout::MEMORY_BYTES_MAX).contains(&bytes);
    if fits && bytes.is_multiple_of(1 << 21) { Ok(()) } else { Err(MachineError::Memory { bytes }) }
}

/// Put descriptor tables, page tables and the image into fresh memory.
///
/// # Errors
/// [`MachineError`] where memory or image do not fit.
pub fn load(memory: &Mapping, name: &'static str, image: &[u8]) -> Result<(), MachineError> {
    check_memory(memory.bytes() as u64)?;
    if image.len() as u64 > layout::IMAGE_END - layout::IMAGE {
        return Err(MachineError::Image { name, bytes: image.len() });
    }
    write_descriptors(memory);
    write_page_tables(memory);
    memory.write(layout::IMAGE, image);
    Ok(())
}

fn write_descriptors(memory: &Mapping) {
    let entry = |selector: u16, value: u64| {
        memory.write(layout::GDT + u64::from(selector & !7), &value.to_le_bytes());
    };
    entry(DATA_SELECTOR, 0x00cf_f300_0000_ffff);
    entry(CODE_SELECTOR, 0x00af_fb00_0000_ffff);
    // A busy 64-bit TSS: limit, base, type 11, present.
    entry(TASK_SELECTOR, u64::from(TASK_LIMIT) | layout::TSS << 16 | 0x8b << 40);
    entry(TASK_SELECTOR + 8, 0);
}

fn write_page_tables(memory: &Mapping) {
    let entry = |table: u64, index: u64, value: u64| memory.write(table + index * 8, &value.to_le_bytes());
    let table = PRESENT | WRITABLE | USER | USED;
    entry(layout::PML4, 0, layout::PDPT | table);
    for gib in 0..4 {
        entry(layout::PDPT, gib, (layout::PD + gib * layout::PAGE_BYTES) | table);
    }
    // The directories lie behind each other, so that entry n maps the n-th 2 MiB of the low 4 GiB.
    entry(layout::PD, 0, layout::PT | table);
    let data = PRESENT | WRITABLE | USER | USED | NO_EXECUTE;
    for large in 1..memory.bytes() as u64 >> 21 {
        entry(layout::PD, large, large << 21 | data | LARGE);
    }
    entry(layout::PD, layout::DOORBELL >> 21, layout::DOORBELL | data | LARGE);
    for page in 1..512 {
        let address = page * layout::PAGE_BYTES;
        let rights = match address {
            layout::MAILBOX => data,
            layout::IMAGE..layout::VARIABLES => PRESENT | USER | USED,
            layout::VARIABLES..layout::IMAGE_END | layout::STACK..layout::STACK_TOP => data,
            // Tables and the rest: the guest in ring 3 can neither read nor write them.
            _ => PRESENT | WRITABLE | USED | NO_EXECUTE,
        };
        entry(layout::PT, page, address | rights);
    }
}

fn segment(selector: u16, kind: u8, long: bool) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        dpl: 3,
        db: u8::from(!long),
        s: 1,
        l: u8::from(long),
        g: 1,
        ..Default::default()
    }
}

/// Special registers for 64-bit ring 3 on the tables of [`load`]; `base` is what a fresh vCPU has, of which
/// the local APIC's base is kept.
pub fn special_registers(base: &kvm_sregs) -> kvm_sregs {
    let data = segment(DATA_SELECTOR, 3, false);
    let task = kvm_segment {
        base: layout::TSS,
        limit: TASK_LIMIT,
        selector: TASK_SELECTOR,
        type_: 11,
        present: 1,
        ..Default::default()
    };
    kvm_sregs {
        cs: segment(CODE_SELECTOR, 11, true),
        ds: data,
        es: data,
        fs: data,
        gs: data,
        ss: data,
        tr: task,
        ldt: kvm_segment { unusable: 1, ..Default::default() },
        gdt: kvm_dtable { base: layout::GDT, limit: 0x4f, ..Default::default() },
        idt: kvm_dtable { base: layout::IDT, limit: 0xfff, ..Default::default() },
        // Paging, alignment mask, write protect, native FPU errors, extension type, monitor coprocessor,
        // protection.
        cr0: 0x8005_0033,
        cr3: layout::PML4,
        // Physical address extension, global pages, SSE state, SSE exceptions.
        cr4: 0x6a0,
        // System calls, long mode enabled and active, no-execute.
        efer: 0xd01,
        ..*base
    }
}

/// General registers at the image's entry.
pub fn general_registers(memory_bytes: u64) -> kvm_regs {
    kvm_regs {
        rip: layout::IMAGE,
        rsp: layout::STACK_TOP,
        rdi: memory_bytes,
        rflags: 0x202,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_limits() {
        assert_eq!(check_memory(128 << 20), Ok(()));
        for bytes in [0, 2 << 20, (128 << 20) + 4096, 4 << 30] {
            assert_eq!(check_memory(bytes), Err(MachineError::Memory { bytes }));
        }
    }
}
