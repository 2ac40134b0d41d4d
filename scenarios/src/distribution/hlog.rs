//! HdrHistogram interval logs, versions 1.0 to 1.3, all intervals together. The histograms in them are
//! encoded in one of three ways; the two older ones are rewritten as the newest, which the library reads.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::fault::Fault;

/// What the lines of an interval log of any version begin with that hold no histogram.
const HEADINGS: [&[u8]; 2] = [b"\"StartTimestamp\"", b"#"];
/// How a log says its version.
const VERSION: &[u8] = b"#[Histogram log format version ";
/// The largest histogram, in bytes: far more than any has that keeps five digits from a nanosecond to a year.
const HISTOGRAM_BYTES_MAX: usize = 64 << 20;

/// Whether a file may be an interval log: it says so, or its first line without a heading holds a histogram.
pub(super) fn is_log(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    bytes.starts_with(VERSION)
        || lines
            .find(|line| !line.is_empty() && !HEADINGS.iter().any(|heading| line.starts_with(heading)))
            .is_some_and(|line| histogram_of(line).is_some_and(|text| text.starts_with(b"HIST")))
}

/// Reads a log line by line, so that a fault has a line. Gives values in the units of the log, with their
/// counts.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(u64, u64)>, Fault> {
    let mut all: Option<Histogram<u64>> = None;
    let mut deserializer = Deserializer::new();
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let fault = |what: String| Fault::Line { line, what };
        let text = text.trim_ascii();
        check_version(text).map_err(|version| Fault::Version { line, version })?;
        if text.is_empty() || HEADINGS.iter().any(|heading| text.starts_with(heading)) {
            continue;
        }
        let encoded = histogram_of(text)
            .ok_or_else(|| fault("is not a line of an HdrHistogram interval log".to_owned()))?;
        let encoded = std::str::from_utf8(encoded).ok().and_then(base64);
        let encoded = encoded.ok_or_else(|| fault("holds a histogram that is not base64".to_owned()))?;
        let one = newest(&encoded)
            .and_then(|bytes| deserializer.deserialize(&mut &bytes[..]).map_err(|_| CANNOT.to_owned()));
        let one: Histogram<u64> = one.map_err(fault)?;
        match &mut all {
            Some(all) => all.add(one).map_err(|error| fault(error.to_string()))?,
            None => {
                let mut first = one;
                first.auto(true);
                all = Some(first);
            }
        }
    }
    let all = all.ok_or(Fault::Empty)?;
    let count = |value: u64, count| (all.median_equivalent(value), count);
    Ok(all.iter_recorded().map(|step| count(step.value_iterated_to(), step.count_at_value())).collect())
}

const CANNOT: &str = "holds a histogram that cannot be read";

/// The histogram of a line, which is its last field.
fn histogram_of(line: &[u8]) -> Option<&[u8]> {
    let mut fields = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let is_number = |field: &[u8]| std::str::from_utf8(field).is_ok_and(|text| text.parse::<f64>().is_ok());
    let first = fields.next()?;
    let begin = if first.starts_with(b"Tag=") { fields.next()? } else { first };
    let (length, longest, last) = (fields.next()?, fields.next()?, fields.next()?);
    let is_line = [begin, length, longest].into_iter().all(is_number) && fields.next().is_none();
    is_line.then_some(last)
}

/// The version that a heading says, where it is one that this program does not read.
fn check_version(line: &[u8]) -> Result<(), String> {
    let Some(rest) = line.strip_prefix(VERSION) else {
        return Ok(());
    };
    let version = String::from_utf8_lossy(rest.strip_suffix(b"]").unwrap_or(rest)).into_owned();
    match version.as_str() {
        "1.0" | "1.00" | "1.01" | "1.1" | "1.2" | "1.3" => Ok(()),
        _ => Err(version.chars().take(20).collect()),
    }
}

/// The numbers that encodings begin with, without their word size.
mod cookie {
    pub(super) const V0: u32 = 0x1c84_9308;
    pub(super) const V0_COMPRESSED: u32 = 0x1c84_9309;
    pub(super) const V1: u32 = 0x1c84_9301;
    pub(super) const V1_COMPRESSED: u32 = 0x1c84_9302;
    pub(super) const V2: u32 = 0x1c84_9303;
    pub(super) const V2_COMPRESSED: u32 = 0x1c84_9304;
    /// The bits that say how many bytes a count has.
    pub(super) const SIZE: u32 = 0xf0;
}

/// A histogram in any encoding, in the newest. `Err` says what is wrong with it.
fn newest(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut rest = bytes;
    let whole = word(&mut rest).ok_or(CANNOT)?;
    match whole & !cookie::SIZE {
        cookie::V2 | cookie::V2_COMPRESSED => Ok(bytes.to_vec()),
        cookie::V0_COMPRESSED | cookie::V1_COMPRESSED => {
            let length = word(&mut rest).ok_or(CANNOT)? as usize;
            let compressed = rest.get(..length).ok_or("holds a histogram that is cut off")?;
            let inflated = inflate(compressed).ok_or("holds a histogram whose compression is damaged")?;
            rewritten(&inflated)
        }
        cookie::V0 | cookie::V1 => rewritten(bytes),
        _ => Err(format!("holds a histogram in an unknown encoding ({whole:#010x})")),
    }
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut inflated = Vec::new();
    let decoder = flate2::read::ZlibDecoder::new(bytes);
    decoder.take(HISTOGRAM_BYTES_MAX as u64).read_to_end(&mut inflated).ok()?;
    Some(inflated)
}

/// An uncompressed histogram of the two older encodings: a head, then its counts in words of a fixed size.
fn rewritten(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut rest = bytes;
    let whole = word(&mut rest).ok_or(CANNOT)?;
    let size = ((whole & cookie::SIZE) >> 4) as usize;
    if !matches!(size, 2 | 4 | 8) {
        return Err(format!("holds a histogram whose counts have {size} bytes each"));
    }
    let mut take = |count: usize| -> Result<&[u8], String> {
        let (taken, left) = rest.split_at_checked(count).ok_or("holds a histogram that is cut off")?;
        rest = left;
        Ok(taken)
    };
    let mut head = Vec::new();
    match whole & !cookie::SIZE {
        cookie::V1 => {
            let length = take(4)?;
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
            // The offset of the first count, the digits, the least and the largest value, and the ratio to
            // doubles.
            head.extend_from_slice(take(4 + 4 + 8 + 8 + 8)?);
            rest = rest.get(..length).ok_or("holds a histogram that is cut off")?;
        }
        cookie::V0 => {
            head.extend_from_slice(&0u32.to_be_bytes());
            // The digits, the least and the largest value; then a total that the counts say as well.
            head.extend_from_slice(take(4 + 8 + 8)?);
            head.extend_from_slice(&1f64.to_be_bytes());
            take(8)?;
        }
        _ => return Err(CANNOT.to_owned()),
    }
    let mut counts = Vec::new();
    let mut zeros = 0i64;
    for word in rest.chunks_exact(size) {
        let count = word.iter().fold(0u64, |count, byte| count << 8 | u64::from(*byte));
        match i64::try_from(count) {
            Ok(0) => zeros += 1,
            Ok(count) => {
                if zeros > 0 {
                    push_signed(&mut counts, -zeros);
                    zeros = 0;
                }
                push_signed(&mut counts, count);
            }
            Err(_) => return Err("holds a histogram with a negative count".to_owned()),
        }
    }
    let length = u32::try_from(counts.len()).map_err(|_| CANNOT.to_owned())?;
    let mut whole = (cookie::V2 | 0x10).to_be_bytes().to_vec();
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(&head);
    whole.extend_from_slice(&counts);
    Ok(whole)
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    let (word, left) = rest.split_first_chunk::<4>()?;
    *rest = left;
    Some(u32::from_be_bytes(*word))
}

/// A number as the newest encoding has it: zigzag, seven bits a byte, the ninth byte whole.
fn push_signed(to: &mut Vec<u8>, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)) as u64;
    for _ in 0..8 {
        if bits < 0x80 {
            return to.push(bits as u8);
        }
        to.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    to.push(bits as u8);
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

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
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
    fn all_intervals_of_a_log_are_together() {
        let counts = read(&log_of(&[&[1_000, 1_000], &[2_000_000]])).unwrap_or_else(|_| panic!("a log"));
        assert_eq!(counts.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 1]);
        assert!(counts[0].0.abs_diff(1_000) <= 1 && counts[1].0.abs_diff(2_000_000) <= 2_000, "{counts:?}");
    }

    #[test]
    fn a_log_without_values_or_with_a_broken_line_says_so() {
        assert!(matches!(read(b"#only a comment\n"), Err(Fault::Empty)));
        assert!(read(&log_of(&[&[]])).is_ok_and(|counts| counts.is_empty()));
        assert!(matches!(read(b"#a comment\n1,2,3,%%%\n"), Err(Fault::Line { line: 2, .. })));
        assert!(matches!(read(b"\xff\xfe\n"), Err(Fault::Line { line: 1, .. })));
        let newer = b"#[Histogram log format version 2.0]\n";
        assert!(matches!(read(newer), Err(Fault::Version { line: 1, version }) if version == "2.0"));
    }

    /// An old histogram of three digits from 1 to 3,600,000,000, with these counts from value 0 on.
    fn old(version: u32, size: usize, counts: &[u64]) -> Vec<u8> {
        let mut bytes = (version | (size as u32) << 4).to_be_bytes().to_vec();
        let words: Vec<u8> =
            counts.iter().flat_map(|count| count.to_be_bytes()[8 - size..].to_vec()).collect();
        if version == cookie::V1 {
            bytes.extend_from_slice(&(words.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&0u32.to_be_bytes());
        }
        bytes.extend_from_slice(&3u32.to_be_bytes());
        bytes.extend_from_slice(&1u64.to_be_bytes());
        bytes.extend_from_slice(&3_600_000_000u64.to_be_bytes());
        match version {
            cookie::V1 => bytes.extend_from_slice(&1f64.to_be_bytes()),
            _ => bytes.extend_from_slice(&counts.iter().sum::<u64>().to_be_bytes()),
        }
        [bytes, words].concat()
    }

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits =
                chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            (0..=chunk.len())
                .for_each(|digit| text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])));
            (chunk.len()..3).for_each(|_| text.push('='));
        }
        text
    }

    fn compressed(version: u32, size: usize, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("in memory");
        let body = encoder.finish().expect("in memory");
        let head = [(version | (size as u32) << 4).to_be_bytes(), (body.len() as u32).to_be_bytes()].concat();
        [head, body].concat()
    }

    #[test]
    fn older_encodings_hold_the_same_counts() {
        // Values below 2,048 have a count each at three digits.
        let mut counts = vec![0u64; 1_501];
        (counts[0], counts[7], counts[1_500]) = (1, 300, 2);
        let expected = [(0, 1), (7, 300), (1_500, 2)];
        for (version, wrapped) in [(cookie::V0, cookie::V0_COMPRESSED), (cookie::V1, cookie::V1_COMPRESSED)] {
            for size in [2, 4, 8] {
                let plain = old(version, size, &counts);
                for bytes in [plain.clone(), compressed(wrapped, size, &plain)] {
                    let text = format!(
                        "#[Histogram log format version 1.01]\n0.127,1.007,2.769,{}\n",
                        encode(&bytes)
                    );
                    let found = read(text.as_bytes()).unwrap_or_else(|_| panic!("a log"));
                    assert_eq!(found, expected, "{version:#x} {size}");
                    assert!(is_log(text.as_bytes()));
                }
            }
        }
    }

    #[test]
    fn an_encoding_that_nobody_knows_is_named() {
        let text = format!("1,2,3,{}\n", encode(&[0x1c, 0x84, 0x93, 0x3f, 0, 0, 0, 0]));
        let Err(Fault::Line { what, .. }) = read(text.as_bytes()) else { panic!("it is unknown") };
        assert_eq!(what, "holds a histogram in an unknown encoding (0x1c84933f)");
    }

    #[test]
    fn base64_is_the_standard_one() {
        assert_eq!(base64("aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("aGVsbG8h").as_deref(), Some(&b"hello!"[..]));
        assert_eq!(base64("a*b"), None);
        assert_eq!(encode(b"hello"), "aGVsbG8=");
    }
}
