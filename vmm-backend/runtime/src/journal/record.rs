//! The journal of deliveries as a file: a line that says what it is, then records, each with its length and a
//! checksum. Knows nothing of threads or actors at work.
//!
//! ```text
//!   warmpool journal 1\n
//!   ┌─ length: u32 ─┬─ checksum: u32 ─┬─ a record in postcard ─┐ ...      (both little-endian)
//! ```
//!
//! The first record is the [`Header`]. A file may end within a record, as when its writer was killed: what is
//! whole before is read, and the reader says so.

use std::io::{self, BufRead, Write};

use actors::{ActorId, Message};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::effects::Tally;

/// The first line of a journal; the number is that of the format.
const MAGIC: &[u8] = b"warmpool journal 1\n";

/// No record is longer; a length beyond it is damage.
const RECORD_BYTES_MAX: u32 = 1 << 24;

/// What a replay must know before the first delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the actors' random numbers came from.
    pub seed: u64,
    /// What configured the Workers, as the program that wrote the journal can read it again; for a scenario
    /// every value in force.
    pub scenario: String,
}

/// One thing that happened, in the order in which it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A Worker was made, or made anew after its state was lost.
    Hosted(ActorId),
    /// A message was delivered and handled.
    Delivery(Delivery),
    /// So many records could not be written. What follows cannot be replayed.
    Gap(u64),
}

/// One message, and what its handler did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// When, in nanoseconds since the opening.
    pub at_ns: u64,
    /// From whom.
    pub from: ActorId,
    /// To whom.
    pub to: ActorId,
    /// What.
    pub message: Message,
    /// What the handler sent, armed, performed, observed and spawned.
    pub effects: Tally,
}

/// A journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system fails.
    #[error("the journal cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin like one.
    #[error(
        "this is no journal of deliveries, or of another version: it does not begin with {MAGIC:?}",
        MAGIC = "warmpool journal 1"
    )]
    Foreign,
    /// A record is not what was written.
    #[error("byte {at}: the journal is damaged: {what}")]
    Damaged {
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Begins a journal.
pub(super) fn begin(to: &mut impl Write, header: &Header) -> io::Result<()> {
    to.write_all(MAGIC)?;
    write(to, header, &mut Vec::new())
}

/// Appends a record; `scratch` keeps its memory from one to the next.
pub(super) fn write(to: &mut impl Write, record: &impl Serialize, scratch: &mut Vec<u8>) -> io::Result<()> {
    scratch.clear();
    let bytes = postcard::to_extend(record, std::mem::take(scratch)).map_err(io::Error::other)?;
    *scratch = bytes;
    let length = u32::try_from(scratch.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&checksum(scratch).to_le_bytes())?;
    to.write_all(scratch)
}

fn checksum(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// Reads a journal from its beginning.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    /// Bytes read so far.
    at: u64,
    is_torn: bool,
    bytes: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Where it is no journal, or is damaged.
    pub fn new(mut from: R) -> Result<Self, JournalError> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => JournalError::Foreign,
            _ => JournalError::Io(error),
        })?;
        if magic != MAGIC {
            return Err(JournalError::Foreign);
        }
        let header = Header { seed: 0, scenario: String::new() };
        let mut reader = Self { from, header, at: MAGIC.len() as u64, is_torn: false, bytes: Vec::new() };
        reader.header = reader.next()?.ok_or(JournalError::Foreign)?;
        Ok(reader)
    }

    /// What a replay must know.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// Where the journal is damaged, or the file system fails.
    pub fn record(&mut self) -> Result<Option<Record>, JournalError> {
        self.next()
    }

    /// Whether the end was within a record.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, JournalError> {
        let (at, mut head) = (self.at, [0; 8]);
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (length, expected) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if length > RECORD_BYTES_MAX {
            return Err(JournalError::Damaged { at, what: "no record is that long" });
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(length as usize, 0);
        let is_whole = self.fill(&mut bytes)?;
        if !is_whole {
            self.is_torn = true;
            return Ok(None);
        }
        if checksum(&bytes) != expected {
            return Err(JournalError::Damaged { at, what: "the checksum is another" });
        }
        let record = postcard::from_bytes(&bytes)
            .map_err(|_| JournalError::Damaged { at, what: "it holds no record of this version" });
        self.bytes = bytes;
        record.map(Some)
    }

    /// Whether there was as much; notes an end that comes in between.
    fn fill(&mut self, mut buffer: &mut [u8]) -> io::Result<bool> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            match self.from.read(buffer) {
                Ok(0) => {
                    self.is_torn |= buffer.len() < wanted;
                    return Ok(false);
                }
                Ok(read) => {
                    self.at += read as u64;
                    buffer = &mut buffer[read..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        begin(&mut bytes, &Header { seed: 7, scenario: "name = \"toy\"".to_owned() }).expect("memory");
        for record in records {
            write(&mut bytes, record, &mut Vec::new()).expect("memory");
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(Vec<Record>, bool), JournalError> {
        let mut reader = Reader::new(bytes)?;
        assert_eq!(reader.header().seed, 7);
        let mut records = Vec::new();
        while let Some(record) = reader.record()? {
            records.push(record);
        }
        Ok((records, reader.is_torn()))
    }

    #[test]
    fn what_is_written_is_read() {
        let records = [Record::Hosted(ActorId(0)), Record::Gap(3), Record::Hosted(ActorId(9))];
        assert_eq!(read(&journal(&records)).expect("it is whole"), (records.to_vec(), false));
    }

    #[test]
    fn a_journal_that_ends_within_a_record_is_read_up_to_it() {
        let records = [Record::Hosted(ActorId(0)), Record::Hosted(ActorId(1))];
        let (whole, first) = (journal(&records), journal(&records[..1]).len());
        for end in first + 1..whole.len() {
            assert_eq!(
                read(&whole[..end]).expect("the rest is whole"),
                (records[..1].to_vec(), true),
                "{end}"
            );
        }
    }

    #[test]
    fn a_flipped_bit_is_never_read_as_something_else() {
        let records = [Record::Hosted(ActorId(0)), Record::Gap(5), Record::Hosted(ActorId(1))];
        let whole = journal(&records);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match read(&bytes) {
                Err(JournalError::Foreign | JournalError::Damaged { .. }) => {}
                // A length that became too large: the end comes before the record is whole.
                Ok((read, true)) => assert!(records.starts_with(&read), "bit {bit}: {read:?}"),
                other => panic!("bit {bit} was not noticed: {other:?}"),
            }
        }
    }
}
