//! `latency.hgrm`: the percentile distribution of all served requests, in the text format of HdrHistogram's
//! Java tools, for their plotters. Values are in microseconds: recorded nanoseconds, with a scaling ratio of
//! 1,000.

use std::io;

use hdrhistogram::Histogram;

use crate::latency::DIGITS;

/// From recorded nanoseconds to printed microseconds.
const SCALING: f64 = 1_000.0;
/// Lines per halving of the distance to 100 %, as in Java's tools.
const TICKS: u32 = 5;

/// Writes the distribution.
///
/// # Errors
/// Those of the writer.
pub fn write(histogram: &Histogram<u64>, to: &mut impl io::Write) -> io::Result<()> {
    let digits = usize::from(DIGITS);
    writeln!(to, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut seen = 0;
    for step in histogram.iter_quantiles(TICKS) {
        seen += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / SCALING;
        let quantile = step.quantile_iterated_to();
        write!(to, "{value:12.digits$} {quantile:2.12} {seen:10}")?;
        match quantile {
            1.0 => writeln!(to)?,
            below => writeln!(to, " {:14.2}", 1.0 / (1.0 - below))?,
        }
    }
    let (mean, deviation) = match histogram.is_empty() {
        true => (0.0, 0.0),
        false => (histogram.mean() / SCALING, histogram.stdev() / SCALING),
    };
    let max = histogram.max() as f64 / SCALING;
    writeln!(to, "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]")?;
    writeln!(to, "#[Max     = {max:12.digits$}, Total count    = {:12}]", histogram.len())?;
    writeln!(to, "#[Buckets = {:12}, SubBuckets     = {:12}]", buckets(histogram), SUB_BUCKETS)?;
    writeln!(to, "#[Unit    = microseconds; recorded in nanoseconds, value scaling ratio {SCALING:.1}]")
}

/// Sub-buckets for three significant digits: the power of two above twice a thousand.
const SUB_BUCKETS: u64 = 2_048;

/// How many times the first bucket's range must double to hold the histogram's largest value.
fn buckets(histogram: &Histogram<u64>) -> u32 {
    let mut untold = SUB_BUCKETS;
    let mut buckets = 1;
    while untold <= histogram.high() {
        untold = untold.saturating_mul(2);
        buckets += 1;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::histogram;

    /// 1,000 latencies of 1 us to 1 ms: values by hand, layout as Java prints it.
    #[test]
    fn the_distribution_is_as_javas_tools_print_it() {
        let mut latencies = histogram();
        for us in 1..=1_000 {
            latencies.record(us * 1_000).unwrap();
        }
        let mut file = Vec::new();
        write(&latencies, &mut file).unwrap();
        let text = String::from_utf8(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        assert_eq!(lines[3], "     100.031 0.100000000000        100           1.11");
        assert_eq!(lines[7], "     500.223 0.500000000000        500           2.00");
        let foot: Vec<&str> = lines[lines.len() - 5..].to_vec();
        assert_eq!(foot[0], "    1000.447 1.000000000000       1000");
        assert_eq!(foot[1], "#[Mean    =      500.505, StdDeviation   =      288.676]");
        assert_eq!(foot[2], "#[Max     =     1000.447, Total count    =         1000]");
        assert_eq!(foot[3], "#[Buckets =           32, SubBuckets     =         2048]");
    }

    #[test]
    fn nothing_served_is_an_empty_distribution() {
        let mut file = Vec::new();
        write(&histogram(), &mut file).unwrap();
        assert!(String::from_utf8(file).unwrap().contains("Total count    =            0"));
    }
}
