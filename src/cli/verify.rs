//! `mailvet verify`: verdicts in the terminal, without a service.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::{AsyncBufReadExt as _, BufReader, Stdin};

use super::args::VerifyArgs;
use super::common::Common;
use super::depth::DepthArg;
use super::registration::{registration, registration_flags};
use super::render::{self, BAD, CAREFUL, DIM};
use super::serve::start;
use super::stdout;
use crate::campaign::preflight::HostFault;
use crate::clock::Clock;
use crate::grpc;
use crate::proto;
use crate::report::{printable, rfc3339};
use crate::smtp::Stage;
use crate::smtp::outcome::Speaker;
use crate::verdict::{Action, DecisionStage, Judgement, Reason, Verdict};
use crate::verifier::{Depth, Options, Subject, Verification};

pub(super) async fn run(args: VerifyArgs, common: &Common) -> anyhow::Result<bool> {
    let wants_registration = args.registration || args.consented.is_some();
    let flags = registration_flags(wants_registration);
    let started = start(common, flags, args.sandbox, "warn").await?;
    let app = &started.app;
    let side_by_side = app.config.server.stream_concurrency.max(1);
    let (verifier, clock, args) = (Arc::clone(&app.verifier), app.clock, &args);
    let mut verifications = addresses(args.addresses.clone())
        .map(|line| {
            let verifier = Arc::clone(&verifier);
            async move {
                let line = line.context("standard input cannot be read")?;
                let options = options(args, clock);
                anyhow::Ok(verifier.verify_with(Subject::parse(line), &options).await)
            }
        })
        .buffered(side_by_side);
    let mut all_deliverable = true;
    let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
    let mut fell_silent = 0;
    while let Some(verification) = verifications.next().await {
        let verification = verification?;
        *reasons.entry(verification.judgement.reason).or_default() += 1;
        fell_silent += u64::from(server_fell_silent(&verification.judgement));
        all_deliverable &= verification.judgement.verdict == Verdict::Deliverable;
        if args.json {
            let message = grpc::verification(verification);
            print_line!("{}", proto::json::to_string("Verification", &message)?);
        } else {
            print(&verification, args.transcript, clock);
        }
        // Nobody is asked for answers that go nowhere.
        stdout::ensure_written()?;
    }
    drop(verifications);
    started.close_in_time().await;
    if let Some(fault) = HostFault::detect(&reasons, fell_silent) {
        anstream::eprintln!("{CAREFUL}{}{CAREFUL:#}", fault.sentence());
    }
    Ok(all_deliverable)
}

/// `true` if no answer came in time from a server that had greeted.
fn server_fell_silent(judgement: &Judgement) -> bool {
    judgement.reason == Reason::Timeout
        && matches!(judgement.stage, DecisionStage::Smtp(stage) if stage > Stage::Banner)
}

fn options(args: &VerifyArgs, clock: Clock) -> Options {
    Options {
        depth: match args.depth {
            DepthArg::Syntax => Depth::Syntax,
            DepthArg::Domain => Depth::Domain,
            DepthArg::Mailbox => Depth::Mailbox,
        },
        max_age: None,
        test_catch_all: !args.skip_catch_all,
        transcript: args.transcript,
        deadline: clock.now() + args.timeout,
        retry_until: clock.now() + args.retry_window,
        registration: args.registration,
        // Nobody asks again here: the registry's answer is waited for. Its turn may be long in
        // coming, so it has a limit of its own.
        registration_wait: args.timeout,
        consented_at: args.consented,
    }
}

/// The addresses named on the command line; `-` stands for the lines of standard input, blank ones
/// left out.
fn addresses(named: Vec<String>) -> impl Stream<Item = std::io::Result<String>> {
    stream::iter(named).flat_map(|name| {
        if name == "-" {
            if std::io::stdin().is_terminal() {
                anstream::eprintln!("{DIM}reading addresses, one a line; end with Ctrl-D{DIM:#}");
            }
            let input = BufReader::new(tokio::io::stdin());
            let lines = stream::try_unfold(input, |mut input| async move {
                Ok(next_line(&mut input).await?.map(|line| (line, input)))
            });
            lines
                .filter(|line| {
                    let blank = line.as_ref().is_ok_and(|line| line.trim().is_empty());
                    async move { !blank }
                })
                .boxed()
        } else {
            stream::once(async move { Ok(name) }).boxed()
        }
    })
}

/// The next line without its end; `None` if there is none. Octets that are no UTF-8 are replaced:
/// the line gets a verdict of its own, and the others theirs.
async fn next_line(input: &mut BufReader<Stdin>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

fn print(verification: &Verification, transcript: bool, clock: Clock) {
    let judgement = &verification.judgement;
    let style = render::style(judgement.verdict.name());
    print_line!(
        "{style}{:<13}{style:#} {}  {DIM}-> {}{DIM:#}",
        judgement.verdict.name(),
        render::printable(&verification.address),
        action(verification, clock),
    );
    for reason in &judgement.reasons {
        print_line!("              {}: {}", reason.name(), reason.sentence());
    }
    if let Some(error) = &verification.syntax_error {
        print_line!("              {error}");
    }
    if let Some(said) = said(verification) {
        print_line!("              {DIM}{said}{DIM:#}");
    }
    if let Some(suggestion) = &verification.suggestion {
        print_line!("              did you mean {BAD}{suggestion}{BAD:#}?");
    }
    if let Some(mail) = &verification.evidence.delivered {
        let day = rfc3339(mail.at).chars().take(10).collect::<String>();
        let source = printable(&mail.source);
        print_line!("              {DIM}own mail arrived there on {day}, source: {source}{DIM:#}");
    }
    if let Some(mail) = &verification.evidence.own_mail {
        print_line!("              {DIM}own mail to the domain: {mail}{DIM:#}");
    }
    if let Some(report) = &verification.evidence.registration {
        print_line!("              {DIM}registration: {}{DIM:#}", registration(report));
    }
    let flags = verification.flag_names();
    if !flags.is_empty() {
        print_line!("              {DIM}flags: {}{DIM:#}", flags.join(", "));
    }
    if transcript {
        print_transcript(verification);
    }
}

fn action(verification: &Verification, clock: Clock) -> String {
    let action = verification.judgement.action;
    match (action, verification.retry_at) {
        (Action::RetryLater, Some(at)) => {
            let wait = at.duration_since(clock.now()).unwrap_or_default();
            let wait = Duration::from_secs(wait.as_secs_f64().ceil() as u64);
            format!("retry in {}", humantime::format_duration(wait))
        }
        _ => action.name().replace('_', " "),
    }
}

/// The deciding reply and its exchanger in one line, or why none was asked: what earlier mail said,
/// or what went wrong before.
fn said(verification: &Verification) -> Option<String> {
    let evidence = &verification.evidence;
    let Some(exchanger) = &evidence.exchanger else {
        let note = evidence.registration.as_ref().and_then(|report| report.note.as_deref());
        // The reason's own words stand above it, the registry's note below.
        let is_shown = |failure: &str| {
            failure == verification.judgement.reason.sentence()
                || note.is_some_and(|note| failure.ends_with(note))
        };
        let failure = evidence.failure.as_deref().filter(|failure| !is_shown(failure));
        return failure.map(render::printable);
    };
    let words = match (&evidence.reply, &evidence.failure) {
        (Some(reply), _) => {
            let enhanced = reply.enhanced.map(|status| format!("{status} ")).unwrap_or_default();
            format!("said {} {enhanced}{}", reply.code, render::printable(&reply.text()))
        }
        (None, Some(failure)) => render::printable(failure),
        (None, None) => return None,
    };
    let remembered = if evidence.from_cache { ", remembered" } else { "" };
    Some(format!("{exchanger} {words} ({}{remembered})", verification.judgement.stage.name()))
}

fn print_transcript(verification: &Verification) {
    for said in &verification.transcript {
        let mark = match said.line.speaker {
            Speaker::Client => ">",
            Speaker::Server => "<",
            Speaker::Event => "*",
        };
        print_line!(
            "              {DIM}{:>7.1} ms {} {mark}{DIM:#} {}",
            said.line.after.as_secs_f64() * 1000.0,
            said.exchanger,
            render::printable(&said.line.text),
        );
    }
}
