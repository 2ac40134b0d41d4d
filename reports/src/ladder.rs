//! The widths that bins may have. Each divides the next, so that bins can be merged without splitting any.

/// Bin widths in nanoseconds, from 10 ms to one day.
pub(crate) const WIDTHS: [u64; 15] = [
    10_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
    300_000_000_000,
    600_000_000_000,
    1_800_000_000_000,
    3_600_000_000_000,
    21_600_000_000_000,
    86_400_000_000_000,
];

/// The width to begin with: for the planned length with a little to spare, because the last requests end
/// after it.
pub(crate) fn first_width(planned_ns: Option<u64>, most: usize) -> u64 {
    planned_ns.map_or(WIDTHS[0], |length| width_for(length.saturating_add(length / 20), most))
}

/// The narrowest width with which so long a run has at most `most` bins.
fn width_for(length_ns: u64, most: usize) -> u64 {
    let mut width = WIDTHS[0];
    while length_ns.div_ceil(width) > most as u64 {
        width = wider(width);
    }
    width
}

/// The next width. Beyond the last it doubles, so that there is always one.
pub(crate) fn wider(width: u64) -> u64 {
    WIDTHS.into_iter().find(|next| *next > width).unwrap_or(width.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_divides_the_next() {
        for pair in WIDTHS.windows(2) {
            assert_eq!(pair[1] % pair[0], 0, "{pair:?}");
        }
        assert_eq!(wider(WIDTHS[14]) % WIDTHS[14], 0);
    }

    #[test]
    fn the_narrowest_width_that_fits_is_chosen() {
        assert_eq!(width_for(1, 600), 10_000_000);
        assert_eq!(width_for(6_000_000_000, 600), 10_000_000);
        assert_eq!(width_for(6_000_000_001, 600), 50_000_000);
        assert_eq!(width_for(86_400_000_000_000, 600), 300_000_000_000);
    }
}
