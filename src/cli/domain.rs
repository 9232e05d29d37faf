//! `mailvet domain`: how a domain receives mail.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::args::DomainArgs;
use super::common::Common;
use super::posture::{PostureJson, PublishedPolicies, posture_lines};
use super::registration::{registration, registration_flags, set_posture};
use super::render::{BAD, DIM, GOOD};
use super::serve::start;
use crate::dns::Route;
use crate::lists::{MailOperator, OperatorKind};
use crate::registration::{RegistrationReport, RegistrationState};
use crate::report::rfc3339;
use crate::verifier::{DomainMail, DomainOptions, DomainReport};

/// The time limit of the lookup.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Age of the operator's own mail that is counted.
const HISTORY: Duration = Duration::from_secs(180 * 86_400);

pub(super) async fn run(args: DomainArgs, common: &Common) -> anyhow::Result<bool> {
    let mut flags = registration_flags(args.registration);
    if args.posture {
        set_posture(&mut flags);
    }
    let started = start(common, flags, args.sandbox, "warn").await?;
    let app = &started.app;
    let deadline = app.clock.now() + TIME_LIMIT;
    let options = DomainOptions {
        registration: args.registration,
        posture: args.posture,
        ..DomainOptions::default()
    };
    let report = app.verifier.domain(&args.name, options, deadline).await;
    let policies = match &report {
        Ok(report) if args.posture => {
            let domain = &report.facts.value.domain;
            Some(PublishedPolicies::look_up(&app.sources.resolver, domain).await)
        }
        _ => None,
    };
    let now = app.clock.now();
    let history = match (&report, &app.history) {
        (Ok(report), Some(history)) => {
            let domain = report.facts.value.domain.as_str();
            history.count_domain_mail(domain, now - HISTORY).await?
        }
        _ => None,
    };
    started.close_in_time().await;
    let report = report?;
    if args.json {
        print_line!("{}", serde_json::to_string(&json(&report, history, policies))?);
    } else {
        print(&report, now);
        let strict = report.posture.iter().flat_map(posture_lines);
        for line in strict.chain(policies.iter().flat_map(PublishedPolicies::lines)) {
            print_line!("  {DIM}{line}{DIM:#}");
        }
        if let Some(DomainMail { sent, bounced, gone }) = history {
            print_line!(
                "  {DIM}your own mail: sent {sent}, bounced {bounced} ({gone} as gone) in {} \
                 days{DIM:#}",
                HISTORY.as_secs() / 86_400
            );
        }
    }
    Ok(!report.facts.value.route.exchangers().is_empty())
}

/// A report as one JSON object.
#[derive(Debug, Serialize)]
struct DomainJson<'a> {
    domain: &'a str,
    route: &'static str,
    exchangers: Vec<ExchangerJson<'a>>,
    notes: Vec<String>,
    looked_up_at: String,
    valid_until: String,
    from_cache: bool,
    disposable: bool,
    free_provider: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<RegistrationJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parking_service: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    posture: Option<PostureJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_mail: Option<OwnMailJson>,
}

/// The domain's registration.
#[derive(Debug, Serialize)]
struct RegistrationJson<'a> {
    domain: &'a str,
    state: &'static str,
    registered_at: Option<String>,
    changed_at: Option<String>,
    expires_at: Option<String>,
    statuses: &'a [Box<str>],
    registrar: Option<&'a str>,
    source: Option<&'a str>,
    asked_at: Option<String>,
    note: Option<&'a str>,
}

/// The operator's own mail of the last 180 days.
#[derive(Debug, Serialize)]
struct OwnMailJson {
    sent: u64,
    bounced: u64,
    gone: u64,
}

#[derive(Debug, Serialize)]
struct ExchangerJson<'a> {
    host: &'a str,
    preference: u16,
    addresses: Vec<String>,
    failure: Option<String>,
    operator: Option<OperatorJson>,
}

/// The service that operates an exchanger.
#[derive(Debug, Serialize)]
struct OperatorJson {
    name: &'static str,
    kind: &'static str,
}

fn json(
    report: &DomainReport,
    history: Option<DomainMail>,
    policies: Option<PublishedPolicies>,
) -> DomainJson<'_> {
    let facts = &report.facts.value;
    DomainJson {
        domain: facts.domain.as_str(),
        route: facts.route.name(),
        exchangers: report
            .exchangers
            .iter()
            .map(|asked| ExchangerJson {
                host: asked.exchanger.host.as_str(),
                preference: asked.exchanger.preference,
                addresses: asked.addresses.iter().map(ToString::to_string).collect(),
                failure: asked.failure.as_ref().map(ToString::to_string),
                operator: MailOperator::of_exchanger(&asked.exchanger.host)
                    .map(|it| OperatorJson { name: it.name, kind: it.kind.name() }),
            })
            .collect(),
        notes: facts.notes.iter().map(ToString::to_string).collect(),
        looked_up_at: rfc3339(facts.looked_up_at),
        valid_until: rfc3339(facts.valid_until),
        from_cache: report.facts.from_cache,
        disposable: report.traits.disposable,
        free_provider: report.traits.free_provider,
        registration: report.registration.as_ref().map(registration_json),
        parking_service: report.parking.map(|service| service.name),
        posture: policies
            .zip(report.posture.as_ref())
            .map(|(policies, report)| PostureJson::new(policies, report)),
        own_mail: history.map(|DomainMail { sent, bounced, gone }| OwnMailJson {
            sent,
            bounced,
            gone,
        }),
    }
}

fn registration_json(report: &RegistrationReport) -> RegistrationJson<'_> {
    let RegistrationReport { registration, note } = report;
    let facts = registration.facts();
    RegistrationJson {
        domain: registration.domain.as_str(),
        state: match &registration.state {
            RegistrationState::Registered(_) => "registered",
            RegistrationState::NotRegistered => "not_registered",
            RegistrationState::Unknown(gap) => gap.name(),
        },
        registered_at: facts.and_then(|facts| facts.registered_at).map(rfc3339),
        changed_at: facts.and_then(|facts| facts.changed_at).map(rfc3339),
        expires_at: facts.and_then(|facts| facts.expires_at).map(rfc3339),
        statuses: facts.map(|facts| &*facts.statuses).unwrap_or_default(),
        registrar: facts.and_then(|facts| facts.registrar.as_deref()),
        source: registration.source.as_deref(),
        asked_at: registration.asked_at.map(rfc3339),
        note: note.as_deref(),
    }
}

fn print(report: &DomainReport, now: SystemTime) {
    let facts = &report.facts.value;
    let (style, sentence) = match &facts.route {
        Route::Exchangers(hosts) => {
            (GOOD, format!("receives mail through {} exchanger(s)", hosts.len()))
        }
        Route::ImplicitMx(_) => {
            (GOOD, "has no MX record; mail goes to its own address (RFC 5321 section 5.1)".into())
        }
        Route::NullMx => (BAD, "says that it takes no mail (RFC 7505)".into()),
        Route::NoSuchDomain => (BAD, "does not exist".into()),
        Route::NoMail => (BAD, "exists and has no mail host".into()),
    };
    print_line!("{style}{}{style:#} {sentence}", facts.domain);
    for asked in &report.exchangers {
        let addresses: Vec<String> = asked.addresses.iter().map(ToString::to_string).collect();
        let where_to =
            asked.failure.as_ref().map_or_else(|| addresses.join(", "), ToString::to_string);
        let exchanger = &asked.exchanger;
        let operator = MailOperator::of_exchanger(&exchanger.host).map_or_else(String::new, |it| {
            match it.kind {
                OperatorKind::MailboxProvider => format!("  {}", it.name),
                OperatorKind::Gateway | OperatorKind::Forwarder => {
                    format!("  {}, a {}", it.name, it.kind.name())
                }
            }
        });
        print_line!(
            "  {:>5}  {}  {where_to}{DIM}{operator}{DIM:#}",
            exchanger.preference,
            exchanger.host
        );
    }
    for note in &facts.notes {
        print_line!("  {DIM}note: {note}{DIM:#}");
    }
    if report.traits.disposable {
        print_line!("  {DIM}hands out throw-away addresses{DIM:#}");
    }
    if report.traits.free_provider {
        print_line!("  {DIM}a free provider{DIM:#}");
    }
    if let Some(service) = report.parking {
        print_line!("  {DIM}parked at {}{DIM:#}", service.name);
    }
    if let Some(report) = &report.registration {
        print_line!("  {DIM}registration: {}{DIM:#}", registration(report));
    }
    let left = facts.valid_until.duration_since(now).unwrap_or_default().as_secs();
    let origin = if report.facts.from_cache { "from cache" } else { "fresh" };
    let left = humantime::format_duration(Duration::from_secs(left));
    print_line!("  {DIM}{origin}, valid for {left}{DIM:#}");
}
