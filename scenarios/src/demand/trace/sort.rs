//! Sorts any number of records in bounded memory: sorted runs go to one temporary file and are merged from
//! there. A trace that fits into one run never touches the disk. Records of the same time keep their order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

use actors::Duration;

use crate::demand::DemandError;

/// Records held in memory at once: 20 MiB, and half as much again while they are sorted.
const RUN_RECORDS: usize = 1 << 19;
/// Bytes of all read buffers together.
const BUFFER_BYTES: usize = 8 << 20;
/// Bytes of one record in the file.
const RECORD_BYTES: usize = 24;

/// One row of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// When, in nanoseconds from wherever the trace counts.
    pub(super) at: i64,
    /// Whose, where the trace says so.
    pub(super) key: Option<u32>,
    /// How long, where the trace says so.
    pub(super) lifetime: Option<Duration>,
    /// How many requests: one, but where rows are counts.
    pub(super) count: u32,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.lifetime.map_or(u64::MAX, Duration::as_nanos).to_le_bytes());
        bytes[16..20].copy_from_slice(&self.key.unwrap_or(u32::MAX).to_le_bytes());
        bytes[20..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let at = i64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
        let lifetime = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
        let key = u32::from_le_bytes(bytes.get(16..20)?.try_into().ok()?);
        let count = u32::from_le_bytes(bytes.get(20..RECORD_BYTES)?.try_into().ok()?);
        let lifetime = (lifetime != u64::MAX).then(|| Duration::from_nanos(lifetime));
        Some(Self { at, key: (key != u32::MAX).then_some(key), lifetime, count })
    }
}

/// Takes records in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    run: Vec<Record>,
    run_records: usize,
    file: Option<BufWriter<File>>,
    /// Where the runs in the file end, in bytes.
    ends: Vec<u64>,
}

impl Sorter {
    pub(super) fn new() -> Self {
        Self::with_runs_of(RUN_RECORDS)
    }

    fn with_runs_of(run_records: usize) -> Self {
        Self { run: Vec::new(), run_records, file: None, ends: Vec::new() }
    }

    pub(super) fn push(&mut self, record: Record) -> Result<(), DemandError> {
        if self.run.len() >= self.run_records {
            self.spill().map_err(DemandError::spill)?;
        }
        self.run.push(record);
        Ok(())
    }

    fn spill(&mut self) -> std::io::Result<()> {
        self.run.sort_by_key(|record| record.at);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(1 << 16, tempfile::tempfile()?)),
        };
        for record in &self.run {
            file.write_all(&record.to_bytes())?;
        }
        let bytes = (self.run.len() * RECORD_BYTES) as u64;
        self.ends.push(self.ends.last().copied().unwrap_or(0) + bytes);
        self.run.clear();
        Ok(())
    }

    /// All records, in the order of time.
    pub(super) fn finish(mut self) -> Result<Sorted, DemandError> {
        if self.file.is_none() {
            self.run.sort_by_key(|record| record.at);
            return Ok(Sorted::Memory(self.run.into_iter()));
        }
        self.spill().map_err(DemandError::spill)?;
        let file = match self.file {
            Some(file) => file.into_inner().map_err(|error| DemandError::spill(error.into_error()))?,
            None => return Ok(Sorted::Memory(Vec::new().into_iter())),
        };
        Merge::new(file, &self.ends).map(Sorted::Disk).map_err(DemandError::spill)
    }
}

/// Gives records in the order of time.
#[derive(Debug)]
pub(super) enum Sorted {
    Memory(std::vec::IntoIter<Record>),
    Disk(Merge),
}

impl Sorted {
    pub(super) fn next(&mut self) -> Result<Option<Record>, DemandError> {
        match self {
            Self::Memory(records) => Ok(records.next()),
            Self::Disk(merge) => merge.next().map_err(DemandError::spill),
        }
    }
}

/// Merges the runs of a file.
#[derive(Debug)]
pub(super) struct Merge {
    file: File,
    runs: Vec<Run>,
    /// The first record of each run: when, and which run. Of two at the same time the earlier run is first.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
}

#[derive(Debug)]
struct Run {
    /// What is still in the file.
    from: u64,
    end: u64,
    buffer: Vec<u8>,
    read: usize,
    head: Option<Record>,
}

impl Merge {
    fn new(file: File, ends: &[u64]) -> std::io::Result<Self> {
        let records = (BUFFER_BYTES / RECORD_BYTES / ends.len().max(1)).max(16);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let run = |(from, end)| Run {
            from,
            end,
            buffer: Vec::with_capacity(records * RECORD_BYTES),
            read: 0,
            head: None,
        };
        let runs = starts.zip(ends.iter().copied()).map(run).collect::<Vec<_>>();
        let mut merge = Self { file, heads: BinaryHeap::with_capacity(runs.len()), runs };
        for index in 0..merge.runs.len() {
            merge.pull(index)?;
        }
        Ok(merge)
    }

    fn next(&mut self) -> std::io::Result<Option<Record>> {
        let Some(Reverse((_, index))) = self.heads.pop() else {
            return Ok(None);
        };
        let record = self.runs[index].head.take();
        self.pull(index)?;
        Ok(record)
    }

    /// Brings the next record of a run to its head.
    fn pull(&mut self, index: usize) -> std::io::Result<()> {
        let run = &mut self.runs[index];
        if run.read == run.buffer.len() {
            let bytes = (run.end - run.from).min(run.buffer.capacity() as u64) as usize;
            let bytes = bytes - bytes % RECORD_BYTES;
            run.buffer.resize(bytes, 0);
            run.read = 0;
            if bytes == 0 {
                return Ok(());
            }
            self.file.seek(SeekFrom::Start(run.from))?;
            self.file.read_exact(&mut run.buffer)?;
            run.from += bytes as u64;
        }
        run.head = Record::from_bytes(&run.buffer[run.read..]);
        run.read += RECORD_BYTES;
        if let Some(head) = &run.head {
            self.heads.push(Reverse((head.at, index)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(mut sorted: Sorted) -> Vec<Record> {
        std::iter::from_fn(|| sorted.next().expect("a temporary file")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn runs_on_disk_give_the_same_as_memory(
            times in proptest::collection::vec(-20i64..20, 0..300),
            run in 1usize..40,
        ) {
            let records: Vec<Record> = times.iter().enumerate().map(|(index, at)| Record {
                at: *at,
                key: (index % 3 != 0).then_some(index as u32),
                lifetime: (index % 2 == 0).then(|| Duration::from_nanos(index as u64)),
                count: index as u32,
            }).collect();
            let mut sorter = Sorter::with_runs_of(run);
            for record in &records {
                sorter.push(*record).expect("a temporary file");
            }
            let mut expected = records;
            expected.sort_by_key(|record| record.at);
            prop_assert_eq!(all(sorter.finish().expect("a temporary file")), expected);
        }
    }
}
