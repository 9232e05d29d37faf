//! The doctor in the sandbox's world: each check seen well and seen ill, over real sockets.

mod names;
mod network;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailvet::clock::Clock;
use mailvet::config::Config;
use mailvet::doctor::config::PublicAddresses;
use mailvet::doctor::name::ConfiguredName;
use mailvet::doctor::{Diagnosis, Doctor, Report, Status};
use mailvet::egress::EgressIdentity;
use mailvet::sandbox::{
    ExchangerSpec, NameRecords, QueryFailure, QueryType, ReplyTemplate, Sandbox, SandboxCounts,
    World,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use Status::{Fail, Pass, Skipped, Warn};

fn world() -> World {
    World::built_in().unwrap()
}

/// A report on this world, with the configuration that `--sandbox` makes, changed by `change`; and
/// what the world counted.
async fn examine(world: World, change: impl FnOnce(&mut Config)) -> (Report, SandboxCounts) {
    let sandbox = Sandbox::start(world).await.unwrap();
    let mut config = Config::default();
    mailvet::cli::sandboxed(&mut config, &sandbox);
    mailvet::cli::sandboxed_doctor(&mut config).unwrap();
    change(&mut config);
    let Config { doctor, smtp, prober, dns, .. } = config;
    let report =
        Doctor::new(doctor, smtp, &prober.identities, dns, Clock::start()).examine().await.unwrap();
    let counts = sandbox.counts();
    sandbox.shutdown().await;
    (report, counts)
}

fn names(names: &[&str]) -> Vec<ConfiguredName> {
    names.iter().map(|name| ConfiguredName::try_from((*name).to_owned()).unwrap()).collect()
}

/// The findings of one check about one identity (`""` for the host), by a part of their subject.
fn found<'a>(report: &'a Report, identity: &str, id: &str, subject: &str) -> Vec<&'a Diagnosis> {
    let is_about = |finding: &&Diagnosis| {
        finding.id == id
            && finding.identity.as_deref().unwrap_or_default() == identity
            && finding.subject.as_deref().unwrap_or_default().contains(subject)
    };
    report.findings.iter().filter(is_about).collect()
}

#[track_caller]
fn assert_found(
    report: &Report,
    (identity, id, subject): (&str, &str, &str),
    status: Status,
    words: &str,
) {
    let findings = found(report, identity, id, subject);
    let hit = findings.iter().any(|f| f.status == status && f.seen.contains(words));
    assert!(hit, "{identity} {id} {subject} is not {status:?} with {words:?}: {findings:#?}");
}

#[tokio::test]
async fn a_well_kept_identity_passes_and_a_neglected_one_fails_with_advice() {
    let (report, _) = examine(world(), |_| {}).await;
    let well_kept = report.findings.iter().filter(|f| f.identity.as_deref() != Some("neglected"));
    for finding in well_kept {
        let cannot_be_told = ["port_25_ipv6", "blocklist"].contains(&finding.id);
        let fine = finding.status == Pass || (finding.status == Skipped && cannot_be_told);
        assert!(fine, "{finding:#?}");
    }
    let kept = |id, subject, status, words| {
        assert_found(&report, ("well-kept", id, subject), status, words);
    };
    kept("reverse_dns", "2001:db8::25", Pass, "probe.mailvet.test, which leads back");
    kept("spf", "192.0.2.25 for mailvet.test", Pass, "include:_spf.mailvet.test");
    kept("spf", "2001:db8::25 for mailvet.test", Pass, "include:_spf.mailvet.test");
    kept("spf", "192.0.2.25 for probe.mailvet.test", Pass, "\"a\"");
    kept("blocklist", "2001:db8::25 at zen.sandbox.test", Pass, "not listed");
    kept("blocklist", "192.0.2.25 at refusing.", Skipped, "does not mean listed");
    kept("blocklist", "192.0.2.25 at mute.", Skipped, "does not show its test entry");
    kept("blocklist", "192.0.2.25 at bl.sandbox.test", Skipped, "lists everybody");

    let neglected = |id, subject, status, words| {
        assert_found(&report, ("neglected", id, subject), status, words);
    };
    neglected("port_25_ipv4", "", Pass, "reached");
    neglected("helo_name", "", Fail, "mailer is not a full domain name");
    neglected("reverse_dns", "198.51.100.66", Fail, "host-66.dynamic.isp.test does not lead back");
    neglected("helo_matches", "198.51.100.66", Skipped, "no full host name");
    neglected("spf", "198.51.100.66 for neglected.test", Fail, "\"-all\" of neglected.test");
    neglected("sender_mail", "neglected.test", Fail, "null MX");
    neglected("sender_dmarc", "neglected.test", Warn, "no DMARC policy");
    neglected("blocklist", "at zen.sandbox.test", Fail, "XBL: an infected machine (127.0.0.4)");
    neglected("blocklist", "at psbl.sandbox.test", Warn, "it says \"mailed a spam trap\"");
    neglected("blocklist", "at refusing.sandbox.test", Skipped, "does not mean listed");
    for finding in &report.findings {
        let ill = matches!(finding.status, Warn | Fail);
        assert_eq!(ill, !finding.meaning.is_empty(), "{finding:#?}");
        assert!(!ill || !finding.remedy.is_empty(), "{finding:#?}");
    }
    assert_eq!(report.status(), Fail);
}

#[tokio::test]
async fn exchangers_hear_quit_and_nothing_else() {
    let (_, counts) = examine(world(), |_| {}).await;
    let total = counts.total();
    assert_eq!((total.connections, total.quit), (8, 8), "two identities, four domains");
    assert_eq!((total.mail, total.rcpt, total.rset, total.violations), (0, 0, 0, 0));
    assert_eq!((total.flights, total.early_talkers), (8, 0), "one flight each, after the banner");
}
