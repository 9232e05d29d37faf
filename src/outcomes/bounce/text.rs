//! Bounces in words alone: qmail, Exim, Sendmail's transcript, Exchange and their kind, by the
//! structure they share.

use super::lines::{self, LineForm, LineRecipient};

/// Number of lines that are read.
const MAX_LINES: usize = 3000;

/// Number of recipients that one text may name.
const MAX_RECIPIENTS: usize = 500;

/// Lines of words that belong to one recipient.
const MAX_WORD_LINES: usize = 14;

/// A recipient named in the words of a bounce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextFinding {
    pub(super) address: String,
    /// What is said about it.
    pub(super) words: String,
}

/// The recipients that `text` names in the surest of the forms it uses. `others` are addresses that
/// the bounce is not about: its own sender, ours.
pub(super) fn findings(text: &str, others: &[String]) -> Vec<TextFinding> {
    let lines: Vec<&str> = text.lines().take(MAX_LINES).collect();
    let recipients: Vec<Option<LineRecipient<'_>>> =
        lines.iter().map(|line| lines::recipient(line)).collect();
    let named: Vec<(usize, LineRecipient<'_>)> = recipients
        .iter()
        .enumerate()
        .filter_map(|(at, found)| Some((at, *found.as_ref()?)))
        .filter(|(at, found)| found.form != LineForm::Transcript || is_refused(&lines, *at))
        .collect();
    let is_other = |found: &LineRecipient<'_>| {
        others.iter().any(|other| other.eq_ignore_ascii_case(found.address))
    };
    // An address of ours may be the recipient all the same: only where the form leaves no doubt.
    let best = named
        .iter()
        .filter(|(_, found)| found.form == LineForm::Listed || !is_other(found))
        .map(|(_, found)| found.form)
        .min();
    let Some(best) = best else { return Vec::new() };
    let mut findings: Vec<TextFinding> = Vec::new();
    let has_strangers = named.iter().any(|(_, found)| found.form == best && !is_other(found));
    for (at, found) in named.iter().filter(|(_, found)| found.form == best) {
        if has_strangers && is_other(found) || findings.len() >= MAX_RECIPIENTS {
            continue;
        }
        let words = words_about(&lines, &recipients, *at, found);
        match findings.iter_mut().find(|f| f.address.eq_ignore_ascii_case(found.address)) {
            Some(known) if known.words.is_empty() => known.words = words,
            Some(_) => {}
            None => findings.push(TextFinding { address: found.address.to_owned(), words }),
        }
    }
    if best > LineForm::Transcript {
        // A sentence names one; a second one is about something else.
        findings.truncate(if best == LineForm::Sentence { 1 } else { MAX_RECIPIENTS });
    }
    findings
}

/// The words behind the address and on the lines after it, up to the next recipient.
fn words_about(
    lines: &[&str],
    recipients: &[Option<LineRecipient<'_>>],
    at: usize,
    found: &LineRecipient<'_>,
) -> String {
    let mut words = found.rest.trim().to_owned();
    let mut blanks = 0;
    for (line, next) in lines.iter().zip(recipients).skip(at + 1).take(MAX_WORD_LINES) {
        let is_next = |next: LineRecipient<'_>| {
            next.form <= LineForm::Alone && !next.address.eq_ignore_ascii_case(found.address)
        };
        if next.is_some_and(is_next) {
            break;
        }
        if line.trim().is_empty() {
            blanks += 1;
            if blanks > 1 && !words.is_empty() {
                break;
            }
            continue;
        }
        if !words.is_empty() {
            words.push('\n');
        }
        words.push_str(line.trim());
    }
    words
}

/// `true` if the reply to the command at that line refuses.
fn is_refused(lines: &[&str], at: usize) -> bool {
    lines.iter().skip(at + 1).take(4).any(|line| {
        let words = line.trim_start_matches(|c: char| !c.is_ascii_digit());
        let code = words.get(..3).unwrap_or_default();
        code.starts_with(['4', '5']) && code.bytes().all(|b| b.is_ascii_digit())
    })
}
