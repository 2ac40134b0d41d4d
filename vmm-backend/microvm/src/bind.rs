//! What a user brings to a VM, asks of it and gets back. Plain data with its limits.

use crate::guest::mailbox::{self, KEY_BYTES_MAX, URL_BYTES_MAX, kind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something of the user's is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {bytes} bytes is longer than the {limit} bytes that the mailbox takes")]
pub struct TooLong {
    /// URL or key.
    pub what: &'static str,
    /// How long it is.
    pub bytes: usize,
    /// How long it may be.
    pub limit: usize,
}

/// Whose VM it is. A VM that once ran for a key never runs for another.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// Check the length.
    ///
    /// # Errors
    /// [`TooLong`]
    pub fn new(key: impl Into<String>) -> Result<Self, TooLong> {
        bounded("key", key.into(), KEY_BYTES_MAX).map(Self)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key may be a secret, and messages end in logs.
        write!(f, "Key(#{:016x})", mailbox::hash(self.0.as_bytes()))
    }
}

/// The user's data that a start binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    url: String,
    key: Key,
}

impl Bind {
    /// Check the lengths.
    ///
    /// # Errors
    /// [`TooLong`]
    pub fn new(url: impl Into<String>, key: Key) -> Result<Self, TooLong> {
        Ok(Self { url: bounded("object-store URL", url.into(), URL_BYTES_MAX)?, key })
    }

    /// Where the user's objects are.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whose VM it becomes.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

fn bounded(what: &'static str, text: String, limit: usize) -> Result<String, TooLong> {
    if text.len() > limit { Err(TooLong { what, bytes: text.len(), limit }) } else { Ok(text) }
}

/// Names one run of one VM. Of two runs of one VM the later has the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// Fresh random bytes for one start or wake, from the system's generator.
#[derive(Clone, PartialEq, Eq)]
pub struct Entropy([u8; 32]);

impl Entropy {
    /// Draw them.
    ///
    /// # Errors
    /// What `getrandom` answers.
    pub fn draw() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        crate::sys::random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Those that somebody else has drawn.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a guest computes that has taken them under this generation.
    pub fn proof(&self, generation: Generation) -> u64 {
        crate::guest::generator::proof(&self.0, generation.0)
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// A guest's acknowledgement, checked: it runs under this generation and holds the entropy that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The generation.
    pub generation: Generation,
    /// What the guest computed from its entropy.
    pub proof: u64,
}

/// What a running guest can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Add to the counter; answers the sum.
    Add(u64),
    /// The counter.
    Get,
    /// Store a value under a key.
    Put(u64, u64),
    /// What is stored under a key, then 1 where something is.
    Lookup(u64),
    /// Four values of the guest's own generator.
    Random,
    /// Write to so many pages; answers how many there were.
    Touch(u64),
    /// Sum of the marks that `Touch` left in so many pages.
    Sum(u64),
    /// Turn a loop so many times.
    Spin(u64),
    /// Generation, wall clock of the last bind in nanoseconds since 1970, hash of the URL, hash of the key.
    Identity,
}

impl Request {
    /// The order's kind and arguments.
    pub fn encode(self) -> (u32, [u64; 2]) {
        match self {
            Self::Add(amount) => (kind::ADD, [amount, 0]),
            Self::Get => (kind::GET, [0, 0]),
            Self::Put(key, value) => (kind::PUT, [key, value]),
            Self::Lookup(key) => (kind::LOOKUP, [key, 0]),
            Self::Random => (kind::RANDOM, [0, 0]),
            Self::Touch(pages) => (kind::TOUCH, [pages, 0]),
            Self::Sum(pages) => (kind::SUM, [pages, 0]),
            Self::Spin(turns) => (kind::SPIN, [turns, 0]),
            Self::Identity => (kind::IDENTITY, [0, 0]),
        }
    }

    /// The reverse of [`Request::encode`]; `None` for what is no request.
    pub fn decode(kind: u32, args: [u64; 2]) -> Option<Self> {
        Some(match kind {
            kind::ADD => Self::Add(args[0]),
            kind::GET => Self::Get,
            kind::PUT => Self::Put(args[0], args[1]),
            kind::LOOKUP => Self::Lookup(args[0]),
            kind::RANDOM => Self::Random,
            kind::TOUCH => Self::Touch(args[0]),
            kind::SUM => Self::Sum(args[0]),
            kind::SPIN => Self::Spin(args[0]),
            kind::IDENTITY => Self::Identity,
            _ => return None,
        })
    }
}

/// The guest refused, or its answer cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The generation in the mailbox was not newer than the guest's.
    #[error("the guest refused an old mailbox: it runs under a generation that is not older")]
    Stale,
    /// It has no user yet.
    #[error("the guest has no user yet: start it first")]
    Unbound,
    /// Its key-value memory is full.
    #[error("the guest's key-value memory is full")]
    Full,
    /// It does not know the order.
    #[error("the guest does not know this order")]
    Unknown,
    /// A status that does not exist.
    #[error("the guest answered with status {status}, which does not exist")]
    Status {
        /// The status.
        status: u32,
    },
    /// It answered for another generation, or with a value that does not follow from its entropy.
    #[error(
        "the guest's acknowledgement is wrong: it did not take the generation and entropy that it was given"
    )]
    Acknowledgement,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_limits() {
        assert!(Key::new("k".repeat(KEY_BYTES_MAX)).is_ok());
        assert_eq!(Key::new("k".repeat(KEY_BYTES_MAX + 1)).unwrap_err().what, "key");
        let key = Key::new("k").unwrap();
        assert!(Bind::new("u".repeat(URL_BYTES_MAX), key.clone()).is_ok());
        assert_eq!(Bind::new("u".repeat(URL_BYTES_MAX + 1), key).unwrap_err().limit, URL_BYTES_MAX);
    }

    #[test]
    fn requests_survive_encoding() {
        let all = [
            Request::Add(1),
            Request::Get,
            Request::Put(2, 3),
            Request::Lookup(4),
            Request::Random,
            Request::Touch(5),
            Request::Sum(6),
            Request::Spin(7),
            Request::Identity,
        ];
        for request in all {
            let (kind, args) = request.encode();
            assert_eq!(Request::decode(kind, args), Some(request));
        }
        assert_eq!(Request::decode(kind::BIND, [0; 2]), None);
    }

    #[test]
    fn a_key_does_not_show_in_messages() {
        assert!(!format!("{:?}", Key::new("secret").unwrap()).contains("secret"));
    }
}
