//! `latency.hlog`: the interval log that HdrHistogram's own tools read, with one tag per outcome.
//!
//! Latencies are in nanoseconds. Every line has a tag, so `HistogramLogProcessor` wants `-tag warm` or
//! `-alltags`. Time stamps count from the opening of the run, which stands at the epoch, because a simulated
//! run happens at no date.

use std::io;
use std::str::FromStr as _;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::latency::{DIGITS, Interval, LONGEST_NS, Latencies, decode, encode};
use crate::outcomes::by_name;

/// Why a `.hlog` could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HlogError {
    /// It is not an interval log.
    #[error("not an HdrHistogram interval log: the line at byte {offset} cannot be read")]
    Syntax {
        /// Where the line begins.
        offset: usize,
    },
    /// A tag is no outcome.
    #[error("the interval at {at_s}s has the tag `{tag}`, which is no outcome of a request")]
    Tag {
        /// When the interval begins, in seconds.
        at_s: f64,
        /// The tag.
        tag: String,
    },
    /// A histogram is damaged, or of another kind.
    #[error("the interval at {at_s}s holds no histogram of 1 ns to 1 h with three digits: {why}")]
    Histogram {
        /// When the interval begins, in seconds.
        at_s: f64,
        /// What is wrong with it.
        why: String,
    },
}

/// Writes `latency.hlog`. The maximum of each line is in milliseconds, as Java's tools have it for
/// nanoseconds.
///
/// # Errors
/// Those of the writer.
pub fn write(latencies: &Latencies, name: &str, to: &mut impl io::Write) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let title =
        format!("latency of the requests of {}, in nanoseconds, tagged by outcome", name.replace('\n', " "));
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&title)
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(UNIX_EPOCH)
        .with_max_value_divisor(1e6)
        .begin_log_with(to, &mut serializer)?;
    for interval in &latencies.intervals {
        let (from, length) =
            (Duration::from_nanos(interval.from_ns), Duration::from_nanos(interval.length_ns));
        for (outcome, bytes) in &interval.parts {
            let histogram = decode(bytes);
            log.write_histogram(&histogram, from, length, Tag::new(outcome.name()))
                .map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// Where the file is damaged or was written for something else.
pub fn read(file: &[u8]) -> Result<Latencies, HlogError> {
    let mut latencies = Latencies::default();
    for entry in IntervalLogIterator::new(file) {
        let entry = entry.map_err(|error| {
            let hdrhistogram::serialization::interval_log::LogIteratorError::ParseError { offset } = error;
            HlogError::Syntax { offset }
        })?;
        if let LogEntry::Interval(line) = entry {
            add(&mut latencies, &line)?;
        }
    }
    Ok(latencies)
}

fn add(latencies: &mut Latencies, line: &IntervalLogHistogram<'_>) -> Result<(), HlogError> {
    let at_s = line.start_timestamp().as_secs_f64();
    let tag = line.tag().map_or("", |tag| tag.as_str());
    let outcome = by_name(tag).ok_or_else(|| HlogError::Tag { at_s, tag: tag.to_owned() })?;
    let histogram = histogram_of(line).map_err(|why| HlogError::Histogram { at_s, why })?;
    latencies.add(outcome, &histogram);
    let (from_ns, length_ns) = (whole_ms(line.start_timestamp()), whole_ms(line.duration()));
    let part = (outcome, encode(&histogram));
    match latencies.intervals.last_mut() {
        Some(last) if last.from_ns == from_ns && last.parts.iter().all(|(known, _)| *known != outcome) => {
            last.parts.push(part);
        }
        _ => latencies.intervals.push(Interval { from_ns, length_ns, parts: vec![part] }),
    }
    Ok(())
}

fn histogram_of(line: &IntervalLogHistogram<'_>) -> Result<Histogram<u64>, String> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(line.encoded_histogram())
        .map_err(|error| error.to_string())?;
    let histogram: Histogram<u64> =
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())?;
    if histogram.sigfig() != DIGITS || histogram.high() != LONGEST_NS {
        return Err(format!("its range is {} with {} digits", histogram.high(), histogram.sigfig()));
    }
    Ok(histogram)
}

/// Stamps have three decimals: parsing them as floats must not leave crumbs.
fn whole_ms(duration: Duration) -> u64 {
    let text = format!("{:.3}", duration.as_secs_f64());
    let milliseconds = f64::from_str(&text).unwrap_or_default() * 1e3;
    milliseconds.round() as u64 * 1_000_000
}

#[cfg(test)]
mod tests {
    use actors::Outcome;

    use super::*;
    use crate::latency::LatencyRecorder;

    fn sample() -> Latencies {
        let mut recorder = LatencyRecorder::new(Some(18_000_000_000));
        for n in 1..=900_u64 {
            let t = n * 20_000_000;
            recorder.fit(t);
            while recorder.due() <= t {
                recorder.close(recorder.due());
            }
            recorder.record(if n % 10 == 0 { Outcome::Booted } else { Outcome::Warm }, n * 1_000);
        }
        recorder.finish(18_000_000_000).0
    }

    #[test]
    fn a_log_survives_its_file() {
        let latencies = sample();
        let mut file = Vec::new();
        write(&latencies, "toy", &mut file).unwrap();
        let again = read(&file).unwrap();
        assert_eq!(again.intervals.len(), latencies.intervals.len());
        assert_eq!(again.totals.warm.as_ref().unwrap().len(), 810);
        assert_eq!(again.totals.booted, latencies.totals.booted);
        let mut file_again = Vec::new();
        write(&again, "toy", &mut file_again).unwrap();
        assert_eq!(file, file_again);
    }

    #[test]
    fn its_head_is_as_other_tools_expect() {
        let mut file = Vec::new();
        write(&sample(), "toy", &mut file).unwrap();
        let text = String::from_utf8(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "#[Histogram log format version 1.3]");
        assert_eq!(lines[2], "#[StartTime: 0.000 (seconds since epoch)]");
        assert!(lines[4].starts_with("Tag=warm,0.000,0.100,0.004,"), "{}", lines[4]);
        assert!(lines[4].contains(",HISTFAAA"), "{}", lines[4]);
    }

    #[test]
    fn damage_is_named() {
        let bad = b"Tag=lukewarm,1.000,1.000,2.000,HISTFAAA\n";
        assert!(matches!(read(bad), Err(HlogError::Tag { at_s, tag }) if at_s == 1.0 && tag == "lukewarm"));
        assert!(matches!(read(b"Tag=warm,1.000,1.000,2.000,xxxx\n"), Err(HlogError::Histogram { .. })));
        assert!(matches!(read(b"what is this\n"), Err(HlogError::Syntax { offset: 0 })));
    }
}
