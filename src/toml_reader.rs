//! Reads TOML with errors that quote nothing of the text: a mistake may stand beside a secret.
//! Pure.

use serde::de::DeserializeOwned;

/// Text that is not the TOML that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}{message}")]
pub struct TomlError {
    /// `line 3, column 5: `, and the key of that line; empty for values that stand in no text.
    position: String,
    message: String,
}

fn position(text: &str, start: usize) -> String {
    let Some((before, after)) = text.split_at_checked(start) else { return String::new() };
    let head = before.rsplit('\n').next().unwrap_or_default();
    let (line, column) = (before.matches('\n').count() + 1, head.chars().count() + 1);
    let whole = head.len() + after.find('\n').unwrap_or(after.len());
    let whole = &text[before.len() - head.len()..][..whole];
    let key = whole.split_once('=').map_or("", |(key, _)| key.trim());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if key.is_empty() || !key.chars().all(is_plain) {
        return format!("line {line}, column {column}: ");
    }
    format!("line {line}, column {column}, {key}: ")
}

/// Reads a value.
///
/// # Errors
///
/// [`TomlError`], with the line and the column.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, TomlError> {
    toml::from_str(text).map_err(|error| {
        let position = error.span().map(|span| position(text, span.start)).unwrap_or_default();
        TomlError { position, message: message(&error) }
    })
}

impl From<toml::de::Error> for TomlError {
    /// Of values that have no place in a text.
    fn from(error: toml::de::Error) -> Self {
        Self { position: String::new(), message: message(&error) }
    }
}

/// The parser's words without the value it met, and with an example where it names a type of Rust.
fn message(error: &toml::de::Error) -> String {
    let mut text = error.message().trim().to_owned();
    for kind in ["invalid type: ", "invalid value: "] {
        let Some(rest) = text.strip_prefix(kind) else { continue };
        if let Some((met, expected)) = rest.rsplit_once(", expected ") {
            let met = met.split(['`', '"']).next().unwrap_or_default().trim_end();
            text = format!("{kind}{met}, expected {expected}");
        }
    }
    for (type_name, plain) in [
        ("expected a nonzero u16", "expected a whole number from 1 to 65535"),
        ("expected a nonzero u32", "expected a whole number of 1 or more"),
        ("expected a nonzero usize", "expected a whole number of 1 or more"),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number that is not negative"),
        ("expected u64", "expected a whole number that is not negative"),
        ("expected usize", "expected a whole number that is not negative"),
        ("expected a duration", "expected a time such as \"30s\""),
        ("expected socket address", "expected ADDRESS:PORT, such as \"127.0.0.1:50051\""),
        ("invalid socket address syntax", "expected ADDRESS:PORT, such as \"127.0.0.1:50051\""),
    ] {
        text = text.replace(type_name, plain);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Example {
        password: Option<String>,
        port: u16,
        share: u8,
        sessions: NonZeroU32,
        listen: SocketAddr,
        #[serde(with = "humantime_serde")]
        wait: Duration,
    }

    impl Default for Example {
        fn default() -> Self {
            let listen = ([127, 0, 0, 1], 1).into();
            let sessions = NonZeroU32::MIN;
            Self { password: None, port: 1, share: 1, sessions, listen, wait: Duration::ZERO }
        }
    }

    fn error(text: &str) -> String {
        read::<Example>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_mistake_beside_a_secret_shows_its_place_and_no_secret() {
        for text in [
            "passwort = \"TOPSECRET\"",
            "password = \"TOPSECRET\"\nprot = 1",
            "password = [\"TOPSECRET\"]",
            "port = \"TOPSECRET\"",
            "listen = \"TOPSECRET\"",
            "password = \"TOPSECRET",
            "password = TOPSECRET",
            "password = \"TOPSECRET\" port = 1",
            "wait = \"TOPSECRET\"",
        ] {
            let said = error(text);
            assert!(!said.contains("TOPSECRET") && said.starts_with("line "), "{text}: {said}");
        }
        assert!(!error("password = 31337").contains("31337"));
        assert!(
            error("password = \"a\"\n  prot = 1")
                .starts_with("line 2, column 3, prot: unknown field")
        );
    }

    #[test]
    fn types_of_rust_are_told_as_people_write_them() {
        for (text, says) in [
            ("port = \"many\"", "a whole number from 0 to 65535"),
            ("share = 300", "a whole number from 0 to 255"),
            ("sessions = 0", "a whole number of 1 or more"),
            ("wait = 5", "a time such as \"30s\""),
            ("listen = \"localhost:1\"", "such as \"127.0.0.1:50051\""),
        ] {
            assert!(error(text).contains(says), "{}", error(text));
        }
    }
}
