//! Identification of callers by the credentials they present. Pure.

use std::sync::Arc;

/// The beginning of a key's hash: enough to tell a key from the one that took its name.
pub(super) type KeyFingerprint = [u8; 8];

/// The identity of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of its key or certificate; empty for a caller that showed neither. A key and a
    /// certificate of the same name are the same caller.
    pub name: Arc<str>,
    /// Means by which it was identified.
    pub kind: CallerKind,
    /// The key it showed, if it showed one.
    pub(super) key: Option<KeyFingerprint>,
}

/// Means by which a caller was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// By an API key.
    Key,
    /// By a client certificate that the configured authority signed.
    Certificate,
    /// Not at all, from somewhere else.
    Anonymous,
    /// Not at all, from this machine.
    Local,
}

impl Caller {
    pub(super) fn new(name: &str, kind: CallerKind) -> Self {
        Self { name: name.into(), kind, key: None }
    }

    /// The owner of a key.
    pub(super) fn with_key(name: &str, key: KeyFingerprint) -> Self {
        Self { key: Some(key), ..Self::new(name, CallerKind::Key) }
    }

    /// The user who runs this process.
    #[must_use]
    pub fn local() -> Self {
        Self::new("", CallerKind::Local)
    }
}

/// Credentials presented with a call.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Content of its `authorization` metadata.
    pub bearer: Bearer<'a>,
    /// The name in its verified client certificate; empty if that has no name.
    pub certificate: Option<&'a str>,
    /// `true` if it comes from this machine.
    pub is_loopback: bool,
}

/// Content of `authorization`.
#[derive(Clone, Copy)]
pub enum Bearer<'a> {
    /// It is not there.
    None,
    /// It is there, and it is not one `Bearer KEY`.
    Unreadable,
    /// An API key.
    Key(&'a str),
}

impl std::fmt::Debug for Bearer<'_> {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Unreadable => "Unreadable",
            Self::Key(_) => "Key(***)",
        })
    }
}

/// Why a caller may not call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// It showed nothing.
    #[error(
        "this service wants to know its callers: send an API key as `authorization: Bearer KEY`, \
         or show a client certificate"
    )]
    Anonymous,
    /// `authorization` is not one `Bearer KEY`.
    #[error("the authorization metadata cannot be read: send it once, as `Bearer KEY`")]
    Unreadable,
    /// No such key.
    #[error(
        "this API key is not known: check it, or have one made with `mailvet api-key new NAME`"
    )]
    UnknownKey,
    /// The key is known and was switched off.
    #[error("the API key {0:?} is disabled: ask the operator of this service for another")]
    Disabled(String),
    /// The key is known and its time is over.
    #[error("the API key {0:?} has expired: ask the operator of this service for another")]
    Expired(String),
    /// The certificate is good and has no name.
    #[error(
        "the client certificate names nobody: use one with a subject alternative name or a common \
         name"
    )]
    NamelessCertificate,
}

impl AdmissionError {
    /// `true`: identified but not authorised (PERMISSION_DENIED). `false`: unauthenticated.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Disabled(_) | Self::Expired(_) | Self::NamelessCertificate)
    }
}
