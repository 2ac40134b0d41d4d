//! The guest's random generator: the ChaCha20 key stream (RFC 8439 block function) under a key that came as
//! fresh entropy. The host uses the same code to check an acknowledgement. Shared by host and guest image, so
//! it may use `core` only.

const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
/// Separates the acknowledgement from the stream, so that the one tells nothing about the other.
const ACKNOWLEDGEMENT: u32 = 0x6b63_6121;
const STREAM: u32 = 0x7274_7321;
const RESEED: u32 = 0x6465_7321;

/// One ChaCha20 block: the 20-round permutation of constants, key, counter and nonce, added to its input.
fn block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> [u32; 16] {
    let mut input = [0_u32; 16];
    input[..4].copy_from_slice(&CONSTANTS);
    input[4..12].copy_from_slice(key);
    input[12] = counter;
    input[13..].copy_from_slice(&nonce);
    let mut x = input;
    for _ in 0..10 {
        quarter(&mut x, 0, 4, 8, 12);
        quarter(&mut x, 1, 5, 9, 13);
        quarter(&mut x, 2, 6, 10, 14);
        quarter(&mut x, 3, 7, 11, 15);
        quarter(&mut x, 0, 5, 10, 15);
        quarter(&mut x, 1, 6, 11, 12);
        quarter(&mut x, 2, 7, 8, 13);
        quarter(&mut x, 3, 4, 9, 14);
    }
    for (word, start) in x.iter_mut().zip(input) {
        *word = word.wrapping_add(start);
    }
    x
}

fn quarter(x: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(16);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(12);
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(8);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(7);
}

fn words(entropy: &[u8; 32]) -> [u32; 8] {
    let mut key = [0_u32; 8];
    for (word, bytes) in key.iter_mut().zip(entropy.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    key
}

/// Low and high half of a 64-bit value.
fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// What a guest answers to a bind: only who holds the entropy of this generation can compute it.
pub fn proof(entropy: &[u8; 32], generation: u64) -> u64 {
    let [low, high] = halves(generation);
    let out = block(&words(entropy), 0, [ACKNOWLEDGEMENT, low, high]);
    u64::from(out[0]) | u64::from(out[1]) << 32
}

/// A stream of random numbers.
pub struct Generator {
    key: [u32; 8],
    counter: u64,
}

impl Generator {
    /// A generator that nobody has seeded yet. Its stream is known to everybody; [`Generator::reseed`] comes
    /// first.
    pub const fn unseeded() -> Self {
        Self { key: [0; 8], counter: 0 }
    }

    /// Mix fresh entropy in. The new key depends on the old key too, so reseeding never loses what was there.
    pub fn reseed(&mut self, entropy: &[u8; 32]) {
        let [low, high] = halves(self.counter);
        let old = block(&self.key, 0, [RESEED, low, high]);
        for ((word, fresh), old) in self.key.iter_mut().zip(words(entropy)).zip(old) {
            *word = fresh ^ old;
        }
        self.counter = 0;
    }

    /// The next four values.
    pub fn draw(&mut self) -> [u64; 4] {
        let [low, high] = halves(self.counter);
        self.counter = self.counter.wrapping_add(1);
        let out = block(&self.key, low, [STREAM, high, 0]);
        let mut values = [0; 4];
        for (value, pair) in values.iter_mut().zip(out.chunks_exact(2)) {
            *value = u64::from(pair[0]) | u64::from(pair[1]) << 32;
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_is_that_of_rfc_8439_section_2_3_2() {
        let mut key = [0_u8; 32];
        for (i, byte) in key.iter_mut().enumerate() {
            *byte = i as u8;
        }
        let out = block(&words(&key), 1, [0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(out[..4], [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]);
        assert_eq!(out[12..], [0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2]);
    }

    #[test]
    fn reseeding_depends_on_old_and_new() {
        let draw = |first: u8, second: u8| {
            let mut generator = Generator::unseeded();
            generator.reseed(&[first; 32]);
            generator.reseed(&[second; 32]);
            generator.draw()
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(3, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
    }

    #[test]
    fn proof_depends_on_entropy_and_generation() {
        assert_ne!(proof(&[1; 32], 1), proof(&[1; 32], 2));
        assert_ne!(proof(&[1; 32], 1), proof(&[2; 32], 1));
    }

    #[test]
    fn draws_never_repeat() {
        let mut generator = Generator::unseeded();
        generator.reseed(&[7; 32]);
        let mut seen = std::collections::HashSet::new();
        assert!((0..1000).flat_map(|_| generator.draw()).all(|value| seen.insert(value)));
    }
}
