//! A callback: the URL that is told what became of a batch.

use serde::{Deserialize, Serialize};

/// The URL to tell, and the events to tell it about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The URL to send a POST to.
    pub url: String,
    /// The events it is told about; empty: every event.
    pub events: Vec<BatchEvent>,
    /// `true` if the operator set it for all batches of the caller, who named none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_standing: bool,
}

impl Callback {
    /// `true` if the URL is told about this event.
    #[must_use]
    pub fn admits(&self, event: BatchEvent) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }

    /// `true` if the same URL is told about the same events as by `other`, in whatever order they
    /// are named.
    #[must_use]
    pub fn tells_same_as(&self, other: &Self) -> bool {
        self.url == other.url
            && BatchEvent::ALL.into_iter().all(|event| self.admits(event) == other.admits(event))
    }
}

/// An event in the life of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchEvent {
    /// Every row has its result.
    Finished,
    /// Its owner stopped it.
    Cancelled,
    /// Every row was asked about once, and some wait until their server is asked again: the
    /// pre-flight tells nearly all that it will. A batch in which none waits only finishes.
    PreflightReady,
}

impl BatchEvent {
    /// Every event.
    pub const ALL: [Self; 3] = [Self::Finished, Self::Cancelled, Self::PreflightReady];

    /// The event's name, such as `batch.finished`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "batch.finished",
            Self::Cancelled => "batch.cancelled",
            Self::PreflightReady => "batch.preflight_ready",
        }
    }

    /// The event of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_without_events_is_told_about_every_one() {
        let callback = |events: &[BatchEvent]| Callback {
            url: "https://crm.example.com/mailvet".to_owned(),
            events: events.to_vec(),
            is_standing: false,
        };
        assert!(BatchEvent::ALL.into_iter().all(|event| callback(&[]).admits(event)));
        let cancelled = callback(&[BatchEvent::Cancelled]);
        assert!(cancelled.admits(BatchEvent::Cancelled) && !cancelled.admits(BatchEvent::Finished));
        assert_eq!(BatchEvent::parse("batch.finished"), Some(BatchEvent::Finished));
        assert_eq!(BatchEvent::parse("batch.deleted"), None);
    }
}
