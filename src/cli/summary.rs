//! The pre-flight answer for a terminal: what `--report` says, in a screenful.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::render::{BAD, CAREFUL, DIM, GOOD, OPEN, fit, style, wrapped};
use crate::campaign::Progress;
use crate::campaign::preflight::words::audience;
use crate::campaign::preflight::{Decision, Estimate, Preflight, Share, grouped};
use crate::report::bars;
use crate::verdict::Verdict;

/// The widest text that is set.
const TEXT: usize = 96;

/// The widest bar, and the widest scale of the bounds: ten columns for each of its four bands.
const BAR: usize = 40;

/// The narrowest scale that shows anything.
const NARROWEST: usize = 16;

/// The width of the first column of the bounds.
const WHOM: usize = 34;

/// The width of a number of rows.
const ROWS: usize = 10;

/// The width of the bounds in words.
const NUMBERS: usize = 20;

/// The width of the decision.
const DECISION: usize = 12;

/// The width of a verdict's column.
const VERDICT: usize = 14;

/// The counts by verdict, the answer, the bounds of each send policy, and what would change the
/// answer, in lines of at most `width` columns (of at least 40). With colour: print it through
/// `anstream`.
#[must_use]
pub fn text(preflight: &Preflight, progress: &Progress, width: usize) -> String {
    let width = width.max(40);
    let text_width = width.min(TEXT);
    let mut out = String::new();
    counts(&mut out, progress, width);
    let style = decision_style(preflight.decision());
    out.push('\n');
    for line in wrapped(&preflight.headline(), text_width) {
        let _ = writeln!(out, "{style}{line}{style:#}");
    }
    paragraph(&mut out, "", &preflight.sentence(), text_width);
    if preflight.rows > 0 {
        bounds(&mut out, preflight, width);
    }
    if !preflight.steps.is_empty() {
        let _ = writeln!(out, "\n{DIM}what would change the answer{DIM:#}");
    }
    for step in &preflight.steps {
        paragraph(&mut out, "- ", &step.sentence(), text_width);
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

fn counts(out: &mut String, progress: &Progress, width: usize) {
    let verdicts = Verdict::ALL.map(|verdict| (verdict.name(), progress.with_verdict(verdict)));
    let open = Some(("open", progress.open_rows())).filter(|(_, rows)| *rows > 0);
    let digits = grouped(progress.rows).len();
    let room = width.saturating_sub(VERDICT + digits + 12).min(BAR);
    for (name, rows) in verdicts.into_iter().chain(open) {
        let style = if name == "open" { OPEN } else { style(name) };
        let share = Share { count: rows, of: progress.rows };
        let _ = writeln!(
            out,
            "{style}{}{style:#}{:>digits$}  {:>7}  {style}{}{style:#}",
            fit(name, VERDICT),
            grouped(rows),
            short_percent(share),
            bar(share, room),
        );
    }
}

/// The share in seven columns.
fn short_percent(share: Share) -> String {
    share.percent().replace("just under ", "< ").replace("just over ", "> ")
}

/// As many of `room` columns as the share fills, to an eighth; what is there is seen.
fn bar(share: Share, room: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.fraction() * (room * 8) as f64).round() as usize;
    let eighths = eighths.max(usize::from(share.count > 0 && room > 0));
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// The bounds of each send policy: in one line with a scale, in one without, or in two, as `width`
/// has room.
fn bounds(out: &mut String, preflight: &Preflight, width: usize) {
    let in_one_line = WHOM + ROWS + 2 + NUMBERS + 1 + DECISION;
    let scale = (width.saturating_sub(in_one_line + 2) / 4 * 4).min(BAR);
    let scale = Some(scale).filter(|scale| *scale >= NARROWEST);
    let is_narrow = width < in_one_line;
    head(out, preflight, scale, is_narrow);
    for estimate in &preflight.estimates {
        let mark = if estimate.policy == preflight.policy { "> " } else { "  " };
        let whom = audience(estimate.policy).trim_start_matches("the ").replace("and the", "and");
        let (style, decision) = (decision_style(estimate.decision), estimate.decision.label());
        let (sent, decision) = (grouped(estimate.sent_now), decision.to_lowercase());
        let bounds = numbers(estimate);
        let _ = if is_narrow {
            let whom = fit(&whom, width - ROWS - 3);
            writeln!(out, "{mark}{whom}{sent:>ROWS$}\n    {bounds}, {style}{decision}{style:#}")
        } else {
            let drawn = scale.map_or_else(String::new, |scale| {
                format!("  {}", range(estimate, preflight, scale))
            });
            let (whom, bounds) = (fit(&whom, WHOM - 2), fit(&bounds, NUMBERS));
            writeln!(out, "{mark}{whom}{sent:>ROWS$}{drawn}  {bounds} {style}{decision}{style:#}")
        };
    }
}

/// The heads of the columns of the bounds.
fn head(out: &mut String, preflight: &Preflight, scale: Option<usize>, is_narrow: bool) {
    if is_narrow {
        let _ = writeln!(out, "\n{DIM}send to, and hard bounces{DIM:#}");
        return;
    }
    let thresholds = &preflight.thresholds;
    let marks = [thresholds.healthy(), thresholds.review(), thresholds.pause()];
    let marks = scale.map_or_else(String::new, |scale| {
        let marks = marks.map(|mark| fit(&mark.to_string(), scale / 4)).concat();
        format!("  {}{marks}", fit("0 %", scale / 4))
    });
    let (whom, now) = (fit("  send to", WHOM), "now");
    let _ = writeln!(out, "\n{DIM}{whom}{now:>ROWS$}{marks}  hard bounces{DIM:#}");
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

/// From the lower bound to the upper one, on a scale of `width` columns.
fn range(estimate: &Estimate, preflight: &Preflight, width: usize) -> String {
    let span = bars::range(estimate, &preflight.thresholds);
    let column = |x: f64| (x / bars::WIDTH * width as f64) as usize;
    let (from, to) = (column(span.x), column(span.x + span.width).min(width - 1));
    (0..width)
        .map(|at| match at {
            at if estimate.sent_now > 0 && (from..=to).contains(&at) => '█',
            at if at > 0 && at.is_multiple_of(width / 4) => '│',
            _ => '·',
        })
        .collect()
}

/// Words set in lines of at most `width` columns; the first begins with `mark`, the others below
/// its text.
fn paragraph(out: &mut String, mark: &str, text: &str, width: usize) {
    let indent = " ".repeat(mark.width());
    for (number, line) in wrapped(text, width - mark.width()).iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if number == 0 { mark } else { &indent });
    }
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
        let texts = [40, 60, 80, 100, 132].map(|width| {
            let text = text(&preflight, &progress, width);
            let text = anstream::adapter::strip_str(&text).to_string();
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            text
        });
        texts.into_iter().next_back().unwrap()
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
