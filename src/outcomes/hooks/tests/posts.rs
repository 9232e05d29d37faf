//! Whole posts, up to the place where outcomes are kept.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::super::signing_certificates::SnsClient;
use super::super::used_tokens::SharedTokens;
use super::*;
use crate::http_client::HttpUrl;
use crate::outcomes::OutcomeKeeper;
use crate::outcomes::accuracy::{Accuracy, OutcomeTallies};
use crate::outcomes::store_error::OutcomeStoreError;

/// Keeps events in memory, unless it is away.
#[derive(Default)]
struct Keeper {
    kept: Mutex<Vec<OutcomeEvent>>,
    is_away: AtomicBool,
}

#[async_trait]
impl OutcomeKeeper for Keeper {
    async fn keep(
        &self,
        events: Vec<OutcomeEvent>,
        _: SystemTime,
    ) -> Result<Vec<AddedEvent>, OutcomeStoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(OutcomeStoreError::Stopped);
        }
        let mut kept = self.kept.lock();
        let keep = |event: OutcomeEvent| match kept.contains(&event) {
            true => AddedEvent::Repeated,
            false => {
                kept.push(event);
                AddedEvent::Taken
            }
        };
        Ok(events.into_iter().map(keep).collect())
    }

    async fn accuracy(&self, _: SystemTime) -> Result<Arc<Accuracy>, OutcomeStoreError> {
        Ok(Arc::new(Accuracy::from_tallies(&OutcomeTallies::default())))
    }
}

/// The beginning of certificates' paths that SNS does not have, and takes its time to say so.
const MADE_UP: &str = "/SimpleNotificationService-bad";

/// SNS, as far as a hook asks it.
#[derive(Default)]
struct Sns {
    asked: Mutex<Vec<String>>,
    is_away: AtomicBool,
}

#[async_trait]
impl SnsClient for Sns {
    async fn get(&self, url: &HttpUrl) -> Result<Vec<u8>, String> {
        self.asked.lock().push(url.path.clone());
        if url.path.starts_with(MADE_UP) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            return Err("it answered with 404".to_owned());
        }
        match self.is_away.load(Ordering::SeqCst) {
            true => Err("no connection".to_owned()),
            false => Ok(CERTIFICATE.as_bytes().to_vec()),
        }
    }
}

/// A hook, and what it reaches.
struct Bench {
    hook: Hook,
    keeper: Arc<Keeper>,
    intake: OutcomeIntake,
    folder: tempfile::TempDir,
    now: SystemTime,
}

impl Bench {
    fn new(
        service: MailService,
        secret: Option<&str>,
        change: impl FnOnce(&mut HookConfig),
    ) -> Self {
        Self::with_sns(service, secret, None, change)
    }

    fn with_sns(
        service: MailService,
        secret: Option<&str>,
        sns: Option<Arc<Sns>>,
        change: impl FnOnce(&mut HookConfig),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = secret.map(|secret| write(&folder, secret));
        let mut config = HookConfig {
            name: "h".to_owned(),
            service: Some(service),
            secret_file: file,
            ..HookConfig::default()
        };
        change(&mut config);
        assert_eq!(config.problems(), Vec::<String>::new());
        let sns = sns.map(|sns| sns as Arc<dyn SnsClient>);
        let hook = Hook::new(&config, sns, SharedTokens::default()).unwrap();
        let keeper = Arc::new(Keeper::default());
        let intake = OutcomeIntake::new(Arc::clone(&keeper) as _, &[]);
        Self { hook, keeper, intake, folder, now: at(NOW) }
    }

    async fn post(&self, headers: &HeaderMap, body: &str) -> Result<HookReceipt, HookError> {
        let taken = async {
            self.hook.check_head(headers, self.now).await?;
            let post = (headers, body.as_bytes());
            let post = self.hook.verify(post, Classifier::builtin(), self.now).await?;
            self.hook.keep(post, &self.intake, self.now).await
        };
        taken.await.inspect_err(|error| self.hook.note_failure(error))
    }

    fn kept(&self) -> Vec<String> {
        let kept = self.keeper.kept.lock();
        kept.iter().map(|event| format!("{} {}", event.source, event.kind.name())).collect()
    }

    fn count(&self, fate: &str) -> u64 {
        let posts = self.hook.posts.snapshot();
        posts.into_iter().find(|(name, _)| *name == fate).unwrap().1
    }
}

fn write(folder: &tempfile::TempDir, secret: &str) -> PathBuf {
    let file = folder.path().join("secret");
    std::fs::write(&file, secret).unwrap();
    file
}

fn taken(taken: u64, repeated: u64) -> HookReceipt {
    HookReceipt { taken, repeated, not_understood: Vec::new() }
}

#[tokio::test]
async fn a_post_is_kept_once_and_a_forged_one_never() {
    let bench = Bench::new(MailService::Mailgun, Some(MAILGUN_KEY), |_| {});
    let none = HeaderMap::new();
    let good = mailgun_post(SIGNED, MAILGUN_TOKEN, "signature", MAILGUN_SIGNATURE);
    assert_eq!(bench.post(&none, &good.to_string()).await.unwrap(), taken(1, 0));
    assert_eq!(bench.post(&none, &good.to_string()).await.unwrap(), taken(0, 1));
    // The signature of a post that was seen, beside other events.
    let mut forged = good.clone();
    forged["event-data"]["recipient"] = "sales@acme.test".into();
    let refused = bench.post(&none, &forged.to_string()).await.unwrap_err();
    assert!(matches!(refused, HookError::Refused(UsedToken)), "{refused}");
    assert!(matches!(bench.post(&none, "{").await, Err(HookError::NotJson)));
    assert_eq!(bench.kept(), ["mailgun complaint"]);
    assert_eq!((bench.count("taken"), bench.count("refused")), (2, 2));
    assert_eq!((bench.hook.taken.value(), bench.hook.repeated.value()), (1, 1));
}

#[tokio::test]
async fn a_post_that_could_not_be_kept_is_taken_when_it_comes_again_eight_hours_later() {
    let mut bench = Bench::new(MailService::Mailgun, Some(MAILGUN_KEY), |_| {});
    let good = mailgun_post(SIGNED, MAILGUN_TOKEN, "signature", MAILGUN_SIGNATURE).to_string();
    bench.keeper.is_away.store(true, Ordering::SeqCst);
    let refused = bench.post(&HeaderMap::new(), &good).await;
    assert!(matches!(refused, Err(HookError::Unkept(_))));
    bench.keeper.is_away.store(false, Ordering::SeqCst);
    bench.now += Duration::from_secs(8 * 60 * 60);
    assert_eq!(bench.post(&HeaderMap::new(), &good).await.unwrap(), taken(1, 0));
    assert_eq!((bench.count("failed"), bench.count("taken")), (1, 1));
}

#[tokio::test]
async fn a_signature_of_one_hook_does_not_open_another() {
    let [signature, time] = SENDGRID_HEADERS;
    let shown = headers(&[(signature, SENDGRID_SIGNATURE), (time, SIGNED)]);
    let hook = |key: &'static str| {
        Bench::new(MailService::SendGrid, None, |config| config.public_key = Some(key.to_owned()))
    };
    let (own, other) = (hook(SENDGRID_KEY), hook(OTHER_SENDGRID_KEY));
    assert_eq!(own.post(&shown, SENDGRID_BODY).await.unwrap(), taken(1, 0));
    assert!(other.post(&shown, SENDGRID_BODY).await.is_err());
    assert_eq!((own.kept(), other.kept()), (vec!["sendgrid gone".to_owned()], Vec::new()));
    let resend = Bench::new(MailService::Resend, Some(RESEND_SECRET), |_| {});
    assert!(resend.post(&shown, SENDGRID_BODY).await.is_err());
    let list =
        [("svix-id", "msg_1"), ("svix-timestamp", SIGNED), ("svix-signature", RESEND_SIGNATURE)];
    assert_eq!(resend.post(&headers(&list), RESEND_BODY).await.unwrap(), taken(1, 0));
    assert_eq!(resend.kept(), ["resend gone"]);
}

#[tokio::test]
async fn events_of_another_service_or_none_are_named_and_the_others_kept() {
    let bench = Bench::new(MailService::Brevo, Some("0123456789abcdef\n"), |_| {});
    let shown = headers(&[("authorization", "Bearer 0123456789abcdef")]);
    let body = r#"[{"event":"unsubscribed","email":"jane@acme.test","message-id":"<m1>"},
        {"RecordType":"SpamComplaint","Email":"jane@acme.test"}, 7,
        {"event":"opened","email":"jane@acme.test","message-id":"<m1>"},
        {"event":"spam","email":"nobody","message-id":"<m1>"}]"#;
    let receipt = bench.post(&shown, body).await.unwrap();
    let positions: Vec<usize> = receipt.not_understood.iter().map(|(at, _)| *at).collect();
    assert_eq!(positions, [1, 2], "an event of no interest is understood");
    assert_eq!(bench.kept(), ["brevo unsubscribed", "brevo complaint"]);
    assert_eq!(bench.count("not_understood"), 1);
    let refused = bench.post(&HeaderMap::new(), body).await;
    assert!(matches!(refused, Err(HookError::Refused(WrongCredentials))));
}

#[tokio::test]
async fn a_secret_is_read_again_and_a_file_without_one_changes_nothing() {
    let mut bench = Bench::new(MailService::Postmark, Some("the first one 16"), |_| {});
    let open = async |bench: &Bench, token: &str| {
        let shown = headers(&[("authorization", &format!("Bearer {token}"))]);
        bench.post(&shown, "{\"RecordType\":\"Open\"}").await.is_ok()
    };
    assert!(open(&bench, "the first one 16").await);
    write(&bench.folder, "the second one 7\n\n# from here on the old one\nthe first one 16\n");
    bench.now = at(NOW + 10);
    assert!(open(&bench, "the first one 16").await && open(&bench, "the second one 7").await);
    write(&bench.folder, "short");
    bench.now = at(NOW + 20);
    assert!(open(&bench, "the second one 7").await && !open(&bench, "short").await);
}

fn of_topic(config: &mut HookConfig) {
    config.topic = Some(TOPIC.to_owned());
}

#[tokio::test]
async fn the_certificate_of_sns_is_fetched_once() {
    let sns = Arc::new(Sns::default());
    let bench = Bench::with_sns(MailService::Ses, None, Some(Arc::clone(&sns)), of_topic);
    let none = HeaderMap::new();
    sns.is_away.store(true, Ordering::SeqCst);
    let failed = bench.post(&none, NOTIFICATION).await.unwrap_err();
    assert!(matches!(failed, HookError::Unreachable(_)), "{failed}");
    sns.is_away.store(false, Ordering::SeqCst);
    assert_eq!(bench.post(&none, NOTIFICATION).await.unwrap(), taken(1, 0));
    assert_eq!(bench.post(&none, NOTIFICATION).await.unwrap(), taken(0, 1));
    assert_eq!(sns.asked.lock().len(), 2);
    assert_eq!(bench.kept(), ["ses gone"]);
    // What is wrong without a look at the signature asks SNS for nothing.
    let url = "0123456789abcdef0123456789abcdef.pem";
    for (own, other) in [("123456789012", "210987654321"), (url, "x.pem"), ("\"2\"", "\"1\"")] {
        let refused = bench.post(&none, &NOTIFICATION.replace(own, other)).await;
        assert!(matches!(refused, Err(HookError::Refused(_))), "{other}");
    }
    assert_eq!(sns.asked.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn certificates_that_somebody_makes_up_do_not_keep_the_real_one_from_being_fetched() {
    let sns = Arc::new(Sns::default());
    let bench = Bench::with_sns(MailService::Ses, None, Some(Arc::clone(&sns)), of_topic);
    let none = HeaderMap::new();
    let made_up = (0..30)
        .map(|number| NOTIFICATION.replace("Service-0123", &format!("Service-bad{number:02}")));
    let made_up: Vec<String> = made_up.collect();
    let forged = made_up.iter().map(|post| bench.post(&none, post));
    let forged = futures_util::future::join_all(forged);
    let real = async {
        let taken = bench.post(&none, NOTIFICATION).await.unwrap();
        assert!(sns.asked.lock().len() > 4, "it waited for its turn");
        taken
    };
    let (forged, real) = tokio::join!(forged, real);
    assert!(forged.iter().all(|it| matches!(it, Err(HookError::Unreachable(_)))), "{forged:?}");
    assert_eq!(real, taken(1, 0));
}

#[tokio::test]
async fn a_body_that_is_not_verified_is_not_made_a_document() {
    let mailgun = Bench::new(MailService::Mailgun, Some(MAILGUN_KEY), |_| {});
    let sns = Bench::with_sns(MailService::Ses, None, None, of_topic);
    let none = HeaderMap::new();
    // What is wrong in itself is never met: nothing but the signature is read. A document of these
    // numbers could not be made.
    let large = "[[1e999]]";
    let unsigned = format!("{{\"event-data\":{large}}}");
    let refused = mailgun.post(&none, &unsigned).await;
    assert!(matches!(refused, Err(HookError::Refused(NoSignature))), "{refused:?}");
    let other_topic = format!("{{\"Type\":\"Notification\",\"TopicArn\":\"x\",\"x\":{large}}}");
    let refused = sns.post(&none, &other_topic).await;
    assert!(matches!(refused, Err(HookError::Refused(OtherTopic))), "{refused:?}");
    // Neither is what stands in the place of a text.
    let in_its_place = [
        format!("{{\"signature\":{large}}}"),
        format!("{{\"signature\":{{\"token\":\"t\",\"timestamp\":{large}}}}}"),
        "{\"signature\":{\"token\":{}}}".to_owned(),
    ];
    for body in in_its_place {
        let refused = mailgun.post(&none, &body).await;
        assert!(matches!(refused, Err(HookError::Refused(NoSignature))), "{body}: {refused:?}");
    }
    let refused = sns.post(&none, &format!("{{\"Type\":{large}}}")).await;
    assert!(matches!(refused, Err(HookError::Refused(NotFromSns))), "{refused:?}");
}

#[tokio::test]
async fn a_token_of_mailgun_counts_for_one_body_at_all_hooks_together() {
    let mut own = Bench::new(MailService::Mailgun, Some(MAILGUN_KEY), |_| {});
    let mut other = Bench::new(MailService::Mailgun, Some(MAILGUN_KEY), |_| {});
    let used = SharedTokens::default();
    (own.hook.used, other.hook.used) = (used.clone(), used);
    let good = mailgun_post(SIGNED, MAILGUN_TOKEN, "signature", MAILGUN_SIGNATURE).to_string();
    let none = HeaderMap::new();
    assert_eq!(own.post(&none, &good).await.unwrap(), taken(1, 0));
    let forged = other.post(&none, &good.replace("jane@", "sales@")).await;
    assert!(matches!(forged, Err(HookError::Refused(UsedToken))), "{forged:?}");
}

#[tokio::test]
async fn a_subscription_is_confirmed_only_if_that_is_configured() {
    for confirms in [false, true] {
        let sns = Arc::new(Sns::default());
        let bench = Bench::with_sns(MailService::Ses, None, Some(Arc::clone(&sns)), |config| {
            of_topic(config);
            config.confirm_subscription = confirms;
        });
        let none = HeaderMap::new();
        assert_eq!(bench.post(&none, CONFIRMATION).await.unwrap(), taken(0, 0));
        let visited = sns.asked.lock().iter().any(|path| path.contains("ConfirmSubscription"));
        assert_eq!(visited, confirms);
        let forged = CONFIRMATION.replace("Token=2336412f37", "Token=00");
        assert!(bench.post(&none, &forged).await.is_err());
        assert_eq!((bench.count("subscription"), bench.count("refused")), (1, 1));
    }
}

#[test]
fn settings_that_could_not_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let secret = write(&folder, "short\n");
    let hook = |name: &str, service| HookConfig {
        name: name.to_owned(),
        service,
        ..HookConfig::default()
    };
    let with_file = |name: &str, service| HookConfig {
        secret_file: Some(secret.clone()),
        ..hook(name, Some(service))
    };
    let whole = folder.path().join("whole");
    std::fs::write(&whole, MAILGUN_KEY).unwrap();
    let good = |name: &str| HookConfig {
        secret_file: Some(whole.clone()),
        ..hook(name, Some(MailService::Mailgun))
    };
    let hooks = [
        hook("a/b", None),
        hook("mailgun", Some(MailService::Mailgun)),
        with_file("sendgrid", MailService::SendGrid),
        HookConfig { public_key: Some("x".to_owned()), ..hook("key", Some(MailService::SendGrid)) },
        HookConfig { topic: Some("x".to_owned()), ..hook("ses", Some(MailService::Ses)) },
        with_file("short", MailService::SparkPost),
        with_file("resend", MailService::Resend),
        with_file("cut-off", MailService::Mailgun),
        HookConfig { tolerance: Some(Duration::ZERO), ..good("good") },
        HookConfig { tolerance: Some(Duration::from_secs(10)), ..good("good") },
        HookConfig {
            service: Some(MailService::Brevo),
            tolerance: Some(Duration::from_secs(60)),
            ..good("brevo")
        },
    ];
    let found = hook_problems(&hooks, false).join("\n");
    for wanted in [
        "set server.http.enabled to true",
        "(a/b): name: write letters",
        "(a/b): service is missing",
        "(mailgun): secret_file is missing",
        "(sendgrid): secret_file is not for this service",
        "(sendgrid): public_key is missing",
        "(key): public_key is no verification key",
        "(ses): topic is no ARN",
        "secret: a token in it has fewer than 16 characters",
        "secret: line 1 is no secret: write whsec_",
        "secret: a signing key in it has fewer than 16 characters",
        "(good): tolerance is less than 10 seconds",
        "(good): this name is there twice",
        "(brevo): tolerance is not for this service",
    ] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    assert_eq!(hook_problems(&hooks[9..10], true), Vec::<String>::new());
    assert!(!found.contains("short\n"), "no secret is shown: {found}");
}
