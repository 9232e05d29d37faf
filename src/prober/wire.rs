//! Questions and answers as they travel between processes that share an egress address. Pure.
//!
//! What another process sends is checked like what a caller sends: an address is parsed again, a
//! name that is not known is an error. Times are lengths where clocks may differ.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::evidence::LaneAnswer;
use super::question_router::{LaneOutcome, LaneQuestion};
use crate::address::{DomainName, irregular};
use crate::smtp::{
    Control, EnhancedStatus, Explanation, Meaning, NoReply, Observation, RecipientAnswer, Reply,
    ReplyLimit, RuleBasis, Speaker, Stage, TranscriptLine,
};

/// A message of another process cannot be understood: it is of another version.
#[derive(Debug, thiserror::Error)]
#[error("what another replica sent is not understood: {0}")]
pub struct WireFault(&'static str);

/// A recipient to be asked about.
#[derive(Clone, Serialize, Deserialize)]
pub struct WireQuestion {
    address: String,
    exchanger: String,
    identity: String,
    /// The oldest addresses of the exchanger to accept, in milliseconds.
    max_age: Option<u64>,
    test_catch_all: bool,
    transcript: bool,
    patient: bool,
    /// Replicas of before do not say so.
    #[serde(default)]
    backup: bool,
    consented_at: Option<u64>,
    /// Milliseconds until the asker wants its answer.
    deadline: u64,
    /// Milliseconds for which to come back to an exchanger that says "not now".
    retry_for: u64,
}

impl WireQuestion {
    /// The question as it is sent at `now`; its answer is wanted `margin` before the deadline.
    pub(super) fn new(question: &LaneQuestion, margin: Duration, now: SystemTime) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until = |time: SystemTime| {
            millis(time.duration_since(now).unwrap_or_default().saturating_sub(margin))
        };
        Self {
            address: format!("{}@{}", question.address.local(), question.address.domain()),
            exchanger: question.exchanger.as_str().to_owned(),
            identity: question.identity.to_string(),
            max_age: question.max_age.map(millis),
            test_catch_all: question.test_catch_all,
            transcript: question.transcript,
            patient: question.patient,
            backup: question.backup,
            consented_at: question.consented_at.map(to_millis),
            deadline: until(question.deadline),
            retry_for: until(question.retry_until),
        }
    }

    /// The time for which an answer is waited for.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        Duration::from_millis(self.deadline)
    }

    pub(super) fn into_question(self, now: SystemTime) -> Result<LaneQuestion, WireFault> {
        let (address, _) =
            irregular::parse(&self.address).map_err(|_| WireFault("an address is none"))?;
        let exchanger = DomainName::from_ascii(&self.exchanger);
        let literal = self.exchanger.strip_prefix('[').map(|it| it.strip_suffix(']'));
        let is_one = match literal {
            Some(literal) => literal.is_some_and(|literal| literal.parse::<IpAddr>().is_ok()),
            None => (1..=255).contains(&self.exchanger.len()),
        };
        if !is_one {
            return Err(WireFault("an exchanger is none"));
        }
        let at = |millis: u64| now + Duration::from_millis(millis.min(LONGEST_MILLIS));
        Ok(LaneQuestion {
            address,
            exchanger,
            identity: self.identity.into(),
            max_age: self.max_age.map(Duration::from_millis),
            test_catch_all: self.test_catch_all,
            transcript: self.transcript,
            patient: self.patient,
            backup: self.backup,
            consented_at: self.consented_at.map(from_millis),
            deadline: at(self.deadline),
            retry_until: at(self.retry_for),
        })
    }
}

/// The longest that another process may have us wait: an hour.
const LONGEST_MILLIS: u64 = 60 * 60 * 1000;

/// The outcome of a question.
#[derive(Clone, Serialize, Deserialize)]
pub struct WireOutcome {
    /// What was said; none if time was up before anything was.
    observation: Option<WireObservation>,
    control: WireControl,
    /// The stage that was reached at the deadline; none: it was answered before.
    timed_out_at: Option<String>,
    may_answer_later: bool,
    blocked: bool,
}

impl From<&LaneOutcome> for WireOutcome {
    fn from(outcome: &LaneOutcome) -> Self {
        match outcome {
            LaneOutcome::Answered(answer) => Self {
                observation: Some(WireObservation::from(&answer.evidence)),
                control: WireControl::from(&answer.control),
                timed_out_at: None,
                may_answer_later: answer.may_answer_later,
                blocked: answer.blocked,
            },
            LaneOutcome::TimedOut { evidence, control, stage } => Self {
                observation: evidence.as_ref().map(WireObservation::from),
                control: WireControl::from(control),
                timed_out_at: Some(stage.name().to_owned()),
                may_answer_later: false,
                blocked: false,
            },
        }
    }
}

impl WireOutcome {
    pub(super) fn into_outcome(self) -> Result<LaneOutcome, WireFault> {
        let evidence = self.observation.map(WireObservation::into_observation).transpose()?;
        let control = self.control.into_control()?;
        match (self.timed_out_at, evidence) {
            (Some(stage), evidence) => {
                let stage = read_stage(&stage)?;
                Ok(LaneOutcome::TimedOut { evidence, control, stage })
            }
            (None, Some(evidence)) => {
                let (may_answer_later, blocked) = (self.may_answer_later, self.blocked);
                Ok(LaneOutcome::Answered(LaneAnswer {
                    evidence,
                    control,
                    may_answer_later,
                    blocked,
                }))
            }
            (None, None) => Err(WireFault("an answer is empty")),
        }
    }
}

/// An observation, without its `Debug` form: servers repeat the recipient.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WireObservation {
    answer: WireAnswer,
    address: Option<IpAddr>,
    /// Replicas of before do not say so.
    #[serde(default)]
    stale: bool,
    at: u64,
    /// Milliseconds since the session began, speaker, words.
    transcript: Option<Vec<(u64, String, String)>>,
}

impl std::fmt::Debug for WireObservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireObservation").field("at", &self.at).finish_non_exhaustive()
    }
}

impl From<&Observation> for WireObservation {
    fn from(observation: &Observation) -> Self {
        let line = |line: &TranscriptLine| {
            let after = u64::try_from(line.after.as_millis()).unwrap_or(u64::MAX);
            (after, line.speaker.name().to_owned(), line.text.clone())
        };
        Self {
            answer: WireAnswer::from(&observation.answer),
            address: observation.address,
            stale: observation.stale,
            at: to_millis(observation.at),
            transcript: observation.transcript.as_ref().map(|all| all.iter().map(line).collect()),
        }
    }
}

impl WireObservation {
    pub(super) fn without_dialogue(self) -> Self {
        Self { transcript: None, ..self }
    }

    pub(super) fn into_observation(self) -> Result<Observation, WireFault> {
        let line = |(after, speaker, text): (u64, String, String)| {
            let all = [Speaker::Client, Speaker::Server, Speaker::Event];
            let speaker = all.into_iter().find(|known| known.name() == speaker);
            let speaker = speaker.ok_or(WireFault("a speaker is not known"))?;
            Ok(TranscriptLine { after: Duration::from_millis(after), speaker, text })
        };
        let transcript: Option<Result<Arc<[TranscriptLine]>, WireFault>> =
            self.transcript.map(|all| all.into_iter().map(line).collect());
        Ok(Observation {
            answer: self.answer.into_answer()?,
            address: self.address,
            stale: self.stale,
            at: from_millis(self.at),
            transcript: transcript.transpose()?,
        })
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum WireAnswer {
    Replied(WireReply),
    NoReply { stage: String, reason: String, words: String },
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WireReply {
    stage: String,
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    lines: Vec<String>,
    meaning: String,
    rule: String,
    basis: WireBasis,
    retry_after: Option<u64>,
    limit: Option<WireLimit>,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum WireBasis {
    Code,
    EnhancedStatus,
    Words,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum WireLimit {
    Recipients,
    Messages,
    Mailbox,
}

impl From<&RecipientAnswer> for WireAnswer {
    fn from(answer: &RecipientAnswer) -> Self {
        match answer {
            RecipientAnswer::Replied { stage, reply, explanation } => Self::Replied(WireReply {
                stage: stage.name().to_owned(),
                code: reply.code,
                enhanced: reply.enhanced.map(|it| (it.class, it.subject, it.detail)),
                lines: reply.lines.clone(),
                meaning: explanation.meaning.name().to_owned(),
                rule: explanation.rule.to_string(),
                basis: match explanation.basis {
                    RuleBasis::Code => WireBasis::Code,
                    RuleBasis::EnhancedStatus => WireBasis::EnhancedStatus,
                    RuleBasis::Words => WireBasis::Words,
                },
                retry_after: explanation.retry_after.map(|wait| wait.as_secs()),
                limit: explanation.limit.map(|limit| match limit {
                    ReplyLimit::Recipients => WireLimit::Recipients,
                    ReplyLimit::Messages => WireLimit::Messages,
                    ReplyLimit::Mailbox => WireLimit::Mailbox,
                }),
            }),
            RecipientAnswer::NoReply { stage, reason } => Self::NoReply {
                stage: stage.name().to_owned(),
                reason: reason.name().to_owned(),
                words: match reason {
                    NoReply::ConnectFailed(words)
                    | NoReply::ProxyFailed(words)
                    | NoReply::SourceFailed(words)
                    | NoReply::SocketFailed(words)
                    | NoReply::Protocol(words)
                    | NoReply::TlsFailed(words) => words.clone(),
                    _ => String::new(),
                },
            },
        }
    }
}

impl WireAnswer {
    fn into_answer(self) -> Result<RecipientAnswer, WireFault> {
        match self {
            Self::Replied(reply) => reply.into_answer(),
            Self::NoReply { stage, reason, words } => Ok(RecipientAnswer::NoReply {
                stage: read_stage(&stage)?,
                reason: NoReply::from_name(&reason, words)
                    .ok_or(WireFault("a reason is not known"))?,
            }),
        }
    }
}

impl WireReply {
    fn into_answer(self) -> Result<RecipientAnswer, WireFault> {
        let meaning =
            Meaning::from_name(&self.meaning).ok_or(WireFault("a meaning is not known"))?;
        let mut explanation = Explanation::new(meaning, self.rule);
        explanation.basis = match self.basis {
            WireBasis::Code => RuleBasis::Code,
            WireBasis::EnhancedStatus => RuleBasis::EnhancedStatus,
            WireBasis::Words => RuleBasis::Words,
        };
        explanation.retry_after = self.retry_after.map(Duration::from_secs);
        explanation.limit = self.limit.map(|limit| match limit {
            WireLimit::Recipients => ReplyLimit::Recipients,
            WireLimit::Messages => ReplyLimit::Messages,
            WireLimit::Mailbox => ReplyLimit::Mailbox,
        });
        let enhanced =
            self.enhanced.map(|(class, subject, detail)| EnhancedStatus { class, subject, detail });
        Ok(RecipientAnswer::Replied {
            stage: read_stage(&self.stage)?,
            reply: Arc::new(Reply { code: self.code, enhanced, lines: self.lines }),
            explanation,
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) enum WireControl {
    NotAsked,
    KnownNo,
    KnownYes,
    Answered(WireAnswer),
}

impl From<&Control> for WireControl {
    fn from(control: &Control) -> Self {
        match control {
            Control::NotAsked => Self::NotAsked,
            Control::KnownNo => Self::KnownNo,
            Control::KnownYes => Self::KnownYes,
            Control::Answered(answer) => Self::Answered(WireAnswer::from(&**answer)),
        }
    }
}

impl WireControl {
    pub(super) fn into_control(self) -> Result<Control, WireFault> {
        Ok(match self {
            Self::NotAsked => Control::NotAsked,
            Self::KnownNo => Control::KnownNo,
            Self::KnownYes => Control::KnownYes,
            Self::Answered(answer) => Control::Answered(Arc::new(answer.into_answer()?)),
        })
    }
}

fn read_stage(name: &str) -> Result<Stage, WireFault> {
    Stage::from_name(name).ok_or(WireFault("a stage is not known"))
}

/// Milliseconds since the epoch.
pub(super) fn to_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time so many milliseconds after the epoch; far ones are cut.
pub(super) fn from_millis(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis.min(1 << 52))
}

#[cfg(test)]
mod tests;
