//! The transcript of a session, redacted and bounded.

use std::time::{Duration, SystemTime};

use crate::address::redact;
use crate::smtp::outcome::{Speaker, TranscriptLine};
use crate::smtp::wire::{Command, Reply};

/// Lines kept of the opening, and of each transaction.
const MAX_LINES: usize = 250;

/// Characters kept of a line.
const MAX_CHARS: usize = 600;

/// Records how the session opened, always, and the latest transaction, on request.
#[derive(Debug)]
pub(super) struct Transcript {
    began: SystemTime,
    opening: Vec<TranscriptLine>,
    latest: Vec<TranscriptLine>,
    in_transaction: bool,
    recording: bool,
    /// Local parts that were asked about, as servers may repeat them.
    local_parts: Vec<String>,
}

impl Transcript {
    pub(super) fn new(began: SystemTime) -> Self {
        Self {
            began,
            opening: Vec::new(),
            latest: Vec::new(),
            in_transaction: false,
            recording: true,
            local_parts: Vec::new(),
        }
    }

    /// A transaction begins: what was recorded of the one before is dropped.
    pub(super) fn begin_transaction(&mut self, recording: bool) {
        self.latest.clear();
        self.local_parts.clear();
        self.in_transaction = true;
        self.recording = recording;
    }

    /// The opening and the latest transaction.
    pub(super) fn lines(&self) -> Vec<TranscriptLine> {
        self.opening.iter().chain(&self.latest).cloned().collect()
    }

    pub(super) fn client(&mut self, now: SystemTime, command: &Command<'_>) {
        if let Command::Rcpt { recipient, .. } = command
            && self.recording
        {
            self.remember(recipient.local());
        }
        self.push(now, Speaker::Client, || command.redacted());
    }

    /// Remembers a local part: as it is, out of its quotes, and without its tag.
    fn remember(&mut self, local: &str) {
        let bare = local.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
        let untagged = local.split_once('+').map(|(local, _)| local);
        let forms = [Some(local), bare, untagged].into_iter().flatten();
        self.local_parts.extend(forms.map(str::to_owned));
    }

    pub(super) fn event(&mut self, now: SystemTime, line: impl FnOnce() -> String) {
        self.push(now, Speaker::Event, line);
    }

    pub(super) fn server(&mut self, now: SystemTime, reply: &Reply) {
        if !self.recording {
            return;
        }
        for (i, text) in reply.lines.iter().enumerate() {
            let separator = if i + 1 == reply.lines.len() { ' ' } else { '-' };
            let local_parts = std::mem::take(&mut self.local_parts);
            self.push(now, Speaker::Server, || {
                let enhanced = reply.enhanced.map(|status| format!("{status} "));
                let enhanced = enhanced.unwrap_or_default();
                let mut text = redact::text(text);
                // None in the opening, which every session has.
                if !local_parts.is_empty() {
                    text = redact::known(&text, &local_parts);
                }
                format!("{}{separator}{enhanced}{text}", reply.code)
            });
            self.local_parts = local_parts;
        }
    }

    fn push(&mut self, now: SystemTime, speaker: Speaker, line: impl FnOnce() -> String) {
        if !self.recording {
            return;
        }
        let lines = if self.in_transaction { &mut self.latest } else { &mut self.opening };
        let text = match lines.len() {
            MAX_LINES.. => return,
            last if last + 1 == MAX_LINES => "... (not all is shown)".to_owned(),
            _ => shortened(line()),
        };
        let after = now.duration_since(self.began).unwrap_or(Duration::ZERO);
        lines.push(TranscriptLine { after, speaker, text });
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_CHARS
        && let Some((end, _)) = text.char_indices().nth(MAX_CHARS)
    {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opening_stays_and_only_the_latest_transaction() {
        let now = SystemTime::UNIX_EPOCH;
        let mut transcript = Transcript::new(now);
        transcript.server(now, &Reply::parse_text("220 mx").unwrap());
        for line in ["one", "two"] {
            transcript.begin_transaction(true);
            transcript.event(now + Duration::from_secs(1), || line.to_owned());
        }
        let texts: Vec<_> = transcript.lines().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["220 mx", "two"]);
        transcript.begin_transaction(false);
        transcript.event(now, || panic!("not rendered when nobody asked"));
        assert_eq!(transcript.lines().len(), 1);
    }

    #[test]
    fn a_local_part_that_was_asked_is_redacted_where_the_server_repeats_it_alone() {
        let now = SystemTime::UNIX_EPOCH;
        let mut transcript = Transcript::new(now);
        transcript.begin_transaction(true);
        let asked = "zoe.secret+news@example.com".parse().unwrap();
        transcript.client(now, &Command::Rcpt { recipient: &asked, rrvs: false });
        for reply in [
            "550 5.1.1 zoe.secret+news: no such user",
            "550-5.1.1 Zoe.Secret\n550 5.1.1 @example.com is unknown",
            "550 5.1.1 zoe.secret(at)example.com",
        ] {
            transcript.server(now, &Reply::parse_text(reply).unwrap());
        }
        for line in transcript.lines() {
            assert!(!line.text.to_lowercase().contains("secret"), "{}", line.text);
            assert!(line.speaker == Speaker::Client || line.text.starts_with("550"), "{line:?}");
        }
    }

    #[test]
    fn a_transcript_is_redacted_and_bounded() {
        let now = SystemTime::UNIX_EPOCH;
        let mut transcript = Transcript::new(now);
        let reply = format!("550-5.1.1 <jane@example.com>\n550 {}", "x".repeat(5000));
        for _ in 0..1000 {
            transcript.server(now, &Reply::parse_text(&reply).unwrap());
        }
        let lines = transcript.lines();
        assert_eq!(lines[0].text, "550-5.1.1 <j***@example.com>");
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines[MAX_LINES - 1].text, "... (not all is shown)");
        assert!(lines.iter().all(|line| line.text.len() <= MAX_CHARS + 3));
    }
}
