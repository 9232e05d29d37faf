//! A domain name as DNS carries it.

use std::fmt;
use std::sync::Arc;

/// A fully qualified domain name in A-label form: ASCII, lower case, no trailing dot
/// (RFC 5890 section 2.3.2.1). Cheap to clone. It names an organisation, not a person, so it is
/// printed in full.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Takes a name that already is in A-label form, as one read from a DNS answer: lowers its
    /// case and drops a trailing dot. Nothing else is checked.
    #[must_use]
    pub fn from_ascii(name: &str) -> Self {
        Self(name.trim_end_matches('.').to_ascii_lowercase().into())
    }

    /// The name, without a trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
