//! Settings that are given and empty. Pure.

use toml::{Table, Value};

use super::Config;

/// The first key of `config` that is an empty text although nothing stands for "not set" there:
/// the defaults have no value for it. Compose sets such a variable for `${NAME:-}`.
///
/// A setting that reads an empty text as "not set" has no value in `config` either.
pub(super) fn first_empty(config: &Config) -> Option<String> {
    let table = |config: &Config| Table::try_from(config).unwrap_or_default();
    first_empty_of(&table(config), &table(&Config::default()))
}

fn first_empty_of(table: &Table, defaults: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| match (value, defaults.get(key)) {
        (Value::String(text), None) => text.is_empty().then(|| key.clone()),
        (Value::Table(table), Some(Value::Table(defaults))) => {
            first_empty_of(table, defaults).map(|inner| format!("{key}.{inner}"))
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

    #[test]
    fn a_setting_that_reads_an_empty_text_as_none_may_be_given_so() {
        let name = "MAILVET_SMTP__FALLBACK_MAIL_FROM".to_owned();
        let flags = toml::from_str("smtp.fallback_mail_from = \"\"").unwrap();
        for config in [load(None, &[(name, String::new())], Table::new()), load(None, &[], flags)] {
            assert_eq!(config.unwrap().smtp.fallback_mail_from, None);
        }
    }
}
