//! Decimal numbers without floats: a time in a file is read to the last of its digits.

/// Attoseconds in a nanosecond.
const ATTOS_PER_NANO: i128 = 1_000_000_000;
/// No number has more significant digits than this.
const DIGITS_MAX: u32 = 36;

/// A decimal number of units, each of so many nanoseconds, in attoseconds. What is finer is cut off. `None`
/// for what is not a number or cannot be held.
pub(crate) fn attos(text: &str, unit_nanos: u64) -> Option<i128> {
    let text = text.trim();
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| e.abs() <= 64)?),
        None => (text, 0),
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa: i128 = 0;
    let mut significant = 0;
    let mut dropped = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        if significant >= DIGITS_MAX {
            dropped += 1;
            continue;
        }
        mantissa = mantissa * 10 + i128::from(byte - b'0');
        significant += u32::from(mantissa != 0);
    }
    let scale = exponent + dropped - i32::try_from(fraction.len()).ok()?;
    let value = scaled(mantissa, scale, i128::from(unit_nanos) * ATTOS_PER_NANO)?;
    Some(if negative { -value } else { value })
}

/// `mantissa` times ten to the `scale` times `unit`, cut off towards zero.
fn scaled(mantissa: i128, scale: i32, unit: i128) -> Option<i128> {
    if mantissa == 0 {
        return Some(0);
    }
    let power = |exponent: i32| 10i128.checked_pow(u32::try_from(exponent).ok()?);
    if scale >= 0 {
        return mantissa.checked_mul(power(scale)?)?.checked_mul(unit);
    }
    // The unit is a power of ten: what it shares with the divisor is left out first.
    let shared = unit.ilog10().min(scale.unsigned_abs()) as i32;
    let (unit, rest) = (unit / power(shared)?, -scale - shared);
    let product = mantissa.checked_mul(unit)?;
    Some(power(rest).map_or(0, |divisor| product / divisor))
}

/// The nearest nanosecond, saturating.
pub(crate) fn round_to_nanos(attos: i128) -> i64 {
    let half = if attos < 0 { -ATTOS_PER_NANO / 2 } else { ATTOS_PER_NANO / 2 };
    let nanos = attos.saturating_add(half) / ATTOS_PER_NANO;
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str, unit: u64) -> Option<i64> {
        attos(text, unit).map(round_to_nanos)
    }

    #[test]
    fn every_digit_counts() {
        const S: u64 = 1_000_000_000;
        assert_eq!(nanos("0.07949090003967285", S), Some(79_490_900));
        assert_eq!(attos("0.07949090003967285", S), Some(79_490_900_039_672_850));
        assert_eq!(nanos("1700000000.123456789", S), Some(1_700_000_000_123_456_789));
        assert_eq!(nanos("1.5e3", 1_000_000), Some(1_500_000_000));
        assert_eq!(nanos("15e-1", 1_000), Some(1_500));
        assert_eq!(nanos("-2.5", 1), Some(-3));
        assert_eq!(nanos("2.4999999999999999999999999999999999999999999999", 1), Some(2));
        assert_eq!(nanos("0.0000000000000000000000000000000000000000000000001", S), Some(0));
        assert_eq!(nanos("00012", 1), Some(12));
        assert_eq!(nanos(".5", S), Some(500_000_000));
        assert_eq!(nanos("7.", 1), Some(7));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "1e99", "nan", "inf", "0x10", "1_000", "1 2"] {
            assert_eq!(nanos(text, 1), None, "{text}");
        }
        assert_eq!(attos("1e30", 1_000_000_000), None);
    }
}
