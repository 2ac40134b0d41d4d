//! Percentile distributions as text: those of this program (latency.hgrm), of HdrHistogram's Java tools, and
//! the spectra that wrk2 prints, with whatever stands around them.

use super::Unit;
use super::fault::Fault;
use crate::decimal;

/// How many values are read at most.
const ROWS_MAX: usize = 1_000_000;

/// Whether a text holds such a distribution: a heading with these words.
pub(super) fn is_distribution(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(is_heading)
}

fn is_heading(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_whitespace();
    (words.next(), words.next(), words.next()) == (Some("Value"), Some("Percentile"), Some("TotalCount"))
}

/// The unit that a distribution says itself: this program's in a line at its end, and wrk2's in what stands
/// before it.
fn unit_of(bytes: &[u8]) -> Option<Unit> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains("#[Unit    = microseconds") {
        return Some(Unit::Us);
    }
    let is_wrk2 =
        text.contains("Detailed Percentile spectrum") || text.contains("Latency Distribution (HdrHistogram");
    is_wrk2.then_some(Unit::Ms)
}

/// Reads the rows of the first distribution: values in nanoseconds, with their counts.
pub(super) fn read(bytes: &[u8], unit: Option<Unit>) -> Result<Vec<(u64, u64)>, Fault> {
    let unit = unit.or_else(|| unit_of(bytes)).ok_or(Fault::Unit)?;
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let rows = lines.skip_while(|(_, line)| !is_heading(line)).skip(1);
    let mut counts: Vec<(u64, u64)> = Vec::new();
    let mut before = 0u64;
    for (line, text) in rows {
        let text = String::from_utf8_lossy(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        // What stands below the rows are comments, or other output.
        let is_row = words.first().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        if words.is_empty() && counts.is_empty() {
            continue;
        }
        if !is_row {
            break;
        }
        let fault = |what: &str| Fault::Line { line, what: format!("`{}` {what}", text.trim()) };
        let value = words.first().and_then(|word| decimal::attos(word, unit.nanos()));
        let value = value.and_then(|attos| u64::try_from(decimal::round_to_nanos(attos)).ok());
        let total = words.get(2).and_then(|word| word.parse::<u64>().ok());
        let (Some(value), Some(total)) = (value, total) else {
            return Err(fault("is not a row of a percentile distribution"));
        };
        let count = total.checked_sub(before).ok_or_else(|| fault("counts fewer than the row above it"))?;
        if counts.last().is_some_and(|(last, _)| *last > value) || counts.len() > ROWS_MAX {
            return Err(fault("is below the row above it"));
        }
        counts.push((value, count));
        before = total;
    }
    if before == 0 { Err(Fault::Empty) } else { Ok(counts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n       1.000 0.000000000000          1           1.00\n      \
                        20.500 0.500000000000          3           2.00\n      90.000 1.000000000000          4          inf\n";

    #[test]
    fn rows_are_values_with_their_counts() {
        let ours = format!(
            "{ROWS}#[Mean    = 1.0]\n#[Unit    = microseconds; recorded in nanoseconds, value scaling ratio 1000.0]\n"
        );
        let expected = vec![(1_000, 1), (20_500, 2), (90_000, 1)];
        assert_eq!(read(ours.as_bytes(), None).ok(), Some(expected.clone()));
        assert_eq!(read(ROWS.as_bytes(), Some(Unit::Us)).ok(), Some(expected));
        let wrk2 = format!(
            "Running 30s test\n  Detailed Percentile spectrum:\n{ROWS}#[Mean = 3]\n----\n  4 requests in 30s\n"
        );
        assert_eq!(
            read(wrk2.as_bytes(), None).ok(),
            Some(vec![(1_000_000, 1), (20_500_000, 2), (90_000_000, 1)])
        );
        assert!(is_distribution(wrk2.as_bytes()) && !is_distribution(b"1\n2\n"));
    }

    #[test]
    fn what_does_not_say_its_unit_or_counts_backwards_is_refused() {
        assert!(matches!(read(ROWS.as_bytes(), None), Err(Fault::Unit)));
        let backwards = ROWS.replace("          4 ", "          2 ");
        assert!(matches!(read(backwards.as_bytes(), Some(Unit::Ms)), Err(Fault::Line { line: 5, .. })));
        let heading = &ROWS[..ROWS.find('\n').expect("a line")];
        assert!(matches!(read(heading.as_bytes(), Some(Unit::Ms)), Err(Fault::Empty)));
    }
}
