//! Names of DNS as a world writes them. Pure.

use serde::{Deserialize, Deserializer};

use crate::address::DomainName;

/// A name that DNS cannot carry as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name in A-label form: ASCII, labels of 1 to 63 octets, lower case")]
pub struct NameSyntaxError(String);

/// Reads a name, `*` as a label included.
pub(super) fn domain(text: &str) -> Result<DomainName, NameSyntaxError> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let fits = |label: &str| {
        let plain = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    if bare.len() > 253 || !bare.split('.').all(fits) {
        return Err(NameSyntaxError(text.to_owned()));
    }
    Ok(DomainName::from_ascii(bare))
}

/// For serde: a name, if there is one.
pub(super) fn optional_domain<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<DomainName>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    text.map(|text| domain(&text).map_err(serde::de::Error::custom)).transpose()
}

/// For serde: names.
pub(super) fn domains<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<DomainName>, D::Error> {
    let texts = Vec::<String>::deserialize(input)?;
    texts.iter().map(|text| domain(text).map_err(serde::de::Error::custom)).collect()
}
