//! `mailvet accuracy`: how right verdicts were, from what became of mail.

use serde_json::{Value, json};
use toml::Table;

use super::args::AccuracyArgs;
use super::common::Common;
use super::render::{DIM, fit, printable, wrapped};
use crate::campaign::calibration::PastSend;
use crate::campaign::preflight::{PercentRange, Share, grouped};
use crate::outcomes::accuracy::{Accuracy, AccuracyRow, DEFINITIONS};
use crate::report::rfc3339;

/// Rows and sends that are shown.
const SHOWN: usize = 20;

/// The widest text that is set.
const TEXT: usize = 96;

pub(super) async fn run(args: &AccuracyArgs, common: &Common) -> anyhow::Result<bool> {
    let config = common.load(Table::new())?;
    let place = super::outcomes::place(&config)?;
    let tallies = match place.exists() {
        true => place.open(&config.outcomes).await?.tallies().await?,
        false => Default::default(),
    };
    let accuracy = Accuracy::from_tallies(&tallies);
    if args.json {
        print_line!("{}", to_json(&accuracy));
    } else {
        print(&accuracy);
    }
    Ok(accuracy.right.of > 0)
}

fn print(accuracy: &Accuracy) {
    let Accuracy { right, decided, apart, reasons, kinds, calibration } = accuracy;
    if right.of == 0 && reasons.iter().all(|row| row.counts.mails() == 0) {
        print_line!(
            "No verdict has an outcome yet: `mailvet outcomes add` takes what became of mail."
        );
    } else {
        print_line!("right among decided  {}", share(*right));
    }
    print_line!("share decided        {}", share(*decided));
    print_line!("apart                {} came back for other reasons", grouped(*apart));
    for line in wrapped(DEFINITIONS, TEXT) {
        print_line!("{DIM}{line}{DIM:#}");
    }
    if !reasons.is_empty() {
        print_line!("\n{DIM}  {}{DIM:#}", head("reason"));
    }
    for row in reasons {
        print_line!("  {}", line(row.reason.name(), row));
    }
    if !kinds.is_empty() {
        print_line!("\n{DIM}  {}{DIM:#}", head("provider, reason, age of evidence"));
    }
    for row in kinds.iter().take(SHOWN) {
        let (provider, age) =
            row.part.as_ref().map_or(("", ""), |(provider, age)| (provider.as_str(), age.name()));
        let name = format!("{}, {}, {age}", printable(provider), row.reason.name());
        print_line!("  {}", line(&name, row));
    }
    if !calibration.sends.is_empty() {
        print_line!("\n{DIM}  the last sends: gone, and what was expected{DIM:#}");
    }
    for send in calibration.sends.iter().rev().take(SHOWN) {
        let seen = Share { count: send.gone, of: send.mails };
        let expected = send.expected.map_or_else(|| "-".to_owned(), |range| range.to_string());
        let day = rfc3339(send.at).chars().take(10).collect::<String>();
        print_line!("  {day}  {}  {expected}", fit(&seen.to_string(), 34));
    }
}

fn share(share: Share) -> String {
    if share.of == 0 { "-".to_owned() } else { share.to_string() }
}

fn head(name: &str) -> String {
    format!("{}{:>10}{:>10}{:>10}  95 % of the time", fit(name, 48), "mails", "gone", "apart")
}

fn line(name: &str, row: &AccuracyRow) -> String {
    let counts = &row.counts;
    let interval = row.gone.map_or_else(|| "-".to_owned(), |range| range.to_string());
    format!(
        "{}{:>10}{:>10}{:>10}  {interval}",
        fit(name, 48),
        grouped(counts.mails()),
        grouped(counts.gone),
        grouped(counts.apart),
    )
}

fn to_json(accuracy: &Accuracy) -> Value {
    let share = |share: Share| json!({ "count": share.count, "of": share.of });
    json!({
        "right": share(accuracy.right),
        "decided": share(accuracy.decided),
        "apart": accuracy.apart,
        "definitions": DEFINITIONS,
        "reasons": accuracy.reasons.iter().map(row_json).collect::<Vec<_>>(),
        "kinds": accuracy.kinds.iter().map(row_json).collect::<Vec<_>>(),
        "sends": accuracy.calibration.sends.iter().map(send_json).collect::<Vec<_>>(),
    })
}

fn row_json(row: &AccuracyRow) -> Value {
    let part = row.part.as_ref();
    json!({
        "reason": row.reason.name(),
        "provider": part.map(|(provider, _)| provider),
        "evidence_age": part.map(|(_, age)| age.name()),
        "verdicts": row.counts.given,
        "mails": row.counts.mails(),
        "gone": row.counts.gone,
        "apart": row.counts.apart,
        "gone_percent": row.gone.map(range_json),
    })
}

fn send_json(send: &PastSend) -> Value {
    json!({
        "time": rfc3339(send.at),
        "mails": send.mails,
        "gone": send.gone,
        "expected_percent": send.expected.map(range_json),
    })
}

fn range_json(range: PercentRange) -> Value {
    json!({ "low": f64::from(range.low), "high": f64::from(range.high) })
}
