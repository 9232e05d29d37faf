//! What mailvet makes of servers that no one here wrote, from the address to the verdict.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use mailvet::app::App;
use mailvet::config::Config;
use mailvet::smtp::AllowedNetworks;
use mailvet::verdict::{Action, CatchAll, Reason, Verdict};
use mailvet::verifier::{Depth, Options, Subject, Verification};

use crate::harness::{
    Dns, Exim, OpenSmtpd, Postfix, Postgrey, in_a_network_of_its_own, next_address,
};

/// mailvet, with its mail world behind `dns`.
pub(crate) struct Mailvet {
    app: App,
    _dns: Dns,
}

impl Mailvet {
    /// Looks at domains whose exchangers are these servers, all on one port.
    pub(crate) async fn looking_at(domains: &[(&str, SocketAddr)]) -> Self {
        Self::with(domains, |_| {}).await
    }

    pub(crate) async fn with(
        domains: &[(&str, SocketAddr)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let dns = domains
            .iter()
            .fold(Dns::builder(), |dns, (domain, exchanger)| dns.mail(domain, *exchanger));
        let dns = dns.start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let mut config = Config::default();
        config.dns.nameservers = vec![dns.address];
        config.smtp.port = domains[0].1.port();
        config.smtp.allow_networks =
            AllowedNetworks::new([AllowedNetworks::parse("127.0.0.0/8").unwrap()]);
        config.smtp.helo_name = "client.mailvet.test".parse().ok();
        change(&mut config);
        Self { app: App::build(config).unwrap(), _dns: dns }
    }

    pub(crate) async fn vet(&self, address: &str) -> Verification {
        self.vet_within(address, Duration::from_secs(60)).await
    }

    /// As a caller that wants an answer within `limit`, and not "come again" put off.
    pub(crate) async fn vet_within(&self, address: &str, limit: Duration) -> Verification {
        self.vet_all(&[address], limit, Duration::ZERO).await.remove(0)
    }

    /// All at once, by callers that want an answer within `limit`; what says "not now" is asked
    /// again for `retry_window`.
    pub(crate) async fn vet_all(
        &self,
        addresses: &[impl AsRef<str>],
        limit: Duration,
        retry_window: Duration,
    ) -> Vec<Verification> {
        let now = self.app.clock.now();
        let options = Options {
            depth: Depth::Mailbox,
            max_age: None,
            test_catch_all: true,
            transcript: false,
            deadline: now + limit,
            retry_until: now + retry_window,
            registration: false,
            registration_wait: Duration::ZERO,
            consented_at: None,
        };
        let verifier = &self.app.verifier;
        join_all(
            addresses
                .iter()
                .map(|address| verifier.verify_with(Subject::parse(address.as_ref()), &options)),
        )
        .await
    }

    /// Ends all sessions.
    pub(crate) async fn drain(&self) {
        self.app.drain().await;
    }

    pub(crate) async fn reason(&self, address: &str) -> Reason {
        self.vet(address).await.judgement.reason
    }
}

#[tokio::test]
async fn postfix_mailboxes_get_their_verdicts() {
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .catch_all("all.test")
        .recipient_access("full@a.test", "452 4.2.2 The mailbox is over its quota")
        .recipient_access("gone@a.test", "550 5.2.1 This mailbox is disabled")
        .recipient_access("bare@a.test", "550 No such user here")
        .start()
        .await;
    let domains = ["a.test", "all.test", "elsewhere.test"].map(|d| (d, server.address));
    let mailvet = Mailvet::looking_at(&domains).await;
    let ok = mailvet.vet("ok@a.test").await.judgement;
    assert_eq!((ok.verdict, ok.catch_all), (Verdict::Deliverable, CatchAll::No), "{ok:?}");
    let no = mailvet.vet("no@a.test").await;
    assert_eq!(no.judgement.reason, Reason::MailboxNotFound, "{no:?}");
    assert_eq!(no.evidence.reply.unwrap().code, 550);
    assert_eq!(mailvet.reason("anything@all.test").await, Reason::CatchAll);
    assert_eq!(mailvet.reason("full@a.test").await, Reason::MailboxFull);
    assert_eq!(mailvet.reason("gone@a.test").await, Reason::MailboxDisabled);
    assert_eq!(mailvet.reason("bare@a.test").await, Reason::MailboxNotFound, "despite its 5.7.1");
    assert_eq!(mailvet.reason("ok@elsewhere.test").await, Reason::RelayDenied);
}

#[tokio::test]
async fn what_the_next_server_said_counts_when_the_gateway_makes_it_its_own_answer() {
    let next = Postfix::builder().mailbox("ok@v.test").start().await;
    let gateway = Postfix::builder()
        .relay_to("v.test", next.address)
        .setting("unverified_recipient_reject_code", "550")
        // It does not wait for the probe: the first answer is that it has none yet.
        .setting("address_verify_poll_count", "1")
        .start()
        .await;
    let domains = [("v.test", gateway.address)];
    let mailvet = Mailvet::with(&domains, |config| {
        config.prober.pacing.temporary_wait = Duration::from_secs(2);
    })
    .await;
    let limit = Duration::from_secs(60);
    let verifications = mailvet.vet_all(&["ok@v.test", "no@v.test"], limit, limit).await;
    let reasons: Vec<Reason> = verifications.iter().map(|v| v.judgement.reason).collect();
    assert_eq!(reasons, [Reason::MailboxAccepted, Reason::MailboxNotFound], "{verifications:?}");
    let reply = verifications[1].evidence.reply.as_ref().unwrap();
    assert_eq!(reply.code, 550);
    assert!(reply.text().contains("said: 550 5.1.1"), "the next server's own words: {reply:?}");
    gateway.has_logged("Address verification in progress").await;
}

#[tokio::test]
async fn what_another_product_said_to_the_gateway_is_read_as_if_it_were_said_to_us() {
    let next =
        Exim::builder().mailbox("ok@v.test").rcpt_acl("  deny local_parts = ok").start().await;
    let gateway = Postfix::builder()
        .relay_to("v.test", next.address)
        .setting("unverified_recipient_reject_code", "550")
        .start()
        .await;
    let mailvet = Mailvet::looking_at(&[("v.test", gateway.address)]).await;
    let no = mailvet.vet("no@v.test").await;
    assert_eq!(no.judgement.reason, Reason::MailboxNotFound, "Unrouteable address: {no:?}");
    let ok = mailvet.vet("ok@v.test").await;
    assert_eq!(ok.judgement.reason, Reason::PolicyRefusal, "Administrative prohibition: {ok:?}");
}

#[tokio::test]
async fn what_the_next_server_said_behind_a_450_is_told_and_condemns_nobody() {
    let next = Postfix::builder().mailbox("ok@v.test").start().await;
    let gateway = Postfix::builder().relay_to("v.test", next.address).start().await;
    let mailvet = Mailvet::looking_at(&[("v.test", gateway.address)]).await;
    let v = mailvet.vet("no@v.test").await;
    // RFC 5321 section 4.2.1: the gateway itself says that it may change its mind.
    assert_eq!(v.judgement.verdict, Verdict::Unknown, "{v:?}");
    assert_eq!(v.judgement.reason, Reason::TemporaryFailure, "{v:?}");
    assert_eq!(v.judgement.action, Action::RetryLater);
    assert_eq!(v.evidence.reply.as_ref().unwrap().code, 450);
    assert_eq!(v.evidence.rule.as_deref(), Some("unverified-said-no"));
}

#[tokio::test]
async fn a_policy_that_says_not_now_in_words_that_nobody_knows_is_asked_again() {
    let server = Postfix::builder()
        .recipient_access("ok@a.test", "451 4.7.1 Bitte in 300 Sekunden")
        .start()
        .await;
    let mailvet = Mailvet::looking_at(&[("a.test", server.address)]).await;
    let v = mailvet.vet_within("ok@a.test", Duration::from_secs(10)).await;
    assert_eq!(v.judgement.reason, Reason::TemporaryFailure, "{v:?}");
    assert_eq!(v.judgement.action, Action::RetryLater);
}

#[tokio::test]
async fn a_server_that_cannot_look_its_clients_up_has_not_blocked_us() {
    let policy = format!("check_policy_service inet:{}", next_address());
    let server = Postfix::builder()
        .mailbox("ok@a.test")
        .setting("smtpd_client_restrictions", &policy)
        .setting("smtpd_policy_service_retry_delay", "1s")
        .start()
        .await;
    let mailvet = Mailvet::looking_at(&[("a.test", server.address)]).await;
    let v = mailvet.vet_within("ok@a.test", Duration::from_secs(30)).await;
    assert_eq!(v.judgement.reason, Reason::TemporaryFailure, "{v:?}");
    assert_eq!(v.judgement.action, Action::RetryLater);
}

#[tokio::test]
async fn a_postfix_that_requires_tls_gets_tls_and_gives_its_verdict() {
    let server = Postfix::builder().mailbox("ok@a.test").require_starttls().start().await;
    let mailvet = Mailvet::looking_at(&[("a.test", server.address)]).await;
    let ok = mailvet.vet("ok@a.test").await;
    assert_eq!(ok.judgement.reason, Reason::MailboxAccepted, "{ok:?}");
    assert_eq!(mailvet.reason("no@a.test").await, Reason::MailboxNotFound);
    server.has_logged("starttls=1").await;
}

#[tokio::test]
async fn greylisting_by_postgrey_is_not_a_missing_mailbox() {
    let grey = Postgrey::start(Duration::from_secs(300)).await;
    let server =
        Postfix::builder().mailbox("ok@a.test").restriction(&grey.restriction()).start().await;
    let mailvet = Mailvet::looking_at(&[("a.test", server.address)]).await;
    for address in ["ok@a.test", "no@a.test"] {
        let v = mailvet.vet_within(address, Duration::from_secs(10)).await;
        assert_eq!(v.judgement.reason, Reason::Greylisted, "{v:?}");
        assert_eq!(v.judgement.action, Action::RetryLater);
        let wait = v.judgement.retry_after.unwrap();
        assert!(wait >= Duration::from_secs(290), "postgrey says when: {wait:?}");
    }
}

#[test]
fn a_dns_blocklist_is_about_us() {
    in_a_network_of_its_own("verdicts::a_dns_blocklist_is_about_us", async {
        let resolver = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
        let list = Dns::builder().blocked("zen.test", Ipv4Addr::LOCALHOST, "Listed");
        let _list = list.start(resolver).await;
        let server = Postfix::builder()
            .mailbox("ok@a.test")
            .restriction("reject_rbl_client zen.test")
            .start()
            .await;
        let mailvet = Mailvet::looking_at(&[("a.test", server.address)]).await;
        for address in ["ok@a.test", "no@a.test"] {
            let v = mailvet.vet(address).await;
            assert_eq!(v.judgement.reason, Reason::SenderBlocked, "{v:?}");
            assert_eq!(v.judgement.verdict, Verdict::Unknown);
        }
    });
}

#[tokio::test]
async fn what_postfix_says_about_us_is_never_about_the_mailbox() {
    for (name, value, expected) in [
        ("smtpd_recipient_restrictions", "reject", Reason::PolicyRefusal),
        ("smtpd_recipient_restrictions", "defer", Reason::TemporaryFailure),
        ("smtpd_client_restrictions", "reject", Reason::SenderBlocked),
        ("virtual_mailbox_maps", "texthash:/nowhere/mailboxes", Reason::TemporaryFailure),
    ] {
        let server = Postfix::builder().mailbox("ok@a.test").setting(name, value).start().await;
        let mailvet = Mailvet::looking_at(&[("a.test", server.address)]).await;
        let v = mailvet.vet_within("no@a.test", Duration::from_secs(5)).await;
        assert_eq!(v.judgement.verdict, Verdict::Unknown, "{name} = {value}: {v:?}");
        assert_eq!(v.judgement.reason, expected, "{name} = {value}: {v:?}");
    }
}

#[tokio::test]
async fn exim_and_opensmtpd_mailboxes_get_their_verdicts() {
    let exim = Exim::builder().mailbox("ok@a.test").catch_all("all.test").start().await;
    let open = OpenSmtpd::builder().mailbox("ok@b.test").catch_all("any.test").start().await;
    let domains = [
        ("a.test", exim.address),
        ("all.test", exim.address),
        ("elsewhere.test", exim.address),
        ("b.test", open.address),
        ("any.test", open.address),
    ];
    let mailvet = Mailvet::looking_at(&domains).await;
    for (address, expected) in [
        ("ok@a.test", Reason::MailboxAccepted),
        ("no@a.test", Reason::MailboxNotFound),
        ("anything@all.test", Reason::CatchAll),
        ("ok@elsewhere.test", Reason::RelayDenied),
        ("ok@b.test", Reason::MailboxAccepted),
        ("no@b.test", Reason::MailboxNotFound),
        ("anything@any.test", Reason::CatchAll),
    ] {
        let v = mailvet.vet(address).await;
        assert_eq!(v.judgement.reason, expected, "{address}: {v:?}");
    }
}

#[tokio::test]
async fn exim_answers_about_many_domains_and_hangs_up_at_most_where_it_hides_its_name() {
    for (banner, is_hidden) in [("mx ESMTP Exim", false), ("mx ESMTP", true)] {
        let names: Vec<String> = (0..30).map(|n| format!("d{n}.test")).collect();
        let addresses: Vec<String> = names.iter().map(|name| format!("ok@{name}")).collect();
        let exim = addresses.iter().fold(Exim::builder(), |exim, address| exim.mailbox(address));
        let exim = exim.main(&format!("smtp_banner = {banner}")).start().await;
        let domains: Vec<_> = names.iter().map(|name| (name.as_str(), exim.address)).collect();
        let mailvet = Mailvet::looking_at(&domains).await;
        let limit = Duration::from_secs(60);
        for v in mailvet.vet_all(&addresses, limit, limit).await {
            assert_eq!(v.judgement.reason, Reason::MailboxAccepted, "{banner}: {v:?}");
        }
        mailvet.drain().await;
        let log = exim.log();
        // Several sessions at a time may each stay below its limit.
        let drops = log.contains("dropped: too many nonmail commands");
        assert!(is_hidden || !drops, "{banner}: {log}");
    }
}
