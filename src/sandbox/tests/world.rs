//! The built-in world, and what a world may not be.

use std::collections::BTreeSet;

use super::*;

/// Every verdict and reason that a mail world can show: not those of earlier mail.
const REASONS: [(&str, &[&str]); 4] = [
    ("DELIVERABLE", &["MAILBOX_ACCEPTED", "ROLE_ACCOUNT", "CATCH_ALL_UNTESTED"]),
    ("RISKY", &["CATCH_ALL", "MAILBOX_FULL", "DISPOSABLE_DOMAIN"]),
    (
        "UNDELIVERABLE",
        &[
            "INVALID_SYNTAX",
            "DOMAIN_NOT_FOUND",
            "NO_MAIL_HOST",
            "NULL_MX",
            "MAILBOX_NOT_FOUND",
            "MAILBOX_DISABLED",
            "RELAY_DENIED",
            "PROVIDER_RULE",
        ],
    ),
    (
        "UNKNOWN",
        &[
            "GREYLISTED",
            "RATE_LIMITED",
            "SENDER_BLOCKED",
            "TEMPORARY_FAILURE",
            "MAILBOX_BUSY",
            "NO_CONNECTION",
            "TIMEOUT",
            "DNS_FAILURE",
            "TLS_REQUIRED",
            "SMTPUTF8_UNSUPPORTED",
            "POLICY_REFUSAL",
            "PROTOCOL_ERROR",
            "TARGET_REFUSED",
            "NOT_PROBED",
        ],
    ),
];

#[test]
fn the_built_in_world_has_one_sample_for_every_reason() {
    let world = World::built_in().unwrap();
    let found: Vec<_> =
        world.samples().iter().map(|s| (s.verdict.as_str(), s.reason.as_str())).collect();
    let all: Vec<_> = REASONS
        .iter()
        .flat_map(|(verdict, reasons)| reasons.iter().map(move |r| (*verdict, *r)))
        .collect();
    assert_eq!(found, all);
    let addresses: BTreeSet<_> = world.samples().iter().map(|s| &s.address).collect();
    assert_eq!(addresses.len(), all.len());
}

#[tokio::test]
async fn the_built_in_world_answers_its_samples_as_it_says() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    for (host, recipient, expected) in [
        ("mx1.acme.test", "jane.doe@acme.test", "250 2.1.5"),
        ("mx2.acme.test", "sales@acme.test", "250 2.1.5"),
        ("mx1.acme.test", "nobody@acme.test", "550 5.1.1"),
        ("gmail-smtp-in.l.google.com", "Jane.Doe.Acme+tag@gmail.com", "250 2.1.5"),
        ("gmail-smtp-in.l.google.com", "nobody@googlemail.com", "550-5.1.1"),
        ("mx.catch-all.test", "q7x@catch-all.test", "250 Accep"),
        ("mx.mailbox-full.test", "jane@mailbox-full.test", "452 4.2.2"),
        ("mail.mailinator.com", "jane@mailinator.com", "250 2.1.5"),
        ("mail.mailinator.com", "q7x@mailinator.com", "550 5.1.1"),
        ("mx.mailbox-disabled.test", "jane@mailbox-disabled.test", "550 5.2.1"),
        ("mx.relay-denied.test", "jane@relay-denied.test", "554 5.7.1"),
        ("mx.greylisted.test", "jane@greylisted.test", "450 4.2.0"),
        ("mx.rate-limited.test", "jane@rate-limited.test", "450 4.7.1"),
        ("mx.blocked-at-rcpt.test", "jane@blocked-at-rcpt.test", "554 5.7.1"),
        ("mx.temporary-failure.test", "jane@temporary-failure.test", "451 4.3.0"),
        ("mx.mailbox-busy.test", "jane@mailbox-busy.test", "450 4.2.1"),
        ("mx.policy-refusal.test", "jane@policy-refusal.test", "554 5.7.1"),
        ("implicit-mx.test", "jane@implicit-mx.test", "250 2.1.5"),
        ("mx1.acme.test", "jane@alias.test", "250 2.1.5"),
        ("mx1.acme.test", "jane@mx-alias.test", "250 2.1.5"),
        ("mx.impatient.test", "jane7@impatient.test", "250 2.1.5"),
    ] {
        let mut client = Client::open(&sandbox, host).await;
        assert!(client.reply().await.starts_with("220"), "{host}");
        client.ask("EHLO client.test").await;
        assert_eq!(client.probe(recipient).await, expected, "{recipient}");
    }
    let mut blocked = Client::open(&sandbox, "mx.sender-blocked.test").await;
    assert!(blocked.reply().await.starts_with("554 5.7.1"));
    sandbox.shutdown().await;
}

#[test]
fn every_demo_address_is_of_a_domain_that_the_world_knows_or_is_missing_on_purpose() {
    let world = World::built_in().unwrap();
    let missing = ["gmial.com", "no-such-domain.test"];
    assert!((25..=30).contains(&world.demo().len()));
    for address in world.demo() {
        let (_, domain) = mailboxes::split(address);
        let name = DomainName::from_ascii(&domain);
        let known = world.names.contains_key(&name) || world.exchangers.contains_key(&name);
        assert_eq!(known, !missing.contains(&&*domain), "{address}");
    }
}

#[test]
fn every_mx_of_the_built_in_world_leads_somewhere_or_nowhere_on_purpose() {
    let world = World::built_in().unwrap();
    let on_purpose = ["", "192.0.2.1", "nowhere.mx-missing.test"];
    for (domain, name) in &world.names {
        for mx in &name.mx {
            let known =
                world.exchangers.contains_key(&mx.host) || world.names.contains_key(&mx.host);
            assert!(known || on_purpose.contains(&mx.host.as_str()), "{domain}: {mx:?}");
        }
    }
}

#[test]
fn a_world_that_cannot_be_used_is_refused_with_the_entry_and_the_reason() {
    for (text, parts) in [
        ("colour = 1", &["colour"][..]),
        ("[names.\"a.test\"]\nmxx = []", &["mxx", "line 2"]),
        ("[names.\"a.test\"]\nmx = [\"mx.a.test\"]", &["mx.a.test", "10 mx.example.test"]),
        ("[names.\"bücher.test\"]", &["bücher.test", "A-label"]),
        ("[names.\"a..test\"]", &["a..test"]),
        ("[exchangers.\"mx.a.test\"]\ncolour = 1", &["mx.a.test", "colour"]),
        ("[exchangers.\"mx.a.test\"]\nstyle = \"x\"\n[styles.y]", &["mx.a.test", "\"x\"", "y"]),
        (
            "[exchangers.\"mx.a.test\"]\nwords = { banner = \"hi\" }",
            &["mx.a.test", "\"hi\"", "words.banner"],
        ),
        ("[exchangers.\"mx.a.test\"]\naddresses = 0", &["mx.a.test", "1 to 16"]),
        (
            "[[generated]]\ndomain = \"d.test\"\ndomains = 1\nhost = \"mx{n}.test\"\nhosts = 1",
            &["d.test", "{n}"],
        ),
        (
            "[[generated]]\ndomain = \"d{n}.test\"\ndomains = 1\nhost = \"mx{n}.test\"\nhosts = 0",
            &["mx0.test", "1 to 65536"],
        ),
    ] {
        let error = World::from_toml(text).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{text}\n-> {error}");
    }
}

#[test]
fn a_style_is_merged_key_by_key() {
    let world = World::from_toml(
        "[styles.s]\nsmtputf8 = true\n[styles.s.words]\nbye = \"221 s\"\nok = \"250 s\"\n\
         [exchangers.\"mx.a.test\"]\nstyle = \"s\"\n[exchangers.\"mx.a.test\".words]\nbye = \"221 own\"",
    )
    .unwrap();
    let exchanger = &world.exchangers[&DomainName::from_ascii("mx.a.test")];
    assert!(exchanger.smtputf8);
    assert_eq!(exchanger.words.bye, ReplyTemplate::new(221, "own"));
    assert_eq!(exchanger.words.ok, ReplyTemplate::new(250, "s"));
}

#[tokio::test]
async fn a_world_can_be_built_without_toml() {
    let jane = [("jane".to_owned(), RecipientReply::Accept)].into();
    let exchanger = ExchangerSpec { recipients: jane, ..ExchangerSpec::default() };
    let world = World::empty()
        .with_name("a.test", NameRecords::with_mx(&["mx.a.test"]))
        .with_exchanger("mx.a.test", exchanger);
    let sandbox = Sandbox::start(world).await.unwrap();
    assert_eq!(Client::ready(&sandbox).await.probe("jane@a.test").await, "250 2.1.5");
    assert!(sandbox.network().contains(&sandbox.exchanger("mx.a.test").unwrap().ip()));
}

#[tokio::test]
async fn generated_domains_are_spread_over_generated_exchangers() {
    let sandbox = sandbox(
        "[[generated]]\ndomain = \"d{n}.bench.test\"\ndomains = 30000\n\
         host = \"mx.e{n}.test\"\nhosts = 300\nexchanger.recipients.\"u*\" = \"accept\"",
    )
    .await;
    let mut client = Client::open(&sandbox, "mx.e7.test").await;
    client.reply().await;
    client.ask("EHLO client.test").await;
    assert_eq!(client.probe("u1@d307.bench.test").await, "250 2.1.5");
    assert_eq!(client.probe("x1@d307.bench.test").await, "550 5.1.1");
    assert_eq!(client.probe("u1@d308.bench.test").await, "554 5.7.1");
    assert_eq!(client.probe("u1@d30007.bench.test").await, "554 5.7.1");
    assert_eq!(sandbox.counts().exchangers.len(), 300);
}

#[tokio::test]
async fn a_place_can_be_chosen() {
    let first = one("").await;
    let IpNet::V4(network) = first.network() else { panic!("not v4") };
    let port = first.smtp_port();
    first.shutdown().await;
    let place = Placement { smtp_port: Some(port), network: Some(network), ..Placement::default() };
    let world = || World::empty().with_exchanger("mx.a.test", ExchangerSpec::default());
    let second = Sandbox::start_at(world(), place.clone()).await.unwrap();
    assert_eq!((second.smtp_port(), second.network()), (port, IpNet::V4(network)));
    let taken = Sandbox::start_at(world(), place).await.unwrap_err().to_string();
    assert!(taken.contains(&port.to_string()), "{taken}");
}
