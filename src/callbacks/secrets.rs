//! Secrets of callbacks: `whsec_` and base64 (Standard Webhooks, "Signature scheme"). Pure.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The beginning of a secret, so that people and secret scanners know one.
const PREFIX: &str = "whsec_";

/// Most secrets at a time: each makes the header longer.
const MOST: usize = 4;

/// A secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// An error of a file of secrets. The text shows none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A line is none.
    #[error("line {0} is no secret: write whsec_ and base64 of 24 to 64 octets")]
    Line(usize),
    /// There is none.
    #[error("it holds no secret: write whsec_ and base64 of 24 to 64 octets, one a line")]
    Empty,
    /// There are too many.
    #[error("it holds more than {MOST} secrets; take those out that no receiver has any more")]
    TooMany,
}

/// Reads a file of secrets: one a line; blank lines and those that begin with `#` are left out.
///
/// # Errors
/// [`SecretsError`].
pub fn read_secrets(text: &str) -> Result<Vec<Secret>, SecretsError> {
    let lines = text.lines().map(str::trim).enumerate();
    let mut secrets = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let octets = line.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        match octets {
            Some(octets) if (24..=64).contains(&octets.len()) => secrets.push(Secret(octets)),
            _ => return Err(SecretsError::Line(number + 1)),
        }
    }
    match secrets.len() {
        0 => Err(SecretsError::Empty),
        1..=MOST => Ok(secrets),
        _ => Err(SecretsError::TooMany),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_file_holds_one_secret_a_line() {
        let both = format!("# the new one\n{GOOD}\n\n  {GOOD}  \n");
        assert_eq!(read_secrets(&both).unwrap().len(), 2);
        assert_eq!(format!("{:?}", read_secrets(GOOD).unwrap()), "[Secret]");
    }

    #[test]
    fn what_is_no_secret_is_named_by_its_line_and_not_shown() {
        for text in ["whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_%%"] {
            let error = read_secrets(&format!("\n{text}")).unwrap_err();
            assert_eq!(error, SecretsError::Line(2), "{text}");
            assert!(!error.to_string().contains("MfKQ"));
        }
        assert_eq!(read_secrets(" \n# nothing\n"), Err(SecretsError::Empty));
        assert_eq!(read_secrets(&format!("{GOOD}\n").repeat(5)), Err(SecretsError::TooMany));
    }
}
