//! `mailvet doctor`: what makes verdicts unknown, and what to do about it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anstyle::Style;
use serde::Serialize;

use super::args::DoctorArgs;
use super::common::Common;
use super::registration::registration_flags;
use super::render::{self, BAD, CAREFUL, DIM, GOOD, OPEN};
use crate::app;
use crate::batch::StoreConfig;
use crate::batch::postgres::{self, SettingFinding, SettingStatus};
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::{Diagnosis, Doctor, Report, Status};
use crate::sandbox::{Sandbox, World};
use crate::telemetry;

pub(super) async fn run(args: DoctorArgs, common: &Common) -> anyhow::Result<bool> {
    let mut config = common.load(registration_flags(args.registration))?;
    if !common.names_log_level() && config.log == telemetry::Config::default() {
        "warn".clone_into(&mut config.log.level);
    }
    telemetry::init_logs(&config.log)?;
    let sandbox = if args.sandbox { Some(sandboxed(&mut config).await?) } else { None };
    if let Some(timeout) = args.timeout {
        config.doctor.timeout = timeout;
    }
    if !args.json && std::io::stderr().is_terminal() {
        let longest = humantime::format_duration(config.doctor.timeout);
        anstream::eprintln!("{DIM}looking, for {longest} at the most ...{DIM:#}\n");
    }
    let clock = Clock::start();
    let start = clock.now();
    let registrations = match config.registration.enabled {
        true => Some(app::registrations(&config, clock)?),
        false => None,
    };
    let Config { doctor, smtp, prober, dns, store, .. } = config;
    let mut doctor = Doctor::new(doctor, smtp, &prober.identities, dns, clock);
    if let Some(registrations) = &registrations {
        doctor = doctor.with_registrations(Arc::new(registrations.clone()));
    }
    let report = doctor.examine().await;
    if let Some(registrations) = registrations {
        registrations.drain().await;
    }
    let took = elapsed(clock, start);
    if let Some(sandbox) = sandbox {
        sandbox.shutdown().await;
    }
    let mut report = report?;
    report.findings.extend(look_at_store(&store).await);
    if args.json {
        print_line!("{}", serde_json::to_string(&DoctorJson::new(&report, took))?);
    } else {
        print(&report, took);
    }
    Ok(report.status() != Status::Fail)
}

/// The check of a shared database, which verdicts do not depend on.
const STORE: &str = "store";

/// What the settings of a shared database mean for what is kept and what is deleted.
async fn look_at_store(store: &StoreConfig) -> Vec<Diagnosis> {
    if store.url.is_none() {
        return Vec::new();
    }
    match postgres::look_at_settings(store).await {
        Ok(found) => found.into_iter().map(|finding| diagnosis(STORE, finding)).collect(),
        Err(error) => vec![
            Diagnosis::fail(STORE, error.to_string())
                .means("no batch can be taken or worked on")
                .remedy("see `mailvet store check`"),
        ],
    }
}

fn diagnosis(id: &'static str, finding: SettingFinding) -> Diagnosis {
    let diagnosis = match finding.status {
        SettingStatus::Good => return Diagnosis::pass(id, finding.seen),
        SettingStatus::Careful => Diagnosis::warn(id, finding.seen),
        SettingStatus::Lossy => Diagnosis::fail(id, finding.seen),
    };
    diagnosis.means(finding.means).remedy(finding.remedy)
}

fn elapsed(clock: Clock, start: SystemTime) -> Duration {
    clock.now().duration_since(start).unwrap_or_default()
}

async fn sandboxed(config: &mut Config) -> anyhow::Result<Sandbox> {
    let sandbox = Sandbox::start(World::built_in()?).await?;
    super::sandboxed(config, &sandbox);
    super::sandboxed_doctor(config)?;
    Ok(sandbox)
}

/// The report as one JSON object. The keys are documented in docs/operations.md; they do not
/// change.
#[derive(Debug, Serialize)]
struct DoctorJson<'a> {
    status: &'static str,
    pass: usize,
    warn: usize,
    fail: usize,
    skipped: usize,
    elapsed_ms: u128,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Debug, Serialize)]
struct FindingJson<'a> {
    id: &'static str,
    identity: Option<&'a str>,
    subject: Option<&'a str>,
    status: &'static str,
    seen: &'a str,
    meaning: Option<&'a str>,
    remedy: Option<&'a str>,
}

impl<'a> DoctorJson<'a> {
    fn new(report: &'a Report, took: Duration) -> Self {
        let findings = report.findings.iter().map(|finding| FindingJson {
            id: finding.id,
            identity: finding.identity.as_deref(),
            subject: finding.subject.as_deref(),
            status: finding.status.name(),
            seen: &finding.seen,
            meaning: said(&finding.meaning),
            remedy: said(&finding.remedy),
        });
        Self {
            status: report.status().name(),
            pass: report.count(Status::Pass),
            warn: report.count(Status::Warn),
            fail: report.count(Status::Fail),
            skipped: report.count(Status::Skipped),
            elapsed_ms: took.as_millis(),
            findings: findings.collect(),
        }
    }
}

/// The text, unless there is nothing to say.
fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn print(report: &Report, took: Duration) {
    let mut group: Option<Option<&str>> = None;
    let mut rest = report.findings.iter().peekable();
    while let Some(finding) = rest.next() {
        let identity = finding.identity.as_deref();
        if group != Some(identity) {
            let gap = if group.is_some() { "\n" } else { "" };
            print_line!("{gap}{}", heading(identity));
            group = Some(identity);
        }
        print_finding(finding);
        // Advice that several findings in a row share is given once, below the last.
        let same = rest.peek().is_some_and(|next| {
            (next.id, next.status) == (finding.id, finding.status)
                && (&next.meaning, &next.remedy) == (&finding.meaning, &finding.remedy)
        });
        if !same {
            print_advice(finding);
        }
    }
    print_sum(report, took);
}

fn heading(identity: Option<&str>) -> String {
    match identity {
        None => "This host".to_owned(),
        Some("") => "The egress identity".to_owned(),
        Some(name) => format!("Egress identity {}", render::printable(name)),
    }
}

fn style(status: Status) -> (Style, &'static str) {
    match status {
        Status::Pass => (GOOD, "pass"),
        Status::Warn => (CAREFUL, "warn"),
        Status::Fail => (BAD, "FAIL"),
        Status::Skipped => (OPEN, "skip"),
    }
}

/// The place where what was seen begins: behind the status and the check's name.
const INDENT: usize = 2 + 5 + 19;

fn print_finding(finding: &Diagnosis) {
    let (style, word) = style(finding.status);
    let subject = match &finding.subject {
        Some(subject) => format!("{subject}: "),
        None => String::new(),
    };
    let seen = render::printable(&format!("{subject}{}", finding.seen));
    let seen =
        render::wrapped(&seen, render::WIDTH - INDENT).join(&format!("\n{}", " ".repeat(INDENT)));
    print_line!("  {style}{word}{style:#} {} {seen}", render::fit(finding.id, 18));
}

fn print_advice(finding: &Diagnosis) {
    for (label, text) in [("means", &finding.meaning), ("do", &finding.remedy)] {
        let lines = render::wrapped(&render::printable(text), render::WIDTH - INDENT - 6);
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            print_line!("{}{DIM}{label:<5} {line}{DIM:#}", " ".repeat(INDENT));
        }
    }
}

/// The report in a sentence. What could not be looked at is not said to be well.
fn sum(report: &Report) -> (Style, String) {
    let mut failed = report.findings.iter().filter(|finding| finding.status == Status::Fail);
    match (report.status(), report.count(Status::Skipped)) {
        (Status::Fail, _) if failed.all(|finding| finding.id == STORE) => {
            (BAD, "the database of store.url will not do: see FAIL".to_owned())
        }
        (Status::Fail, _) => (BAD, "verdicts will suffer: see FAIL".to_owned()),
        (Status::Warn, _) => (CAREFUL, "it works, and could be better: see warn".to_owned()),
        (Status::Pass | Status::Skipped, 0) => (GOOD, "all is well".to_owned()),
        (Status::Pass | Status::Skipped, skipped) => {
            let checks = if skipped == 1 { "check" } else { "checks" };
            let sentence =
                format!("nothing wrong found; {skipped} {checks} could not look: see skip");
            (GOOD, sentence)
        }
    }
}

fn print_sum(report: &Report, took: Duration) {
    let (style, sentence) = sum(report);
    let count = |status| report.count(status);
    print_line!(
        "\n{style}{sentence}{style:#}  {DIM}{} pass, {} warn, {} fail, {} skipped, in {:.1} \
         s{DIM:#}",
        count(Status::Pass),
        count(Status::Warn),
        count(Status::Fail),
        count(Status::Skipped),
        took.as_secs_f64(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_looked_at_is_not_said_to_be_well() {
        let skipped = || Diagnosis { status: Status::Skipped, ..Diagnosis::pass("b", "why") };
        let said = |findings: Vec<Diagnosis>| sum(&Report { findings }).1;
        let pass = || Diagnosis::pass("a", "right");
        assert_eq!(said(vec![pass()]), "all is well");
        let one = "nothing wrong found; 1 check could not look: see skip";
        assert_eq!(said(vec![pass(), skipped()]), one);
        let two = said(vec![skipped(), skipped()]);
        assert!(two.contains("2 checks could not look"), "{two}");
        let warn = Diagnosis::warn("c", "not so good");
        assert!(said(vec![warn, skipped()]).ends_with("see warn"));
    }

    #[test]
    fn a_database_that_fails_is_not_said_to_cost_verdicts() {
        let said = |findings: Vec<Diagnosis>| sum(&Report { findings }).1;
        let store = || Diagnosis::fail(STORE, "fsync is off");
        assert!(said(vec![Diagnosis::pass("a", "right"), store()]).contains("store.url"));
        let both = said(vec![store(), Diagnosis::fail("port_25_ipv4", "closed")]);
        assert_eq!(both, "verdicts will suffer: see FAIL");
    }

    #[test]
    fn a_finding_that_says_nothing_more_has_no_empty_texts() {
        let finding = Diagnosis {
            id: "clock",
            identity: None,
            subject: None,
            status: Status::Pass,
            seen: "right".into(),
            meaning: String::new(),
            remedy: String::new(),
        };
        let report = Report { findings: vec![finding] };
        let json =
            serde_json::to_value(DoctorJson::new(&report, Duration::from_millis(1500))).unwrap();
        assert_eq!(json["findings"][0]["meaning"], serde_json::Value::Null);
        assert_eq!((&json["status"], &json["elapsed_ms"]), (&"pass".into(), &1500.into()));
    }
}
