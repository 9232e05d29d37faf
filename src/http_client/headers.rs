//! Headers of answers. Pure.

use std::time::Duration;

/// The time that a `Retry-After` names, in seconds; dates are not read.
pub(crate) fn retry_after(text: &str) -> Duration {
    Duration::from_secs(text.trim().parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_and_anything_else_is_no_wish() {
        assert_eq!(retry_after(" 120 "), Duration::from_secs(120));
        for text in ["", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(text), Duration::ZERO, "{text}");
        }
    }
}
