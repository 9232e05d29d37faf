//! Specification of a batch.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::callback::Callback;
use crate::verdict::Depth;

/// Default time a batch comes back to servers that say "not now": three
/// rounds of the usual greylisting.
pub const DEFAULT_RETRY_WINDOW: Duration = Duration::from_secs(20 * 60);

/// A batch, before it has rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The caller that made it; only the same caller sees it again. Empty where callers have no
    /// name.
    pub owner: String,
    /// The caller's own name for the request: a second submission of the same owner under it is
    /// the first one again. `None`: every submission is a new one.
    pub request_id: Option<String>,
    /// Name for people, such as the name of a file.
    pub display_name: String,
    /// Options of verification.
    pub options: BatchOptions,
    /// The URL to tell when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,
}

impl Spec {
    /// The differences from `other` that make it another request, in words; `None` if there are
    /// none.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let callback = || self.has_other_callback(other).then(|| "another callback".to_owned());
        self.options.difference(&other.options).or_else(callback)
    }

    /// `true` if the callers asked for different callbacks. What the operator set for those who
    /// named none is no difference: it may have changed between two requests.
    fn has_other_callback(&self, other: &Self) -> bool {
        match (&self.callback, &other.callback) {
            (Some(own), Some(others)) => {
                let is_named = !own.is_standing || !others.is_standing;
                is_named && !own.tells_same_as(others)
            }
            (Some(only), None) | (None, Some(only)) => !only.is_standing,
            (None, None) => false,
        }
    }
}

/// Options of verification for the addresses of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOptions {
    /// Depth of verification.
    pub depth: Depth,
    /// Time the whole batch may take, from its last row on; at its end what is open becomes
    /// UNKNOWN. `None`: as long as it needs.
    pub deadline: Option<Duration>,
    /// Time during which a server that says "not now" is asked again, counted from the
    /// first time it said so.
    #[serde(alias = "patience")]
    pub retry_window: Duration,
    /// The oldest remembered evidence to accept; `None`: any that is still valid, zero: none.
    pub max_age: Option<Duration>,
    /// `true`: also asks for a made-up recipient, to see whether a domain accepts everything.
    pub test_catch_all: bool,
    /// To whom the campaign will be sent.
    pub send_policy: SendPolicy,
    /// `true`: also asks the registries of the domains; no verdict waits for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registration: bool,
    /// Time at which the recipients consented to mail; `None`: not known. It asks the registries
    /// too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consented_at: Option<SystemTime>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            depth: Depth::Mailbox,
            deadline: None,
            retry_window: DEFAULT_RETRY_WINDOW,
            max_age: None,
            test_catch_all: true,
            send_policy: SendPolicy::Deliverable,
            registration: false,
            consented_at: None,
        }
    }
}

impl BatchOptions {
    /// The differences from `other`, in words for a caller that asked twice, with the names that
    /// the API has for the options; `None` if nothing differs.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let Self { depth, deadline, retry_window, max_age, .. } = self;
        let Self { test_catch_all, send_policy, registration, consented_at, .. } = self;
        let time = |time: &Option<Duration>| match time {
            Some(time) => format!("{time:?}"),
            None => "none".to_owned(),
        };
        let day = |time: &Option<SystemTime>| match time.map(jiff::Timestamp::try_from) {
            Some(time) => time.unwrap_or(jiff::Timestamp::MAX).to_string(),
            None => "none".to_owned(),
        };
        let skips = |tests: bool| (!tests).to_string();
        let pairs = [
            ("depth", format!("{depth:?}"), format!("{:?}", other.depth)),
            ("timeout", time(deadline), time(&other.deadline)),
            ("retry_window", format!("{retry_window:?}"), format!("{:?}", other.retry_window)),
            ("max_age", time(max_age), time(&other.max_age)),
            ("skip_catch_all", skips(*test_catch_all), skips(other.test_catch_all)),
            ("consent_time", day(consented_at), day(&other.consented_at)),
            ("include_registration", registration.to_string(), other.registration.to_string()),
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
    use crate::campaign::BatchEvent;

    #[test]
    fn a_callback_that_the_operator_set_makes_no_other_request_and_one_that_is_named_does() {
        let with = |callback: Option<(&str, bool)>| Spec {
            owner: "crm".to_owned(),
            request_id: Some("spring-1".to_owned()),
            display_name: String::new(),
            options: BatchOptions::default(),
            callback: callback.map(|(host, is_standing)| {
                let url = format!("https://{host}.example/");
                Callback { url, events: Vec::new(), is_standing }
            }),
        };
        let differ = |first, second| with(first).difference(&with(second)).is_some();
        for later in [None, Some(("new", true))] {
            assert!(!differ(None, later) && !differ(Some(("old", true)), later));
            assert!(differ(Some(("named", false)), later));
        }
        assert!(differ(Some(("old", true)), Some(("named", false))));
        assert!(!differ(Some(("old", true)), Some(("old", false))), "the same is told");
        assert!(differ(Some(("named", false)), Some(("other", false))));
        let kept = serde_json::to_string(&with(Some(("old", true)))).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&kept).unwrap(), with(Some(("old", true))));
    }

    #[test]
    fn events_are_a_set_and_in_another_order_make_no_other_request() {
        let with = |events: &[BatchEvent]| Spec {
            owner: "crm".to_owned(),
            request_id: Some("spring-1".to_owned()),
            display_name: String::new(),
            options: BatchOptions::default(),
            callback: Some(Callback {
                url: "https://crm.example/".to_owned(),
                events: events.to_vec(),
                is_standing: false,
            }),
        };
        let differ = |first: &[BatchEvent], second: &[BatchEvent]| {
            with(first).difference(&with(second)).is_some()
        };
        let [finished, cancelled, ready] = BatchEvent::ALL;
        assert!(!differ(&[finished, cancelled], &[cancelled, finished]));
        assert!(!differ(&[], &[ready, finished, cancelled]), "none named: every one");
        assert!(differ(&[finished], &[cancelled]) && differ(&[], &[finished, cancelled]));
    }

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
        assert_eq!(difference, "depth Mailbox, not Domain; timeout none, not 60s");
    }

    #[test]
    fn a_difference_has_the_names_and_the_values_that_a_caller_sends() {
        let second = BatchOptions {
            test_catch_all: false,
            registration: true,
            consented_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            ..BatchOptions::default()
        };
        let difference = BatchOptions::default().difference(&second).unwrap();
        let expected = "skip_catch_all false, not true; consent_time none, not \
                        2023-11-14T22:13:20Z; include_registration false, not true";
        assert_eq!(difference, expected);
    }
}
