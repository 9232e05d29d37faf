//! The transcript of a session, redacted and bounded.

use std::time::{Duration, SystemTime};

use crate::address::redact;
use crate::smtp::outcome::{Speaker, TranscriptLine};
use crate::smtp::wire::Reply;

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
}

impl Transcript {
    pub(super) fn new(began: SystemTime) -> Self {
        Self {
            began,
            opening: Vec::new(),
            latest: Vec::new(),
            in_transaction: false,
            recording: true,
        }
    }

    /// A transaction begins: what was recorded of the one before is dropped.
    pub(super) fn begin_transaction(&mut self, recording: bool) {
        self.latest.clear();
        self.in_transaction = true;
        self.recording = recording;
    }

    /// The opening and the latest transaction.
    pub(super) fn lines(&self) -> Vec<TranscriptLine> {
        self.opening.iter().chain(&self.latest).cloned().collect()
    }

    pub(super) fn client(&mut self, now: SystemTime, line: impl FnOnce() -> String) {
        self.push(now, Speaker::Client, line);
    }

    pub(super) fn event(&mut self, now: SystemTime, line: impl FnOnce() -> String) {
        self.push(now, Speaker::Event, line);
    }

    pub(super) fn server(&mut self, now: SystemTime, reply: &Reply) {
        for (i, text) in reply.lines.iter().enumerate() {
            let separator = if i + 1 == reply.lines.len() { ' ' } else { '-' };
            self.push(now, Speaker::Server, || {
                let enhanced = reply.enhanced.map(|status| format!("{status} "));
                let enhanced = enhanced.unwrap_or_default();
                redact::text(&format!("{}{separator}{enhanced}{text}", reply.code))
            });
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
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
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
            transcript.client(now + Duration::from_secs(1), || line.to_owned());
        }
        let texts: Vec<_> = transcript.lines().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["220 mx", "two"]);
        transcript.begin_transaction(false);
        transcript.client(now, || panic!("not rendered when nobody asked"));
        assert_eq!(transcript.lines().len(), 1);
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
