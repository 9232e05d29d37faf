//! Verdicts for a terminal.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub(super) use crate::report::printable;

/// Good news.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// News to look at.
pub(super) const CAREFUL: Style = AnsiColor::Yellow.on_default().bold();
/// Bad news.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// No news.
pub(super) const OPEN: Style = AnsiColor::Cyan.on_default().bold();
/// The style of secondary text.
pub(super) const DIM: Style = Style::new().dimmed();

/// A verdict's colour, by its name.
pub(super) fn style(verdict: &str) -> Style {
    match verdict {
        "deliverable" => GOOD,
        "risky" => CAREFUL,
        "undeliverable" => BAD,
        _ => OPEN,
    }
}

/// `text` cut to `width` columns, with an ellipsis where it was cut, and filled with spaces.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let cut = text.width() > width;
    let room = if cut { width.saturating_sub(1) } else { width };
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w > room {
            break;
        }
        out.push(c);
        used += w;
    }
    if cut && width > 0 {
        out.push('…');
        used += 1;
    }
    out.extend(std::iter::repeat_n(' ', width - used.min(width)));
    out
}

/// Lines of at most `width` columns, broken between words; none for no text.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// An error with its causes, each said once: many errors name their cause themselves.
pub(super) fn message(error: &anyhow::Error) -> String {
    let mut sentences = error.chain().map(sentence);
    let mut text = sentences.next().unwrap_or_default();
    for cause in sentences {
        if !text.contains(cause.trim()) {
            text.push_str(": ");
            text.push_str(cause.trim());
        }
    }
    printable(&text).replace("\\u{a}", "\n")
}

/// The credentials that commands take.
const CREDENTIALS: &str = "here: MAILVET_API_KEY or --api-key-file FILE, or --client-cert FILE \
     with --client-key FILE";

/// What an error says. A service's refusal is its message; the code and the metadata beside it are
/// for programs.
fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<tonic::Status>() {
        Some(status) if status.message().is_empty() => status.code().to_string(),
        // A service tells its callers of metadata, which nobody can set at a command line.
        Some(status) if status.code() == tonic::Code::Unauthenticated => {
            format!("{} ({CREDENTIALS})", status.message())
        }
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    }
}

/// The width that tables and the findings of the doctor are set for.
pub(super) const WIDTH: usize = 132;

/// The columns of the terminal that `stream` is, or those of a usual one.
pub(super) fn terminal_width(stream: impl AsFd + IsTerminal) -> usize {
    const USUAL: usize = 80;
    if !stream.is_terminal() {
        return USUAL;
    }
    let size = rustix::termios::tcgetwinsize(stream);
    size.map_or(USUAL, |size| if size.ws_col == 0 { USUAL } else { usize::from(size.ws_col) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_filled_to_columns_not_characters() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 5), "abcd…");
        assert_eq!(fit("例例例", 5), "例例…");
        assert_eq!(fit("例例例", 4), "例… ");
        assert_eq!(fit("", 2), "  ");
    }

    #[test]
    fn an_error_says_each_of_its_causes_once() {
        let cause = std::io::Error::other("no such file");
        let error = anyhow::Error::new(cause).context("it cannot be read: no such file");
        assert_eq!(message(&error), "it cannot be read: no such file");
        let error = anyhow::anyhow!("no such file").context("it cannot be read").context("stop");
        assert_eq!(message(&error), "stop: it cannot be read: no such file");
    }

    #[test]
    fn a_refusal_of_the_service_is_its_message_without_its_code() {
        let refused = || tonic::Status::permission_denied("ask for another key");
        assert_eq!(message(&refused().into()), "ask for another key");
        let error = anyhow::Error::new(refused()).context("https://vet.example");
        assert_eq!(message(&error), "https://vet.example: ask for another key");
        let silent = tonic::Status::new(tonic::Code::Unimplemented, "");
        assert!(!message(&silent.into()).is_empty());
    }

    #[test]
    fn a_service_that_wants_a_key_is_answered_with_the_flags_that_show_one() {
        let refused = message(&tonic::Status::unauthenticated("send an API key").into());
        assert!(refused.starts_with("send an API key (here: MAILVET_API_KEY"), "{refused}");
        assert!(refused.contains("--api-key-file") && refused.contains("--client-cert"));
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("extraordinary", 7), ["extraordinary"]);
        assert!(wrapped("", 7).is_empty());
    }
}
