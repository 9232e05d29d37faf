//! What a caller wants of a batch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::verdict::Depth;

/// How long a batch comes back to servers that say "not now", if its caller names no time: three
/// rounds of the usual greylisting.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(20 * 60);

/// A batch, before it has rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Who made it; only the same caller sees it again. Empty: whoever needs no name.
    pub owner: String,
    /// The caller's own name for the request: a second submission of the same owner under it is
    /// the first one again. `None`: every submission is a new one.
    pub request_id: Option<String>,
    /// What people call it, such as the name of a file.
    pub display_name: String,
    /// How to verify.
    pub options: BatchOptions,
}

/// How to verify the addresses of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOptions {
    /// How deep to look.
    pub depth: Depth,
    /// How long the whole batch may take, from its last row on; at its end what is open becomes
    /// UNKNOWN. `None`: as long as it needs.
    pub deadline: Option<Duration>,
    /// How long to come back, on its own, to a server that says "not now", counted from the
    /// first time it said so.
    pub patience: Duration,
    /// The oldest remembered evidence to accept; `None`: any that is still valid, zero: none.
    pub max_age: Option<Duration>,
    /// Whether to ask for a made-up recipient, to see whether a domain accepts everything.
    pub test_catch_all: bool,
    /// To whom the campaign will be sent.
    pub send_policy: SendPolicy,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            depth: Depth::Mailbox,
            deadline: None,
            patience: DEFAULT_PATIENCE,
            max_age: None,
            test_catch_all: true,
            send_policy: SendPolicy::Deliverable,
        }
    }
}

impl BatchOptions {
    /// What sets these options apart from `other`, in words for whoever asked twice; `None` if
    /// nothing does.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let Self { depth, deadline, patience, max_age, test_catch_all, send_policy } = self;
        let time = |time: &Option<Duration>| match time {
            Some(time) => format!("{time:?}"),
            None => "none".to_owned(),
        };
        let pairs = [
            ("depth", format!("{depth:?}"), format!("{:?}", other.depth)),
            ("timeout", time(deadline), time(&other.deadline)),
            ("retry_window", format!("{patience:?}"), format!("{:?}", other.patience)),
            ("max_age", time(max_age), time(&other.max_age)),
            ("test_catch_all", test_catch_all.to_string(), other.test_catch_all.to_string()),
            ("send_policy", send_policy.name().to_owned(), other.send_policy.name().to_owned()),
        ];
        let differing: Vec<String> = pairs
            .into_iter()
            .filter(|(_, first, second)| first != second)
            .map(|(name, first, second)| format!("{name} {first}, not {second}"))
            .collect();
        (!differing.is_empty()).then(|| differing.join("; "))
    }
}

/// To whom a campaign is sent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SendPolicy {
    /// To the deliverable addresses.
    #[default]
    Deliverable,
    /// To the deliverable and the risky ones.
    DeliverableAndRisky,
    /// To everybody on the list.
    All,
}

impl SendPolicy {
    /// Every policy, the most careful one first.
    pub const ALL: [Self; 3] = [Self::Deliverable, Self::DeliverableAndRisky, Self::All];

    /// The policy's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deliverable => "deliverable",
            Self::DeliverableAndRisky => "deliverable_and_risky",
            Self::All => "all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_each_option_and_both_values() {
        let first = BatchOptions::default();
        assert_eq!(first.difference(&first.clone()), None);
        let second = BatchOptions {
            depth: Depth::Domain,
            deadline: Some(Duration::from_secs(60)),
            ..BatchOptions::default()
        };
        let difference = first.difference(&second).unwrap();
        assert_eq!(difference, "depth Mailbox, not Domain; deadline none, not 60s");
    }
}
