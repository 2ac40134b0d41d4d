//! What the guest does with an order: rules only, no machine. It runs inside the guest image, and on the host
//! in its unit tests, so it may use `core` only and may not panic.

use super::generator::{Generator, proof};
use super::mailbox::{KEY_BYTES_MAX, Order, Reply, URL_BYTES_MAX, hash, kind, status};

const ENTRIES_MAX: usize = 64;
const HEAP_STEP: usize = 4096;

/// The guest's whole memory of its user.
pub struct Service {
    generation: u64,
    wall_ns: u64,
    url_hash: u64,
    key_hash: u64,
    counter: u64,
    entries: usize,
    keys: [u64; ENTRIES_MAX],
    values: [u64; ENTRIES_MAX],
    generator: Generator,
}

impl Service {
    /// Unbound: no generation, no user, no entropy.
    pub const fn new() -> Self {
        Self {
            generation: 0,
            wall_ns: 0,
            url_hash: 0,
            key_hash: 0,
            counter: 0,
            entries: 0,
            keys: [0; ENTRIES_MAX],
            values: [0; ENTRIES_MAX],
            generator: Generator::unseeded(),
        }
    }

    /// Do one order. Clears the entropy that it used.
    pub fn serve(&mut self, order: &mut Order, heap: &mut [u8]) -> Reply {
        let outcome = match order.kind {
            kind::WARM => Ok([proof(&order.entropy, order.generation), 0, 0, 0]),
            kind::BIND => self.bind(order),
            _ if self.generation == 0 => Err(status::UNBOUND),
            kind::ADD => {
                self.counter = self.counter.wrapping_add(order.args[0]);
                Ok([self.counter, 0, 0, 0])
            }
            kind::GET => Ok([self.counter, 0, 0, 0]),
            kind::PUT => self.put(order.args[0], order.args[1]),
            kind::LOOKUP => Ok(self.lookup(order.args[0])),
            kind::RANDOM => Ok(self.generator.draw()),
            kind::TOUCH => Ok([touch(heap, order.args[0]), 0, 0, 0]),
            kind::SUM => Ok([sum(heap, order.args[0]), 0, 0, 0]),
            kind::SPIN => {
                for turn in 0..order.args[0] {
                    core::hint::black_box(turn);
                }
                Ok([order.args[0], 0, 0, 0])
            }
            kind::IDENTITY => Ok([self.generation, self.wall_ns, self.url_hash, self.key_hash]),
            _ => Err(status::UNKNOWN),
        };
        let (status, values) = match outcome {
            Ok(values) => (status::OK, values),
            Err(status) => (status, [0; 4]),
        };
        Reply { status, reserved: 0, generation: self.generation, values }
    }

    /// A first bind takes the user; a later one (after sleep) keeps the user and the memory, and mixes the
    /// new entropy in.
    fn bind(&mut self, order: &mut Order) -> Result<[u64; 4], u32> {
        if order.generation <= self.generation {
            return Err(status::STALE);
        }
        let (url_bytes, key_bytes) = (usize::from(order.url_bytes), usize::from(order.key_bytes));
        if url_bytes > URL_BYTES_MAX || key_bytes > KEY_BYTES_MAX {
            return Err(status::UNKNOWN);
        }
        if self.generation == 0 {
            self.url_hash = hash(order.url.get(..url_bytes).unwrap_or(&[]));
            self.key_hash = hash(order.key.get(..key_bytes).unwrap_or(&[]));
        }
        self.generation = order.generation;
        self.wall_ns = order.wall_ns;
        self.generator.reseed(&order.entropy);
        let answer = proof(&order.entropy, order.generation);
        order.entropy = [0; 32];
        Ok([answer, 0, 0, 0])
    }

    fn put(&mut self, key: u64, value: u64) -> Result<[u64; 4], u32> {
        let used = self.entries.min(ENTRIES_MAX);
        let at = self.keys.iter().take(used).position(|&k| k == key).unwrap_or(used);
        let (Some(k), Some(v)) = (self.keys.get_mut(at), self.values.get_mut(at)) else {
            return Err(status::FULL);
        };
        (*k, *v) = (key, value);
        self.entries = used.max(at + 1);
        Ok([0; 4])
    }

    fn lookup(&self, key: u64) -> [u64; 4] {
        let pairs = self.keys.iter().zip(&self.values).take(self.entries.min(ENTRIES_MAX));
        for (&k, &v) in pairs {
            if k == key {
                return [v, 1, 0, 0];
            }
        }
        [0; 4]
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::new()
    }
}

/// Give every one of the first `pages` pages a mark of its own; how many there were.
fn touch(heap: &mut [u8], pages: u64) -> u64 {
    let mut touched = 0;
    for page in heap.chunks_exact_mut(HEAP_STEP) {
        if touched == pages {
            break;
        }
        touched += 1;
        if let Some(word) = page.first_chunk_mut::<8>() {
            *word = touched.to_le_bytes();
        }
    }
    touched
}

fn sum(heap: &[u8], pages: u64) -> u64 {
    let pages = usize::try_from(pages).unwrap_or(usize::MAX);
    let mut sum = 0_u64;
    for page in heap.chunks_exact(HEAP_STEP).take(pages) {
        if let Some(word) = page.first_chunk::<8>() {
            sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(generation: u64) -> Order {
        let mut order = Order::new(kind::BIND, [0; 2]);
        order.generation = generation;
        order.entropy = [generation as u8; 32];
        order.url[..3].copy_from_slice(b"s3:");
        order.url_bytes = 3;
        order
    }

    fn ask(service: &mut Service, kind: u32, args: [u64; 2]) -> Reply {
        service.serve(&mut Order::new(kind, args), &mut [0; 3 * HEAP_STEP])
    }

    #[test]
    fn nothing_is_served_before_a_bind() {
        let mut service = Service::new();
        assert_eq!(ask(&mut service, kind::ADD, [1, 0]).status, status::UNBOUND);
        assert_eq!(ask(&mut service, kind::RANDOM, [0, 0]).status, status::UNBOUND);
        assert_eq!(ask(&mut service, kind::WARM, [0, 0]).generation, 0);
    }

    #[test]
    fn an_old_mailbox_is_refused() {
        let mut service = Service::new();
        assert_eq!(service.serve(&mut bind(0), &mut []).status, status::STALE);
        assert_eq!(service.serve(&mut bind(5), &mut []).status, status::OK);
        for old in [1, 4, 5] {
            let reply = service.serve(&mut bind(old), &mut []);
            assert_eq!((reply.status, reply.generation), (status::STALE, 5));
        }
        assert_eq!(service.serve(&mut bind(6), &mut []).status, status::OK);
    }

    #[test]
    fn a_bind_clears_its_entropy_and_proves_it() {
        let (mut service, mut order) = (Service::new(), bind(3));
        let reply = service.serve(&mut order, &mut []);
        assert_eq!(reply.values[0], proof(&[3; 32], 3));
        assert_eq!(order.entropy, [0; 32]);
    }

    #[test]
    fn a_later_bind_keeps_memory_and_user() {
        let mut service = Service::new();
        service.serve(&mut bind(1), &mut []);
        ask(&mut service, kind::ADD, [41, 0]);
        ask(&mut service, kind::PUT, [9, 99]);
        let before = ask(&mut service, kind::IDENTITY, [0, 0]).values;
        let mut later = bind(2);
        later.url_bytes = 1;
        service.serve(&mut later, &mut []);
        assert_eq!(ask(&mut service, kind::ADD, [1, 0]).values[0], 42);
        assert_eq!(ask(&mut service, kind::LOOKUP, [9, 0]).values[..2], [99, 1]);
        let after = ask(&mut service, kind::IDENTITY, [0, 0]).values;
        assert_eq!((before[0], after[0]), (1, 2));
        assert_eq!(before[2..], after[2..]);
    }

    #[test]
    fn the_key_value_memory_is_bounded() {
        let mut service = Service::new();
        service.serve(&mut bind(1), &mut []);
        for key in 0..ENTRIES_MAX as u64 {
            assert_eq!(ask(&mut service, kind::PUT, [key, key]).status, status::OK);
        }
        assert_eq!(ask(&mut service, kind::PUT, [1000, 0]).status, status::FULL);
        assert_eq!(ask(&mut service, kind::PUT, [5, 50]).status, status::OK);
        assert_eq!(ask(&mut service, kind::LOOKUP, [5, 0]).values[0], 50);
        assert_eq!(ask(&mut service, kind::LOOKUP, [1000, 0]).values[1], 0);
    }

    #[test]
    fn touch_and_sum_agree() {
        let mut heap = vec![0; 4 * HEAP_STEP];
        assert_eq!(touch(&mut heap, 3), 3);
        assert_eq!(sum(&heap, 4), 1 + 2 + 3);
        assert_eq!(touch(&mut heap, 9), 4);
    }
}
