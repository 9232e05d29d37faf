//! The pre-flight answer for a terminal: what `--report` says, in a screenful.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::render::{BAD, CAREFUL, DIM, GOOD, OPEN, fit, style};
use crate::campaign::Progress;
use crate::campaign::preflight::words::audience;
use crate::campaign::preflight::{Decision, Estimate, Preflight, Share, grouped};
use crate::report::bars;
use crate::verdict::Verdict;

/// The width of text set.
const TEXT: usize = 96;

/// The width of a bar, and the scale of the bounds: ten columns for each of its four bands.
const BAR: usize = 40;

/// The width of the first column of the bounds.
const WHOM: usize = 40;

/// The width of a verdict's column.
const VERDICT: usize = 14;

/// The counts by verdict, the answer, the bounds of each send policy, and what would change the
/// answer. With colour: print it through `anstream`.
#[must_use]
pub fn text(preflight: &Preflight, progress: &Progress) -> String {
    let mut out = String::new();
    counts(&mut out, progress);
    let style = decision_style(preflight.decision());
    let _ = writeln!(out, "\n{style}{}{style:#}", preflight.headline());
    paragraph(&mut out, "", &preflight.sentence());
    if preflight.rows > 0 {
        bounds(&mut out, preflight);
    }
    if !preflight.steps.is_empty() {
        let _ = writeln!(out, "\n{DIM}what would change the answer{DIM:#}");
    }
    for step in &preflight.steps {
        paragraph(&mut out, "- ", &step.sentence());
    }
    out
}

fn decision_style(decision: Decision) -> Style {
    match decision {
        Decision::Go => GOOD,
        Decision::CleanFirst => CAREFUL,
        Decision::NoGo => BAD,
    }
}

fn counts(out: &mut String, progress: &Progress) {
    let verdicts = Verdict::ALL.map(|verdict| (verdict.name(), progress.with_verdict(verdict)));
    let open = Some(("open", progress.open_rows())).filter(|(_, rows)| *rows > 0);
    let width = grouped(progress.rows).len();
    for (name, rows) in verdicts.into_iter().chain(open) {
        let style = if name == "open" { OPEN } else { style(name) };
        let share = Share { count: rows, of: progress.rows };
        let _ = writeln!(
            out,
            "{style}{}{style:#}{:>width$}  {:>7}  {style}{}{style:#}",
            fit(name, VERDICT),
            grouped(rows),
            share.percent(),
            bar(share),
        );
    }
}

/// As many columns as the share fills, to an eighth; what is there is seen.
fn bar(share: Share) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.fraction() * (BAR * 8) as f64).round() as usize;
    let eighths = eighths.max(usize::from(share.count > 0));
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn bounds(out: &mut String, preflight: &Preflight) {
    let thresholds = &preflight.thresholds;
    let marks = [thresholds.healthy(), thresholds.review(), thresholds.pause()];
    let [healthy, review, pause] = marks.map(|mark| fit(&mark.to_string(), BAR / 4));
    let _ = writeln!(
        out,
        "\n{DIM}{} {:>9}  {}{healthy}{review}{pause} hard bounces{DIM:#}",
        fit("  send to", WHOM),
        "now",
        fit("0 %", BAR / 4),
    );
    for estimate in &preflight.estimates {
        let chosen = estimate.policy == preflight.policy;
        let whom = audience(estimate.policy).trim_start_matches("the ").replace("and the", "and");
        let style = decision_style(estimate.decision);
        let _ = writeln!(
            out,
            "{}{} {:>9}  {}  {} {style}{}{style:#}",
            if chosen { "> " } else { "  " },
            fit(&whom, WHOM - 2),
            grouped(estimate.sent_now),
            range(estimate, preflight),
            fit(&numbers(estimate), 20),
            estimate.decision.label().to_lowercase(),
        );
    }
}

/// The bounds in per cent.
fn numbers(estimate: &Estimate) -> String {
    let (least, most) = (estimate.at_least.share, estimate.at_most.share);
    if estimate.sent_now == 0 {
        "nobody to send to".to_owned()
    } else if most.count == 0 {
        "none known".to_owned()
    } else if least == most {
        least.percent()
    } else {
        format!("{} to {}", least.percent(), most.percent())
    }
}

/// From the lower bound to the upper one, on the scale.
fn range(estimate: &Estimate, preflight: &Preflight) -> String {
    let span = bars::range(estimate, &preflight.thresholds);
    let column = |x: f64| (x / bars::WIDTH * BAR as f64) as usize;
    let (from, to) = (column(span.x), column(span.x + span.width).min(BAR - 1));
    (0..BAR)
        .map(|at| match at {
            at if estimate.sent_now > 0 && (from..=to).contains(&at) => '█',
            at if at > 0 && at.is_multiple_of(BAR / 4) => '│',
            _ => '·',
        })
        .collect()
}

/// Words set in lines; the first begins with `mark`, the others below its text.
fn paragraph(out: &mut String, mark: &str, text: &str) {
    let mut line = mark.to_owned();
    let indent = " ".repeat(mark.width());
    for word in text.split(' ') {
        if line.width() + 1 + word.width() > TEXT && line.width() > mark.width() {
            let _ = writeln!(out, "{}", line.trim_end());
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::preflight::Thresholds;
    use crate::campaign::{SendPolicy, State};
    use crate::verdict::Reason;

    fn shown(finished: &[(Reason, u64)], open: u64, policy: SendPolicy) -> String {
        let finished: std::collections::BTreeMap<_, _> = finished.iter().copied().collect();
        let rows = finished.values().sum::<u64>() + open;
        let progress = Progress { rows, mailboxes: rows, finished, ..Progress::default() };
        let state = if open == 0 { State::Finished } else { State::Running };
        let preflight = Preflight::of(&progress, state, policy, &Thresholds::default());
        anstream::adapter::strip_str(&text(&preflight, &progress)).to_string()
    }

    #[test]
    fn the_answer_stands_in_a_screenful() {
        let rows = [
            (Reason::MailboxAccepted, 39_000),
            (Reason::MailboxNotFound, 1_550),
            (Reason::CatchAll, 450),
        ];
        let text = shown(&rows, 9_000, SendPolicy::All);
        let expected = "\
deliverable   39,000     78 %  ███████████████████████████████▎
risky            450    0.9 %  ▍
undeliverable  1,550    3.1 %  █▎
unknown            0      0 %  \n\
open           9,000     18 %  ███████▎

Clean first: up to 22 % may bounce";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("> every address on the list "), "{text}");
        assert!(text.contains("3.1 % to 22 %        clean first"), "{text}");
        assert!(text.contains("\n- Send only to the deliverable addresses,"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 132), "{text}");
        assert!(text.lines().count() < 24, "{text}");
    }

    #[test]
    fn the_scale_fills_its_columns_whatever_the_bounds() {
        for rows in [[1, 0], [0, 1], [1_000_000, 1], [98, 2], [90, 10]] {
            let rows = [(Reason::MailboxAccepted, rows[0]), (Reason::MailboxNotFound, rows[1])];
            let text = shown(&rows, 0, SendPolicy::All);
            let scales = text.lines().filter(|line| line.contains('·'));
            let widths: Vec<usize> =
                scales.map(|line| line.chars().filter(|c| "·│█".contains(*c)).count()).collect();
            assert_eq!(widths, [BAR; 3], "{text}");
        }
    }

    #[test]
    fn nobody_to_send_to_is_not_drawn_as_healthy() {
        let text = shown(&[(Reason::SenderBlocked, 9)], 0, SendPolicy::Deliverable);
        let line = text.lines().find(|line| line.starts_with("> ")).unwrap();
        assert!(line.contains("nobody to send to") && !line.contains('█'), "{text}");
    }

    #[test]
    fn an_empty_list_has_an_answer_and_no_bounds() {
        let text = shown(&[], 0, SendPolicy::Deliverable);
        assert!(text.contains("No go: the list is empty") && !text.contains('·'), "{text}");
    }
}
