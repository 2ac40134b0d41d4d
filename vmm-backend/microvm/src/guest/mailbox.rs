//! The mailbox: one page through which host and guest talk. The host writes an [`Order`] while the guest
//! stands at the doorbell, the guest answers with a [`Reply`] and rings. Shared by host and guest image, so
//! it may use `core` only.

/// Longest object-store URL in bytes.
pub const URL_BYTES_MAX: usize = 512;
/// Longest user key in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// What the guest is asked to do; the number stands in [`Order::kind`].
pub mod kind {
    /// Touch what a start touches, bind nothing. Used while a VM waits in the pool.
    pub const WARM: u32 = 1;
    /// Take a generation, entropy, wall clock and, unless already bound, URL and key.
    pub const BIND: u32 = 2;
    /// Add `args[0]` to the counter; value 0 is the sum.
    pub const ADD: u32 = 3;
    /// Value 0 is the counter.
    pub const GET: u32 = 4;
    /// Store `args[1]` under `args[0]`.
    pub const PUT: u32 = 5;
    /// Value 0 is what was stored under `args[0]`, value 1 is 1 where something was.
    pub const LOOKUP: u32 = 6;
    /// Four values from the guest's own generator.
    pub const RANDOM: u32 = 7;
    /// Write to `args[0]` pages of heap; value 0 is how many there were.
    pub const TOUCH: u32 = 8;
    /// Value 0 is the sum of the first words of `args[0]` pages of heap.
    pub const SUM: u32 = 9;
    /// Turn a loop `args[0]` times.
    pub const SPIN: u32 = 10;
    /// Generation, wall clock at the last bind in nanoseconds, hash of the URL, hash of the key.
    pub const IDENTITY: u32 = 11;
}

/// How an order ended; the number stands in [`Reply::status`].
pub mod status {
    /// Done.
    pub const OK: u32 = 1;
    /// The generation is not newer than the guest's: an old mailbox. Nothing was done.
    pub const STALE: u32 = 2;
    /// The guest has no user yet, and this order needs one.
    pub const UNBOUND: u32 = 3;
    /// The key-value memory is full.
    pub const FULL: u32 = 4;
    /// No such order, or its arguments make no sense.
    pub const UNKNOWN: u32 = 5;
}

/// Host to guest.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Order {
    /// One of [`kind`].
    pub kind: u32,
    /// Bytes used of `url`.
    pub url_bytes: u16,
    /// Bytes used of `key`.
    pub key_bytes: u16,
    /// Names this run of this VM; never used twice, and the newer is the greater.
    pub generation: u64,
    /// Wall clock, nanoseconds since 1970.
    pub wall_ns: u64,
    /// Arguments by kind.
    pub args: [u64; 2],
    /// Fresh for every bind; the guest and the host both clear it once used.
    pub entropy: [u8; 32],
    /// Where the user's objects are.
    pub url: [u8; URL_BYTES_MAX],
    /// Whose VM this is.
    pub key: [u8; KEY_BYTES_MAX],
}

impl Order {
    /// An order of this kind with nothing else in it.
    pub const fn new(kind: u32, args: [u64; 2]) -> Self {
        Self {
            kind,
            url_bytes: 0,
            key_bytes: 0,
            generation: 0,
            wall_ns: 0,
            args,
            entropy: [0; 32],
            url: [0; URL_BYTES_MAX],
            key: [0; KEY_BYTES_MAX],
        }
    }
}

/// Guest to host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Reply {
    /// One of [`status`].
    pub status: u32,
    /// Always zero.
    pub reserved: u32,
    /// The generation that the guest runs under.
    pub generation: u64,
    /// Results by kind.
    pub values: [u64; 4],
}

/// The page at [`super::layout::MAILBOX`].
#[repr(C)]
pub struct Mailbox {
    /// Written by the host while the guest stands at the doorbell.
    pub order: Order,
    /// Written by the guest before it rings.
    pub reply: Reply,
}

const _: () = assert!(size_of::<Mailbox>() <= 4096);

/// FNV-1a, 64 bits: lets a guest prove which URL and key it holds without a copy of them leaving it.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state
}

#[cfg(test)]
mod tests {
    #[test]
    fn hash_is_fnv_1a() {
        assert_eq!(super::hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(super::hash(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
