//! Lists as they are met.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::campaign::calibration::PastSend;
use crate::campaign::preflight::{PercentRange, Share, Thresholds};
use crate::campaign::{Preflight, Progress, SendPolicy, State};
use crate::report::{
    AccuracySummary, FlagCounts, GroupCounts, KindAccuracy, Operator, ReportData, ReportFile,
    ReportFileKind, SendCounts,
};
use crate::verdict::Reason::{self, *};
use crate::verdict::{Depth, Verdict};

/// 25 November 2026, 14:40 UTC.
pub(crate) fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_617_605)
}

pub(crate) fn place(name: &str, finished: &[(Reason, u64)], open: u64) -> GroupCounts {
    let rows = finished.iter().map(|(_, rows)| rows).sum::<u64>() + open;
    GroupCounts { name: name.to_owned(), rows, finished: finished.to_vec(), operator: None }
}

pub(crate) fn operated(place: GroupCounts, name: &str, is_gateway: bool) -> GroupCounts {
    GroupCounts { operator: Some(Operator { name: name.to_owned(), is_gateway }), ..place }
}

pub(crate) fn data(
    list: &str,
    finished: &[(Reason, u64)],
    waiting: &[(Reason, u64)],
    open: u64,
    policy: SendPolicy,
) -> ReportData {
    let finished: BTreeMap<Reason, u64> = finished.iter().copied().collect();
    let rows = finished.values().sum::<u64>() + open;
    let state = if open == 0 { State::Finished } else { State::Running };
    let progress = Progress {
        rows,
        mailboxes: if rows > 1000 { rows - rows / 80 } else { rows },
        finished,
        waiting: waiting.iter().copied().collect(),
        oldest_evidence: None,
        registered_after_consent: 0,
        unchecked_consents: 0,
        last_retry_at: None,
        forecast: None,
        next_retry_at: (!waiting.is_empty()).then(|| noon() + Duration::from_secs(260)),
    };
    let preflight = Preflight::of(&progress, state, policy, &Thresholds::default());
    ReportData {
        list: list.to_owned(),
        state,
        depth: Depth::Mailbox,
        started_at: noon() - Duration::from_secs(2_400),
        ended_at: (open == 0).then(|| noon() - Duration::from_secs(20)),
        written_at: noon(),
        progress,
        preflight,
        domains: Vec::new(),
        providers: Vec::new(),
        files: Vec::new(),
        suggestions: 0,
        no_address: 12,
        excluded: 0,
        flags: FlagCounts::default(),
        to_send: SendCounts { duplicates: if rows > 1000 { rows / 100 } else { 0 }, role: 0 },
        evidence: (rows > open).then(|| (noon() - Duration::from_secs(2_300), noon())),
        from_cache: 0,
        asked_as: None,
        version: "0.1.0".to_owned(),
        delivered: 0,
        accuracy: None,
    }
}

pub(crate) fn healthy() -> ReportData {
    let rows = [
        (MailboxAccepted, 48_112),
        (CatchAll, 402),
        (MailboxFull, 61),
        (MailboxNotFound, 388),
        (DomainNotFound, 41),
        (MailboxDisabled, 12),
        (Timeout, 20),
        (PolicyRefusal, 7),
    ];
    ReportData {
        domains: vec![
            place("gmail.com", &[(MailboxAccepted, 18_220), (MailboxNotFound, 120)], 0),
            place("outlook.com", &[(MailboxAccepted, 6_402), (MailboxNotFound, 61)], 0),
            place("gmx.de", &[(MailboxAccepted, 3_911), (MailboxDisabled, 9)], 0),
            place("bücher.example", &[(MailboxAccepted, 820)], 0),
            place("northwind.example", &[(CatchAll, 311)], 0),
            place("", &[(InvalidSyntax, 3)], 0),
        ],
        providers: vec![
            place("google.com", &[(MailboxAccepted, 24_870), (MailboxNotFound, 160)], 0),
            place("outlook.com", &[(MailboxAccepted, 11_032), (MailboxNotFound, 92)], 0),
            place("gmx.net", &[(MailboxAccepted, 4_100), (MailboxDisabled, 9)], 0),
        ],
        files: vec![
            file("customers.vetted.csv", ReportFileKind::Rows, 49_550),
            file("deliverable.csv", ReportFileKind::Part(Verdict::Deliverable), 41_000),
            file("suppress.txt", ReportFileKind::Suppress, 1_550),
        ],
        suggestions: 38,
        flags: FlagCounts { catch_all: 402, disposable: 0, role: 912, free_provider: 30_114 },
        to_send: SendCounts { duplicates: 611, role: 880 },
        from_cache: 11_904,
        asked_as: Some("probe.shop.example".to_owned()),
        delivered: 31_004,
        accuracy: Some(accuracy()),
        ..data("spring-newsletter.csv", &rows, &[], 0, SendPolicy::All)
    }
}

/// What became of three sends.
pub(crate) fn accuracy() -> AccuracySummary {
    let range = |low, high| Some(PercentRange::from_fractions((low, high)));
    let kind = |provider: &str, reason: &str, mails, gone, interval| KindAccuracy {
        provider: provider.to_owned(),
        reason: reason.to_owned(),
        age: "under 1 day",
        mails,
        gone,
        apart: gone / 3,
        interval,
    };
    let send = |weeks: u32, mails, gone, expected| PastSend {
        at: noon() - Duration::from_secs(7 * 86_400) * weeks,
        mails,
        gone,
        expected,
    };
    AccuracySummary {
        right: Share { count: 140_311, of: 141_002 },
        decided: Share { count: 144_120, of: 148_650 },
        apart: 902,
        definitions:
            "A verdict counts if an outcome of mail to the address is known from within 7 \
                      days after it. Only mail that came back as gone speaks against an accepted \
                      address."
                .to_owned(),
        kinds: vec![
            kind("google.com", "mailbox_accepted", 74_021, 103, range(0.0011, 0.0017)),
            kind("outlook.com", "mailbox_accepted", 33_190, 402, range(0.0110, 0.0134)),
            kind("xn--bcher-kva.example", "catch_all", 911, 61, range(0.0519, 0.0849)),
            kind("", "catch_all", 31, 0, range(0.0, 0.081)),
        ],
        sends: vec![
            send(1, 48_903, 311, range(0.0041, 0.0098)),
            send(2, 49_110, 290, range(0.0032, 0.0121)),
            send(3, 48_800, 301, None),
        ],
    }
}

pub(crate) fn bad() -> ReportData {
    let rows = [
        (MailboxAccepted, 5_204),
        (CatchAll, 911),
        (MailboxFull, 120),
        (DisposableDomain, 233),
        (MailboxNotFound, 1_802),
        (DomainNotFound, 604),
        (InvalidSyntax, 211),
        (NullMx, 18),
        (MailboxDisabled, 97),
        (ProviderRule, 44),
        (SenderBlocked, 420),
        (Greylisted, 66),
        (NoConnection, 131),
        (TlsRequired, 4),
    ];
    ReportData {
        domains: vec![
            place(
                "gmail.com",
                &[(MailboxAccepted, 2_104), (MailboxNotFound, 702), (ProviderRule, 44)],
                0,
            ),
            place("yahoo.com", &[(MailboxAccepted, 611), (MailboxNotFound, 488)], 0),
            place("hotmail.com", &[(SenderBlocked, 420), (MailboxNotFound, 12)], 0),
            place("old-customers.example", &[(DomainNotFound, 398)], 0),
            place("a-company-with-a-very-long-name-indeed.holdings.example", &[(CatchAll, 311)], 0),
            place("mailinator.com", &[(DisposableDomain, 199)], 0),
            place("", &[(InvalidSyntax, 211)], 0),
        ],
        providers: vec![
            operated(
                place("google.com", &[(MailboxAccepted, 2_904), (MailboxNotFound, 761)], 0),
                "Google",
                false,
            ),
            place("outlook.com", &[(MailboxAccepted, 402), (SenderBlocked, 420)], 0),
            operated(place("mimecast.com", &[(CatchAll, 212)], 0), "Mimecast", true),
            place("yahoodns.net", &[(MailboxAccepted, 611), (MailboxNotFound, 488)], 0),
        ],
        files: Vec::new(),
        suggestions: 123,
        flags: FlagCounts { catch_all: 911, disposable: 233, role: 318, free_provider: 6_300 },
        to_send: SendCounts { duplicates: 97, role: 301 },
        asked_as: Some("[192.0.2.10]".to_owned()),
        ..data("bought-leads-2019 (final).xlsx.csv", &rows, &[], 0, SendPolicy::All)
    }
}

pub(crate) fn running() -> ReportData {
    let rows = [
        (MailboxAccepted, 402_118),
        (CatchAll, 8_210),
        (MailboxNotFound, 7_020),
        (DomainNotFound, 1_408),
        (TemporaryFailure, 311),
    ];
    let waiting = [(Greylisted, 12_204), (RateLimited, 3_020)];
    ReportData {
        domains: vec![
            place("gmail.com", &[(MailboxAccepted, 150_004), (MailboxNotFound, 2_100)], 160_120),
            place("web.de", &[(MailboxAccepted, 31_020), (MailboxNotFound, 404)], 12_000),
        ],
        providers: vec![place(
            "google.com",
            &[(MailboxAccepted, 170_233), (MailboxNotFound, 2_330)],
            0,
        )],
        flags: FlagCounts { catch_all: 8_210, disposable: 0, role: 4_022, free_provider: 204_000 },
        files: Vec::new(),
        suggestions: 1_204,
        ..data("all-customers.jsonl.gz", &rows, &waiting, 580_933, SendPolicy::DeliverableAndRisky)
    }
}

pub(crate) fn empty() -> ReportData {
    data("empty.csv", &[], &[], 0, SendPolicy::Deliverable)
}

pub(crate) fn blocked() -> ReportData {
    let rows = [(SenderBlocked, 1_180), (NoConnection, 20)];
    ReportData {
        domains: vec![
            place("outlook.com", &[(SenderBlocked, 700)], 0),
            place("icloud.com", &[(SenderBlocked, 300)], 0),
        ],
        providers: vec![place("outlook.com", &[(SenderBlocked, 880)], 0)],
        asked_as: Some("[192.0.2.10]".to_owned()),
        ..data("trade-fair.csv", &rows, &[], 0, SendPolicy::Deliverable)
    }
}

/// Names that try to be something else.
pub(crate) fn hostile() -> ReportData {
    let name = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&\u{0}\u{1b}[31m";
    ReportData {
        domains: vec![place(name, &[(MailboxNotFound, 3)], 0)],
        providers: vec![place(name, &[(MailboxNotFound, 3)], 0)],
        asked_as: Some(name.to_owned()),
        version: name.to_owned(),
        ..data(
            &format!("jane.doe@example.com {name}"),
            &[(MailboxNotFound, 3)],
            &[],
            0,
            SendPolicy::All,
        )
    }
}

pub(crate) fn all() -> [(&'static str, ReportData); 6] {
    [
        ("healthy", healthy()),
        ("bad", bad()),
        ("running", running()),
        ("empty", empty()),
        ("blocked", blocked()),
        ("hostile", hostile()),
    ]
}

fn file(name: &str, kind: ReportFileKind, rows: u64) -> ReportFile {
    ReportFile { name: name.to_owned(), kind, rows, href: name.to_owned() }
}
