//! Numbers as people read them, the same in the terminal and in HTML.

/// A length of time given in nanoseconds, to three significant digits: `61.2us`, `250ms`, `2.1s`, `3m 20s`,
/// `1h 5m`.
pub fn nanos(ns: f64) -> String {
    match ns {
        ns if ns < 0.0 => format!("-{}", nanos(-ns)),
        ns if ns < 0.5 => "0s".to_owned(),
        ns if ns < 999.5 => format!("{}ns", significant(ns)),
        ns if ns < 999.5e3 => format!("{}us", significant(ns / 1e3)),
        ns if ns < 999.5e6 => format!("{}ms", significant(ns / 1e6)),
        ns if ns < 59.95e9 => format!("{}s", significant(ns / 1e9)),
        ns if ns < 3599.5e9 => pair((ns / 1e9).round() as u64, 60, "m", "s"),
        ns if ns < 172_770e9 => pair((ns / 60e9).round() as u64, 60, "h", "m"),
        ns => pair((ns / 3600e9).round() as u64, 24, "d", "h"),
    }
}

/// A length of time given in seconds.
pub fn seconds(s: f64) -> String {
    nanos(s * 1e9)
}

fn pair(count: u64, base: u64, large: &str, small: &str) -> String {
    match count % base {
        0 => format!("{}{large}", count / base),
        rest => format!("{}{large} {rest}{small}", count / base),
    }
}

/// From here on a number is shown as a power of ten: nobody counts so many digits.
const POWERS_FROM: f64 = 1e15;
/// Below this a number is shown as a power of ten: else it would show as zero.
const POWERS_BELOW: f64 = 1e-9;

/// Three significant digits, without zeros at the end: `0.0123`, `1.2`, `25`, `250`, `1.5e20`.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "-".to_owned() };
    }
    let size = value.abs();
    if !(POWERS_BELOW..POWERS_FROM).contains(&size) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let mut decimals = 2_usize;
    let mut bound = 10.0;
    while decimals > 0 && size >= bound - 0.5 / 10_f64.powi(decimals as i32) {
        decimals -= 1;
        bound *= 10.0;
    }
    let mut bound = 1.0;
    while decimals < 9 && size < bound {
        decimals += 1;
        bound /= 10.0;
    }
    trimmed(&format!("{value:.decimals$}"))
}

/// Without zeros after the decimal point.
fn trimmed(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A whole number with its thousands apart: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Any number: large ones with their thousands apart, small ones and those beyond counting to three
/// significant digits.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if (999.5..POWERS_FROM).contains(&size) {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    significant(value)
}

/// A share of one as a percentage: `1.29 %`. What is not zero never shows as zero, nor what is not all as
/// all.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    if value > 0.0 && percent < 0.001 {
        return "<0.001 %".to_owned();
    }
    if (99.95..100.0).contains(&percent) {
        return format!("{} %", trimmed(&format!("{:.3}", (percent * 1e3).floor() / 1e3)));
    }
    format!("{} %", significant(percent))
}

/// So many of a thing, in the singular where it is one.
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (ns, text) in [
            (0.0, "0s"),
            (7.0, "7ns"),
            (61_234.0, "61.2us"),
            (999_600.0, "1ms"),
            (250e6, "250ms"),
            (2.1e9, "2.1s"),
            (200e9, "3m 20s"),
            (180e9, "3m"),
            (90e9, "1m 30s"),
            (3.9e12, "1h 5m"),
            (86_400e9, "24h"),
            (-5e6, "-5ms"),
        ] {
            assert_eq!(nanos(ns), text);
        }
    }

    #[test]
    fn numbers() {
        for (value, text) in [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.0, "1"),
            (1.286, "1.29"),
            (9.999, "10"),
            (25.04, "25"),
            (99.96, "100"),
            (999.4, "999"),
            (1234.5, "1,235"),
            (-1234.5, "-1,235"),
            (12_345_678.0, "12,345,678"),
            (999_999_999_999_999.0, "999,999,999,999,999"),
            (1e15, "1e15"),
            (-1.2345e307, "-1.23e307"),
            (4.5e-12, "4.5e-12"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn prices_have_no_three_hundred_digits() {
        assert_eq!(
            (significant(1e307), significant(1_234_567.0)),
            ("1e307".to_owned(), "1234567".to_owned())
        );
    }

    #[test]
    fn shares() {
        assert_eq!(share(0.01286), "1.29 %");
        assert_eq!(share(1e-9), "<0.001 %");
        assert_eq!(share(0.99996), "99.996 %");
        assert_eq!((share(0.0), share(1.0)), ("0 %".to_owned(), "100 %".to_owned()));
    }
}
