//! An invalid value of a file: what is wrong with it and what to do about it, as two things. Serde carries
//! both through any format in the two halves of its `invalid_value`.

use std::fmt::Display;

use serde::de::{self, Unexpected};

/// An error about a value. `wrong` is the rest of a sentence that begins with its key (`is 0`), `remedy` what
/// to do.
pub fn invalid<E: de::Error>(wrong: &dyn Display, remedy: &str) -> E {
    E::invalid_value(Unexpected::Other(&wrong.to_string()), &remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_format_says_both_halves() {
        let error: serde_json::Error = invalid(&"is 0: nothing", "give 1: or 2");
        assert_eq!(error.to_string(), "invalid value: is 0: nothing, expected give 1: or 2");
    }
}
