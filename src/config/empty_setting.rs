//! Settings that are given and empty. Pure.

use toml::{Table, Value};

/// The first key of `table` that is set to an empty text although nothing stands for "not set"
/// there: `defaults` has no value for it. Compose sets such a variable for `${NAME:-}`.
pub(super) fn first_empty(table: &Table, defaults: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| match (value, defaults.get(key)) {
        (Value::String(text), None) => text.is_empty().then(|| key.clone()),
        (Value::Table(table), Some(Value::Table(defaults))) => {
            first_empty(table, defaults).map(|inner| format!("{key}.{inner}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::load;

    use super::*;

    #[test]
    fn a_file_or_a_secret_without_a_name_is_refused_by_its_key() {
        for (name, key) in [
            ("MAILVET_SERVER__API_KEYS", "server.api_keys"),
            ("MAILVET_SERVER__TLS__CLIENT_CA", "server.tls.client_ca"),
            ("MAILVET_PROBER__CONTROL_SECRET", "prober.control_secret"),
        ] {
            let environment = [(name.to_owned(), String::new())];
            let error = load(None, &environment, Table::new()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{key} is empty")), "{error}");
        }
    }

    #[test]
    fn a_setting_that_is_empty_by_default_may_be_given_so() {
        let flags = toml::from_str("callbacks.service_url = \"\"").unwrap();
        assert!(load(None, &[], flags).is_ok());
    }
}
