//! Certificates of the sandbox's servers, and TLSA records, as a world writes them. Pure.

use serde::Deserialize;

/// The certificate that a server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerCertificate {
    /// Signed by itself, with its own name.
    #[default]
    SelfSigned,
    /// Signed by the sandbox's authority, with its own name.
    Issued,
    /// Signed by the sandbox's authority, with another name.
    OtherName,
}

/// A TLSA record of an exchanger, as `"3 1 1"`: usage, selector, and form, of its own certificate
/// (usage 3) or of the sandbox's authority (usage 2); as `"3 1 1 of another"` it means neither.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TlsaEntry {
    pub(super) usage: u8,
    pub(super) selector: u8,
    pub(super) matching: u8,
    pub(super) is_of_another: bool,
}

impl TryFrom<String> for TlsaEntry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no TLSA record; write \"3 1 1\"");
        let (numbers, is_of_another) = match text.strip_suffix(" of another") {
            Some(numbers) => (numbers, true),
            None => (text.as_str(), false),
        };
        let numbers: Result<Vec<u8>, _> = numbers.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([usage @ 2..=3, selector @ 0..=1, matching @ 0..=2]) => {
                Ok(Self { usage: *usage, selector: *selector, matching: *matching, is_of_another })
            }
            _ => Err(wrong()),
        }
    }
}
