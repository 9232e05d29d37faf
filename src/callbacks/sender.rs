//! Takes notifications out of the outbox and sends them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::ReceiverAnswer;
use super::config::Config;
use super::delivery::{Courier, SignedMessage};
use super::receiver::{ReceiverUrl, UrlError};
use super::secrets::{Secret, SecretsError, read_secrets};
use super::{payload, schedule, signature};
use crate::batch::queue::{Notification, NotificationId};
use crate::batch::{Batches, QueueError};
use crate::cache::DnsCache;
use crate::campaign::Callback;
use crate::campaign::preflight::Thresholds;
use crate::clock::Clock;
use crate::http_client::HttpClientError;

/// Tries at a time.
const AT_ONCE: usize = 16;

/// Time after which a notification that was taken out is due again, if nothing is heard of its
/// try: longer than a try takes.
const CLAIM: Duration = Duration::from_secs(60);

/// Longest time between two looks into the outbox; not a polling interval.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Shortest time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The callbacks of a service. Cheap to clone.
#[derive(Clone)]
pub struct Callbacks(Arc<CallbackParts>);

struct CallbackParts {
    batches: Batches,
    courier: Courier,
    config: Config,
    thresholds: Thresholds,
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// An error of a trial that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The service has no secret to sign with.
    #[error("{0}")]
    Secrets(String),
}

impl Callbacks {
    /// Begins to send what is in the outbox of `batches`, if the configuration names secrets.
    ///
    /// # Errors
    /// [`HttpClientError`].
    pub fn start(
        batches: Batches,
        domains: DnsCache,
        config: Config,
        thresholds: Thresholds,
        clock: Clock,
    ) -> Result<Self, HttpClientError> {
        let (networks, ca) = (config.allow_networks.clone(), config.ca.clone());
        let courier = Courier::new(domains, networks, ca.as_deref(), clock)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let callbacks = Self(Arc::new(CallbackParts {
            batches,
            courier,
            config,
            thresholds,
            clock,
            stop,
            tasks,
        }));
        if callbacks.0.config.secrets_files().next().is_some() {
            callbacks.0.tasks.spawn(callbacks.clone().run());
        }
        Ok(callbacks)
    }

    /// `true` if batches of this owner may have a callback: there are secrets to sign with.
    #[must_use]
    pub fn are_taken(&self, owner: &str) -> bool {
        self.0.config.secrets_of(owner).is_some()
    }

    /// The callback of those of this owner's batches that name none.
    #[must_use]
    pub fn standing_callback(&self, owner: &str) -> Option<Callback> {
        self.0.config.callback_of(owner)
    }

    /// Sends a trial to a URL, signed as callbacks of `owner` are; returns whether it was taken,
    /// and the receiver's answer in words.
    ///
    /// # Errors
    /// [`TestError`].
    pub async fn test(&self, owner: &str, url: &str) -> Result<(bool, String), TestError> {
        let url = ReceiverUrl::parse(url)?;
        let secrets = self.secrets(owner).await.map_err(TestError::Secrets)?;
        let now = self.0.clock.now();
        // Two trials of one second are two messages: a receiver passes over an id that it has seen.
        let id = format!("msg_test_{}", since_epoch(now).as_nanos());
        let message = signed(id, payload::trial(now), &secrets, now);
        let answer = self.0.courier.send(&url, message).await;
        let is_taken = matches!(answer, ReceiverAnswer::Status { code: 200..=299, .. });
        Ok((is_taken, answer.to_string()))
    }

    /// Sends a notification of `owner` again, now and with all its tries; `None` if there is none.
    ///
    /// # Errors
    /// As [`Outbox`](crate::batch::queue::Outbox).
    pub async fn resend(
        &self,
        owner: &str,
        id: &NotificationId,
    ) -> Result<Option<Notification>, QueueError> {
        let now = self.0.clock.now();
        let resent = self.0.batches.queue().resend_notification(owner, id, now).await?;
        self.0.batches.notify();
        Ok(resent)
    }

    /// Ends what runs. What was not answered is sent again by the next process.
    pub async fn drain(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn run(self) {
        let mut tries = JoinSet::new();
        while !self.0.stop.is_cancelled() {
            let seen = self.0.batches.version();
            // The queue may be away. What was claimed and is not tried is tried again later.
            let begun = self.0.stop.run_until_cancelled(self.begin_tries(&mut tries)).await;
            let next = match begun {
                None => break,
                Some(Ok(next)) => next,
                Some(Err(error)) => {
                    tracing::error!(%error, "no callbacks can be read; trying again");
                    None
                }
            };
            let longest = self.0.clock.now() + LONGEST_SLEEP;
            let until = self.0.clock.instant(next.unwrap_or(longest).min(longest));
            let is_full = tries.len() >= AT_ONCE;
            tokio::select! {
                () = self.0.stop.cancelled() => {}
                Some(_) = tries.join_next() => {}
                () = self.0.batches.changed_since(seen), if !is_full => {
                    // Batches under way change often.
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                () = tokio::time::sleep_until(until), if !is_full => {}
            }
        }
    }

    /// Begins as many tries as there is room for; returns when the next one is due.
    async fn begin_tries(&self, tries: &mut JoinSet<()>) -> Result<Option<SystemTime>, QueueError> {
        let outbox = self.0.batches.queue();
        let now = self.0.clock.now();
        let room = AT_ONCE.saturating_sub(tries.len());
        for notification in outbox.claim_notifications(room, now + CLAIM, now).await? {
            tries.spawn(self.clone().attempt(notification));
        }
        outbox.next_notification().await
    }

    /// One try.
    async fn attempt(self, notification: Notification) {
        let outbox = self.0.batches.queue();
        let id = notification.id.clone();
        // A batch that is gone took its notifications with it.
        let Ok(batch) = outbox.batch(&notification.batch).await else { return };
        let secrets = match self.secrets(&notification.owner).await {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(error, "callbacks cannot be signed; trying again in a minute");
                return;
            }
        };
        let (thresholds, config) = (&self.0.thresholds, &self.0.config);
        let event = (notification.event, notification.created_at);
        let body = payload::body(event, &batch, thresholds, &config.service_url);
        let message = signed(id.to_string(), body, &secrets, self.0.clock.now());
        let answer = match ReceiverUrl::parse(&notification.url) {
            Ok(url) => self.0.courier.send(&url, message).await,
            Err(error) => ReceiverAnswer::Failed(format!("the URL {error}")),
        };
        let report = schedule::report(&answer, notification.tries, self.0.clock.now());
        tracing::info!(callback = %id, result = report.result, "called back");
        if let Err(error) = outbox.report_try(&id, report).await {
            tracing::error!(callback = %id, %error, "the result of a callback was not kept");
        }
    }

    /// The secrets of this owner's callbacks, as they are now.
    async fn secrets(&self, owner: &str) -> Result<Vec<Secret>, String> {
        let file = self.0.config.secrets_of(owner).map(Path::to_owned);
        let file = file.ok_or("the service has no callbacks.secrets: callbacks are not taken")?;
        let read = tokio::task::spawn_blocking(move || secrets_in(&file)).await;
        read.unwrap_or_else(|_| Err("secrets of callbacks cannot be read".to_owned()))
    }
}

/// Everything for which this configuration could not be used, in words.
#[must_use]
pub fn problems(config: &Config) -> Vec<String> {
    let mut problems = config.key_problems();
    problems.extend(config.secrets_files().filter_map(|(setting, file)| {
        secrets_in(file).err().map(|error| format!("{setting}: {error}"))
    }));
    problems
}

/// The secrets in a file.
fn secrets_in(file: &Path) -> Result<Vec<Secret>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    read_secrets(&text).map_err(|error: SecretsError| named(&error))
}

fn signed(id: String, body: String, secrets: &[Secret], now: SystemTime) -> SignedMessage {
    let timestamp = seconds(now);
    let signature = signature::sign(secrets, &id, timestamp, body.as_bytes());
    SignedMessage { id, timestamp, signature, body }
}

fn seconds(at: SystemTime) -> u64 {
    since_epoch(at).as_secs()
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
