//! Hooks: URLs of ours to which mail services post what became of mail, each signed as its service
//! signs.
//!
//! A post is verified over the octets that came, before they are read as anything; only Mailgun and
//! SNS have their signature within the JSON, of which no more is read until then: as a document, a
//! body takes a hundred times its octets. What is verified
//! counts as the operator's own, and is kept once however often it comes.
//!
//! Pure: the settings, the keys, and each service's way to sign. Shell: this file, the key files,
//! and the certificates of SNS.

mod bearer;
mod config;
mod headers;
mod hook_error;
mod hook_key;
mod key_source;
mod mailgun;
mod refusal;
mod resend;
mod sendgrid;
mod setup;
mod signing_certificates;
mod sns;
mod time_window;
mod used_tokens;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::hook_key::HookKey;
use self::key_source::KeySource;
use self::mailgun::SignedByMailgun;
use self::signing_certificates::SigningCertificates;
use self::sns::{SigningCertificate, SnsFields, SnsKind, SnsMessage, SnsTopic};
use self::time_window::TimeWindow;
use self::used_tokens::SharedTokens;
use super::event::{AddedEvent, OutcomeEvent};
use super::intake::OutcomeIntake;
use super::mail_service::MailService;
use super::readers::{ReadItem, read_posted};
use crate::http_client::HttpUrl;
use crate::instruments::{Counter, CounterVec};
use crate::smtp::Classifier;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

pub use self::config::HookConfig;
pub use self::hook_error::HookError;
pub use self::refusal::HookRefusal;
pub use self::setup::{HookSetupError, hook_problems};

/// Fates of posts, as they are counted.
const FATES: [&str; 6] = ["taken", "not_understood", "subscription", "refused", "unread", "failed"];

/// The hooks of a service. Cheap to clone.
#[derive(Clone, Default)]
pub struct OutcomeHooks(Arc<[Hook]>);

/// A hook.
pub struct Hook {
    name: String,
    service: MailService,
    tolerance: Duration,
    confirms: bool,
    key: KeySource,
    /// Where SNS signs, and something is to be asked of it.
    certificates: Option<SigningCertificates>,
    /// Shared by all hooks: a signature of one could be shown to another with the same key.
    used: SharedTokens,
    posts: CounterVec,
    taken: Counter,
    repeated: Counter,
    not_understood: Counter,
}

/// Counts of one hook since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStats {
    /// Its name.
    pub name: String,
    /// Posts by their fate.
    pub posts: Vec<(&'static str, u64)>,
    /// Events by their fate.
    pub events: [(&'static str, u64); 3],
}

/// A post that was verified.
#[derive(Debug)]
pub struct VerifiedPost(PostContents);

#[derive(Debug)]
enum PostContents {
    Events(Vec<ReadItem>),
    /// The topic of SNS posts from now on, once that is confirmed at this URL.
    Subscription(HttpUrl),
    /// The topic of SNS posts no more.
    End,
}

/// The answer to a post that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookReceipt {
    /// New outcomes.
    pub taken: u64,
    /// Outcomes that were kept before.
    pub repeated: u64,
    /// Events that were not understood: their positions, and why.
    pub not_understood: Vec<(usize, &'static str)>,
}

impl OutcomeHooks {
    /// The hook of this name.
    ///
    /// # Errors
    ///
    /// [`HookError::NoSuchHook`].
    pub fn find(&self, name: &str) -> Result<&Hook, HookError> {
        self.0.iter().find(|hook| hook.name == name).ok_or(HookError::NoSuchHook)
    }

    /// Counts of all hooks.
    #[must_use]
    pub fn stats(&self) -> Vec<HookStats> {
        let read = |hook: &Hook| HookStats {
            name: hook.name.clone(),
            posts: hook.posts.snapshot(),
            events: [
                ("taken", hook.taken.value()),
                ("repeated", hook.repeated.value()),
                ("not_understood", hook.not_understood.value()),
            ],
        };
        self.0.iter().map(read).collect()
    }
}

impl Hook {
    /// Checks what can be checked of a post before its body is read. `true` if that verifies it.
    ///
    /// # Errors
    ///
    /// [`HookError::Refused`].
    pub async fn check_head(
        &self,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<bool, HookError> {
        let HookKey::Tokens(tokens) = &*self.key.current(now).await else { return Ok(false) };
        bearer::verify(tokens, headers)?;
        Ok(true)
    }

    /// Verifies a post whose head was checked, and reads what it tells.
    ///
    /// # Errors
    ///
    /// [`HookError`] if it is not the service's own, or that cannot be known now.
    pub async fn verify(
        &self,
        (headers, body): (&HeaderMap, &[u8]),
        classifier: &Classifier,
        now: SystemTime,
    ) -> Result<VerifiedPost, HookError> {
        let window = TimeWindow { now, tolerance: self.tolerance };
        let document = match &*self.key.current(now).await {
            HookKey::SendGrid(key) => {
                sendgrid::verify(key, headers, body, window)?;
                parse(body)?
            }
            HookKey::Resend(secrets) => {
                resend::verify(secrets, headers, body, window)?;
                parse(body)?
            }
            HookKey::Mailgun(keys) => {
                let signed: SignedByMailgun = parse_signed(body, HookRefusal::NoSignature)?;
                let token = mailgun::verify(keys, &signed, window)?;
                self.used.admit(token, body, window)?;
                parse(body)?
            }
            HookKey::Sns(topic, pinned) => {
                let fields: SnsFields = parse_signed(body, HookRefusal::NotFromSns)?;
                let message = SnsMessage::new(&fields)?;
                message.check(topic, window)?;
                let certificate = self.certificate(&message, topic, pinned.as_ref()).await?;
                message.verify(&certificate, now)?;
                match message.kind {
                    SnsKind::Notification => parse(body)?,
                    SnsKind::SubscriptionConfirmation => {
                        let url = message.subscribe_url(topic)?;
                        return Ok(VerifiedPost(PostContents::Subscription(url)));
                    }
                    SnsKind::UnsubscribeConfirmation => return Ok(VerifiedPost(PostContents::End)),
                }
            }
            // Verified before the body was read.
            HookKey::Tokens(_) => parse(body)?,
        };
        let items = read_posted(self.service, classifier, &document);
        Ok(VerifiedPost(PostContents::Events(items)))
    }

    /// The certificate that a message of SNS is signed with.
    async fn certificate(
        &self,
        message: &SnsMessage<'_>,
        topic: &SnsTopic,
        pinned: Option<&Arc<SigningCertificate>>,
    ) -> Result<Arc<SigningCertificate>, HookError> {
        if let Some(certificate) = pinned {
            return Ok(Arc::clone(certificate));
        }
        let url = message.certificate_url(topic)?;
        let unasked = || HookError::Unreachable("SNS cannot be asked".to_owned());
        let certificates = self.certificates.as_ref().ok_or_else(unasked)?;
        certificates.find(&url).await.map_err(HookError::Unreachable)
    }

    /// Keeps what a post tells, and counts it.
    ///
    /// # Errors
    ///
    /// [`HookError::Unkept`], or [`HookError::Unreachable`] if SNS cannot be answered; nothing is
    /// kept then.
    pub async fn keep(
        &self,
        post: VerifiedPost,
        intake: &OutcomeIntake,
        now: SystemTime,
    ) -> Result<HookReceipt, HookError> {
        let hook = &self.name;
        match post.0 {
            PostContents::Events(items) => {
                let receipt = self.keep_events(items, intake, now).await?;
                self.note_receipt(&receipt);
                return Ok(receipt);
            }
            PostContents::Subscription(url) => self.answer_subscription(&url).await?,
            PostContents::End => {
                tracing::warn!(hook, "the topic of SNS posts to this hook no more");
            }
        }
        self.posts.inc("subscription");
        Ok(HookReceipt::default())
    }

    /// Confirms a subscription if that is configured, and else says what waits for somebody.
    async fn answer_subscription(&self, url: &HttpUrl) -> Result<(), HookError> {
        let hook = &self.name;
        match &self.certificates {
            Some(sns) if self.confirms => {
                sns.confirm(url).await.map_err(HookError::Unreachable)?;
                tracing::info!(hook, "the subscription of a topic of SNS is confirmed");
            }
            _ => {
                let url = format!("https://{}{}", url.authority, url.path);
                tracing::warn!(hook, url, "visit this URL to confirm the subscription of SNS");
            }
        }
        Ok(())
    }

    async fn keep_events(
        &self,
        items: Vec<ReadItem>,
        intake: &OutcomeIntake,
        now: SystemTime,
    ) -> Result<HookReceipt, HookError> {
        let mut receipt = HookReceipt::default();
        let mut events: Vec<OutcomeEvent> = Vec::new();
        let mut positions = Vec::new();
        for (position, item) in items.into_iter().enumerate() {
            match item {
                ReadItem::NotUnderstood(why) => receipt.not_understood.push((position, why)),
                ReadItem::Events(read) => {
                    positions.extend(read.iter().map(|_| position));
                    events.extend(read);
                }
            }
        }
        let kept = intake.keeper.keep(events, now).await?;
        for (added, position) in kept.into_iter().zip(positions) {
            match added {
                AddedEvent::Taken => receipt.taken += 1,
                AddedEvent::Repeated => receipt.repeated += 1,
                AddedEvent::NotCounted => {
                    receipt.not_understood.push((position, "it proves nothing"));
                }
                AddedEvent::NoAddress => {
                    receipt.not_understood.push((position, "its recipient is no address"));
                }
            }
        }
        Ok(receipt)
    }

    fn note_receipt(&self, receipt: &HookReceipt) {
        let missed = receipt.not_understood.len();
        self.taken.add(receipt.taken);
        self.repeated.add(receipt.repeated);
        self.not_understood.add(missed as u64);
        self.posts.inc(if missed > 0 { "not_understood" } else { "taken" });
        if let Some((_, why)) = receipt.not_understood.first() {
            let hook = &self.name;
            tracing::warn!(hook, missed, why, "events of a hook were not understood");
        }
    }

    /// Counts a post that was not taken, and logs it without a word of its body.
    pub fn note_failure(&self, error: &HookError) {
        let hook = &self.name;
        match error {
            HookError::Unkept(cause) => {
                self.posts.inc("failed");
                tracing::error!(hook, %cause, "outcomes of a hook cannot be kept");
            }
            HookError::Unreachable(_) => {
                self.posts.inc("failed");
                tracing::error!(hook, %error, "a post to a hook cannot be verified now");
            }
            HookError::Crowded
            | HookError::Late(_)
            | HookError::TooLong(_)
            | HookError::BrokenOff => {
                self.posts.inc("unread");
                tracing::warn!(hook, %error, "a post to a hook was not read");
            }
            HookError::NoSuchHook | HookError::Refused(_) | HookError::NotJson => {
                self.posts.inc("refused");
                tracing::warn!(hook, %error, "a post to a hook was refused");
            }
        }
    }
}

/// A verified body as a document.
fn parse(body: &[u8]) -> Result<Value, HookError> {
    serde_json::from_slice(body).map_err(|_| HookError::NotJson)
}

/// The fields of a body that tell of its signature; `otherwise` if it is JSON without them.
fn parse_signed<T: DeserializeOwned>(body: &[u8], otherwise: HookRefusal) -> Result<T, HookError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => otherwise.into(),
        Category::Io | Category::Syntax | Category::Eof => HookError::NotJson,
    })
}

#[cfg(test)]
mod tests;
