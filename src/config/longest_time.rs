//! The longest time that a setting may be. Pure.

use std::time::Duration;

use toml::{Table, Value};

/// The longest time that a setting may be, 1000 years: counted from now it ends at a time that can
/// be written (RFC 3339 has years of four digits), which not every longer one does.
const LONGEST: Duration = Duration::from_secs(1000 * 366 * 24 * 60 * 60);

/// The first key whose time is longer than 1000 years. No other setting reads as a time.
pub(super) fn too_long(table: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = match value {
            Value::String(text) => {
                let time = humantime::parse_duration(text).ok()?;
                return (time > LONGEST).then(|| key.clone());
            }
            Value::Table(table) => too_long(table),
            Value::Array(values) => values.iter().filter_map(Value::as_table).find_map(too_long),
            _ => None,
        };
        inner.map(|inner| format!("{key}.{inner}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_ends_beyond_every_calendar_is_found_by_its_key() {
        let found = |text| too_long(&toml::from_str(text).unwrap());
        assert_eq!(found("[batch]\nretention = \"1000years\"\ndata_dir = \"years\""), None);
        let text = "[batch]\nretention = \"10000years\"";
        assert_eq!(found(text).as_deref(), Some("batch.retention"));
        let text = "policy.retry_after.greylisted = \"500000000000y\"";
        assert_eq!(found(text).as_deref(), Some("policy.retry_after.greylisted"));
        let text = "[[outcomes.hooks]]\nname = \"a\"\n[[outcomes.hooks]]\ntolerance = \"2000y\"";
        assert_eq!(found(text).as_deref(), Some("outcomes.hooks.tolerance"));
    }
}
