//! What the parameters of several depth policies must satisfy. Each check gives a [`Problem`] that says what
//! to do.

use crate::policy::Problem;
use crate::time::Duration;

/// A share of something, neither none nor all of it.
pub(super) fn open_share(key: &str, value: f64, what: &str) -> Result<(), Problem> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(Problem::new(
        key,
        format!("is {value}"),
        format!("give {what} as a share between 0 and 1, without the ends"),
    ))
}

/// A length of time that is not zero.
pub(super) fn some_time(key: &str, value: Duration) -> Result<(), Problem> {
    if value.is_zero() {
        return Err(Problem::new(key, "is 0", "give a length of time, such as \"1m\""));
    }
    Ok(())
}

/// A window that is cut into slices needs at least a nanosecond for each.
pub(super) fn window(key: &str, value: Duration) -> Result<(), Problem> {
    if value < Duration::from_millis(1) {
        return Err(Problem::new(key, format!("is {value}"), "arrivals are counted over at least \"1ms\""));
    }
    Ok(())
}

/// A lower bound that is not above the upper one.
pub(super) fn bounds(min: u32, max: u32) -> Result<(), Problem> {
    if min > max {
        return Err(Problem::new(
            "min",
            format!("is {min}, above `max` ({max})"),
            "make it at most as large",
        ));
    }
    Ok(())
}

/// A number that is finite and at least so much.
pub(super) fn at_least(key: &str, value: f64, least: f64) -> Result<(), Problem> {
    if value.is_finite() && value >= least {
        return Ok(());
    }
    Err(Problem::new(key, format!("is {value}"), format!("give a number that is {least} or more")))
}

/// A count that is not zero.
pub(super) fn positive(key: &str, value: u32, what: &str) -> Result<(), Problem> {
    if value == 0 {
        return Err(Problem::new(key, "is 0", format!("give the number of {what}, one or more")));
    }
    Ok(())
}
