//! Distributions that were recorded: HdrHistogram interval logs and lists of samples.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use actors::Duration;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::{Sampler, Unit};
use crate::decimal;

/// The largest interval log that is read, in bytes.
const LOG_BYTES_MAX: u64 = 256 << 20;
/// The most samples that are held.
const SAMPLES_MAX: usize = 10_000_000;
/// The longest line of a list of samples, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 16;

/// Why a distribution cannot be drawn from. [`DistributionError::remedy`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// The file cannot be opened or read.
    #[error("`{}` cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds nothing to draw.
    #[error("`{}` holds no value", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line of the file is not what it should be.
    #[error("`{}`, line {line}, {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file is larger than can be held.
    #[error("`{}` is too large", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is held at most.
        limit: String,
    },
    /// The two percentiles of a lognormal distribution are in the wrong order.
    #[error("has p50 = {p50} and p99 = {p99}")]
    Percentiles {
        /// The median.
        p50: Duration,
        /// The 99th percentile.
        p99: Duration,
    },
}

impl DistributionError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Read { .. } => "give the path of a file, from the folder of the scenario".to_owned(),
            Self::Empty { .. } => "record some values, or name another file".to_owned(),
            Self::Line { .. } => "mend the line, or name another file".to_owned(),
            Self::TooLarge { limit, .. } => format!("give a file with at most {limit}"),
            Self::Percentiles { .. } => {
                "give a median longer than zero, and a p99 that is at least as long".to_owned()
            }
        }
    }
}

/// All intervals of an HdrHistogram log together, in nanoseconds.
pub(super) fn histogram(path: &Path) -> Result<Sampler, DistributionError> {
    let read = |source| DistributionError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(LOG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > LOG_BYTES_MAX {
        let limit = format!("{} MiB", LOG_BYTES_MAX >> 20);
        return Err(DistributionError::TooLarge { path: path.to_owned(), limit });
    }
    merge(&bytes).map_err(|fault| match fault {
        Fault::Empty => DistributionError::Empty { path: path.to_owned() },
        Fault::Line { line, what } => DistributionError::Line { path: path.to_owned(), line, what },
    })
}

enum Fault {
    Empty,
    Line { line: u64, what: String },
}

/// Reads the log line by line, so that a fault has a line.
fn merge(bytes: &[u8]) -> Result<Sampler, Fault> {
    let mut all: Option<Histogram<u64>> = None;
    let mut deserializer = Deserializer::new();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let fault = |what: String| Fault::Line { line: index as u64 + 1, what };
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"\"StartTimestamp\"") {
            continue;
        }
        let mut whole = text.to_vec();
        whole.push(b'\n');
        for entry in IntervalLogIterator::new(&whole) {
            let entry =
                entry.map_err(|_| fault("is not a line of an HdrHistogram interval log".to_owned()))?;
            let LogEntry::Interval(interval) = entry else {
                continue;
            };
            let one = decode(interval.encoded_histogram(), &mut deserializer).map_err(fault)?;
            match &mut all {
                Some(all) => all.add(one).map_err(|error| fault(error.to_string()))?,
                None => {
                    let mut first = one;
                    first.auto(true);
                    all = Some(first);
                }
            }
        }
    }
    let all = all.ok_or(Fault::Empty)?;
    let counts = all.iter_recorded().map(|step| {
        let value = step.value_iterated_to();
        (all.median_equivalent(value), step.count_at_value())
    });
    Sampler::counted(counts).ok_or(Fault::Empty)
}

fn decode(text: &str, deserializer: &mut Deserializer) -> Result<Histogram<u64>, String> {
    let bytes = base64(text).ok_or("holds a histogram that is not base64")?;
    deserializer.deserialize(&mut &bytes[..]).map_err(|_| "holds a histogram that cannot be read".to_owned())
}

/// Decodes standard base64 with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for chunk in digits.chunks(4) {
        let mut bits = 0u32;
        for digit in chunk {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len().max(1)]);
    }
    Some(bytes)
}

/// One number a line; a first line that does not begin like a number is a heading.
pub(super) fn samples(path: &Path, unit: Unit) -> Result<Sampler, DistributionError> {
    let read = |source| DistributionError::Read { path: path.to_owned(), source };
    let mut input = BufReader::new(File::open(path).map_err(read)?);
    let mut values = Vec::new();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(read)?;
        if line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(line.trim_ascii());
        let nanos = decimal::attos(text.trim_end_matches(','), unit.nanos())
            .and_then(|attos| u64::try_from(decimal::round_to_nanos(attos)).ok());
        match nanos {
            Some(nanos) => values.push(nanos),
            None if text.is_empty() || text.starts_with('#') || (number == 1 && !is_like_a_number(&text)) => {
            }
            None => {
                let what = format!("`{text}` is not a number of {}, zero or more", unit.name());
                return Err(DistributionError::Line { path: path.to_owned(), line: number, what });
            }
        }
        if values.len() > SAMPLES_MAX {
            let limit = format!("{SAMPLES_MAX} numbers");
            return Err(DistributionError::TooLarge { path: path.to_owned(), limit });
        }
    }
    Sampler::listed(values).ok_or_else(|| DistributionError::Empty { path: path.to_owned() })
}

fn is_like_a_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::Rng;
    use actors::random::Purpose;
    use hdrhistogram::serialization::V2DeflateSerializer;
    use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
    use std::io::Write;
    use std::time;

    fn log_of(intervals: &[&[u64]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment("recorded for a test");
        let mut log = builder.begin_log_with(&mut bytes, &mut serializer).expect("a log in memory");
        for values in intervals {
            let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
            values.iter().for_each(|value| histogram.record(*value).expect("in bounds"));
            log.write_histogram(&histogram, time::Duration::ZERO, time::Duration::from_secs(1), None)
                .expect("a log in memory");
        }
        bytes
    }

    #[test]
    fn all_intervals_of_a_log_are_drawn_from() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("boot.hlog");
        std::fs::write(&path, log_of(&[&[1_000, 1_000], &[2_000_000, 2_000_000]])).expect("a file");
        let sampler = histogram(&path).expect("a sampler");
        let mut rng = Rng::stream(1, Purpose::Boots, 0);
        let short = (0..1_000).filter(|_| sampler.sample(&mut rng) < Duration::from_micros(2)).count();
        assert!((400..600).contains(&short), "{short}");
        let mean = sampler.mean().as_nanos() as f64;
        assert!((mean / 1_000_500.0 - 1.0).abs() < 0.001, "{mean}");
    }

    #[test]
    fn a_log_without_values_or_with_a_broken_line_says_so() {
        assert!(matches!(merge(b"#only a comment\n"), Err(Fault::Empty)));
        assert!(matches!(merge(&log_of(&[&[]])), Err(Fault::Empty)));
        assert!(matches!(merge(b"#a comment\n1,2,3,%%%\n"), Err(Fault::Line { line: 2, .. })));
        assert!(matches!(merge(b"\xff\xfe\n"), Err(Fault::Line { line: 1, .. })));
    }

    #[test]
    fn samples_are_read_in_their_unit() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"boot_ms\n# by hand\n1.5\n2\n\n").expect("written");
        let sampler = samples(file.path(), Unit::Ms).expect("a sampler");
        assert_eq!(sampler.mean(), Duration::from_micros(1_750));
        file.write_all(b"-3\n").expect("written");
        let error = samples(file.path(), Unit::Ms).expect_err("a negative number");
        assert!(error.to_string().contains("line 6, `-3` is not a number of ms"), "{error}");
    }

    #[test]
    fn a_first_sample_that_cannot_be_is_no_heading() {
        for first in ["-1", "1,5", "99999999999999999999999", "+-2"] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            writeln!(file, "{first}\n2").expect("written");
            let error = samples(file.path(), Unit::S).expect_err(first).to_string();
            assert!(error.contains(&format!("line 1, `{first}` is not a number of s")), "{error}");
        }
    }

    #[test]
    fn base64_is_the_standard_one() {
        assert_eq!(base64("aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("aGVsbG8h").as_deref(), Some(&b"hello!"[..]));
        assert_eq!(base64("a*b"), None);
    }
}
