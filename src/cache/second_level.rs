//! The interface to answers that several processes share, behind what each of them remembers. Pure.

use async_trait::async_trait;

use super::freshness::Lifespan;

/// A kind of shared answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SharedKind {
    /// What exchangers said about a mailbox.
    Mailbox,
    /// Whether a domain accepts every recipient.
    CatchAll,
}

impl SharedKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::CatchAll => "catch-all",
        }
    }
}

/// An answer that is shared.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedAnswer {
    /// The time for which it may be used.
    pub lifespan: Lifespan,
    /// The answer, as its owner writes and reads it.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for SharedAnswer {
    /// Without the body: servers repeat the recipient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedAnswer").field("lifespan", &self.lifespan).finish_non_exhaustive()
    }
}

/// Answers that several processes share.
#[async_trait]
pub trait SecondLevel: Send + Sync + 'static {
    /// The answer about a mailbox or a domain. Nothing is known if the place is away, or takes too
    /// long. How long an answer serves is for the caller to say.
    async fn recall(&self, kind: SharedKind, name: &str) -> Option<SharedAnswer>;

    /// Keeps an answer, some time later: nobody waits for that, and it may be lost.
    fn keep(&self, kind: SharedKind, name: &str, answer: SharedAnswer);
}
