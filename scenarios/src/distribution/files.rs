//! Distributions that were recorded: files with a histogram, or with a list of samples.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use actors::Duration;

use super::fault::Fault;
use super::percentiles::Percentile;
use super::{Sampler, Unit, hgrm, hlog};
use crate::decimal;
use crate::input::{Input, InputError};

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
    /// The file is not text.
    #[error("`{}` is {what}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// How it becomes text.
        remedy: &'static str,
    },
    /// The file does not say the unit of its values.
    #[error("`{}` does not say the unit of its values", path.display())]
    Unit {
        /// The file.
        path: PathBuf,
    },
    /// The log is of a version that is not read.
    #[error("`{}`, line {line}, is an HdrHistogram log of version {version}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The line that says so.
        line: u64,
        /// The version.
        version: String,
    },
    /// Two percentiles are in the wrong order, or the lower one is zero.
    #[error("has {low} = {low_value} and {high} = {high_value}")]
    Percentiles {
        /// The lower percentile.
        low: Percentile,
        /// Its value.
        low_value: Duration,
        /// The higher percentile.
        high: Percentile,
        /// Its value.
        high_value: Duration,
    },
    /// The mean is zero, and the deviation is not.
    #[error("has mean = 0s and deviation = {deviation}")]
    Moments {
        /// The deviation.
        deviation: Duration,
    },
    /// The shortest value is longer than the longest.
    #[error("is uniform from {shortest} to {longest}")]
    Bounds {
        /// The first of the two.
        shortest: Duration,
        /// The second.
        longest: Duration,
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
            Self::Foreign { remedy, .. } => (*remedy).to_owned(),
            Self::Unit { .. } => "say it beside `histogram`: unit = \"ms\", or s, us or ns".to_owned(),
            Self::Version { .. } => "write it as version 1.0 to 1.3".to_owned(),
            Self::Percentiles { low, high, .. } => {
                format!("give a {low} longer than zero, and a {high} that is at least as long")
            }
            Self::Moments { .. } => "give a mean longer than zero".to_owned(),
            Self::Bounds { .. } => "give the shortest value first".to_owned(),
        }
    }
}

/// A recorded histogram: an HdrHistogram interval log in nanoseconds, or a percentile distribution.
pub(super) fn histogram(path: &Path, unit: Option<Unit>) -> Result<Sampler, DistributionError> {
    let mut bytes = Vec::new();
    let input = open(path)?;
    let read = |source| DistributionError::Read { path: path.to_owned(), source };
    input.take(LOG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > LOG_BYTES_MAX {
        let limit = format!("{} MiB", LOG_BYTES_MAX >> 20);
        return Err(DistributionError::TooLarge { path: path.to_owned(), limit });
    }
    let counts = if !hlog::is_log(&bytes) && hgrm::is_distribution(&bytes) {
        hgrm::read(&bytes, unit)
    } else {
        let nanos = unit.unwrap_or(Unit::Ns).nanos();
        hlog::read(&bytes).map(|mut counts| {
            counts.iter_mut().for_each(|(value, _)| *value = value.saturating_mul(nanos));
            counts
        })
    };
    let path = path.to_owned();
    match counts {
        Ok(counts) => Sampler::counted(counts).ok_or(DistributionError::Empty { path }),
        Err(Fault::Empty) => Err(DistributionError::Empty { path }),
        Err(Fault::Unit) => Err(DistributionError::Unit { path }),
        Err(Fault::Line { line, what }) => Err(DistributionError::Line { path, line, what }),
        Err(Fault::Version { line, version }) => Err(DistributionError::Version { path, line, version }),
    }
}

fn open(path: &Path) -> Result<Input, DistributionError> {
    Input::open(path).map_err(|error| match error {
        InputError::Io(source) => DistributionError::Read { path: path.to_owned(), source },
        InputError::Foreign(foreign) => DistributionError::Foreign {
            path: path.to_owned(),
            what: foreign.name(),
            remedy: foreign.remedy(),
        },
    })
}

/// One number a line; a first line that does not begin like a number is a heading.
pub(super) fn samples(path: &Path, unit: Unit) -> Result<Sampler, DistributionError> {
    let read = |source| DistributionError::Read { path: path.to_owned(), source };
    let mut input = open(path)?;
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
    use std::io::Write;

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
}
