//! The outcome of a probe as it is kept for other processes. Pure.
//!
//! Without the dialogue: who wants that asks anew.

use serde::{Deserialize, Serialize};

use super::wire::{WireControl, WireFault, WireObservation};
use crate::address::DomainName;
use crate::smtp::{Attempt, ProbeOutcome};

/// The outcome of a probe in the form in which it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredProbe {
    attempts: Vec<StoredAttempt>,
    control: WireControl,
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredAttempt {
    exchanger: String,
    preference: u16,
    observation: WireObservation,
}

impl From<&ProbeOutcome> for StoredProbe {
    fn from(outcome: &ProbeOutcome) -> Self {
        let attempt = |attempt: &Attempt| StoredAttempt {
            exchanger: attempt.exchanger.as_str().to_owned(),
            preference: attempt.preference,
            observation: WireObservation::from(&attempt.observation).without_dialogue(),
        };
        let attempts = outcome.attempts.iter().map(attempt).collect();
        Self { attempts, control: WireControl::from(&outcome.control) }
    }
}

impl StoredProbe {
    /// Reads it again.
    ///
    /// # Errors
    /// If another version wrote it, with words that this one does not know.
    pub fn into_outcome(self) -> Result<ProbeOutcome, WireFault> {
        let attempt = |stored: StoredAttempt| {
            Ok(Attempt {
                exchanger: DomainName::from_ascii(&stored.exchanger),
                preference: stored.preference,
                observation: stored.observation.into_observation()?,
            })
        };
        let attempts: Result<Vec<Attempt>, WireFault> =
            self.attempts.into_iter().map(attempt).collect();
        Ok(ProbeOutcome { attempts: attempts?, control: self.control.into_control()? })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::prober::disposition::tests::replied;
    use crate::smtp::{Control, Meaning, Observation, Speaker, Stage, TranscriptLine};

    #[test]
    fn an_outcome_is_read_as_it_was_kept_but_for_the_dialogue() {
        let refused =
            replied(Stage::Rcpt, 550, "5.1.1", "no such user", Meaning::MailboxNotFound, "words");
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let observation = Observation::new(refused.clone(), Some([192, 0, 2, 1].into()), at);
        let attempt = |observation| Attempt {
            exchanger: DomainName::from_ascii("mx.example.net"),
            preference: 10,
            observation,
        };
        let control = Control::Answered(Arc::new(refused));
        let outcome = |attempts| ProbeOutcome { attempts, control: control.clone() };
        let line = TranscriptLine {
            after: Duration::ZERO,
            speaker: Speaker::Client,
            text: "RCPT TO:<jane@acme.test>".to_owned(),
        };
        let told = Observation { transcript: Some([line].into()), ..observation.clone() };
        let kept = serde_json::to_string(&StoredProbe::from(&outcome(vec![attempt(told)])));
        let kept = kept.unwrap();
        assert!(!kept.contains("jane"), "{kept}");
        let read: StoredProbe = serde_json::from_str(&kept).unwrap();
        assert_eq!(read.into_outcome().unwrap(), outcome(vec![attempt(observation)]));
        let later: StoredProbe = serde_json::from_str(&kept.replace("rcpt", "later")).unwrap();
        assert!(later.into_outcome().is_err(), "a stage that is not known");
    }
}
