//! The parts of a bounce: words for people, fields for programs, and the message that came back.

use mail_parser::{Message, MessagePart, MimeHeaders as _, PartType};

use super::returned::{self, ReturnedForm, ReturnedHeaders};

/// Number of bytes of each text that are read.
const MAX_TEXT: usize = 64 * 1024;

/// Number of messages within messages that are looked into.
const MAX_DEPTH: usize = 4;

/// The parts of one mail, sorted by their purpose.
#[derive(Debug, Default)]
pub(super) struct BounceContent {
    /// The words for people, without the message that came back.
    pub(super) notification: String,
    /// The fields of delivery reports (RFC 3464).
    pub(super) statuses: Vec<String>,
    /// The fields of abuse reports (RFC 5965).
    pub(super) feedback: Vec<String>,
    /// The headers of the message that came back.
    pub(super) returned: Option<ReturnedHeaders>,
}

impl BounceContent {
    /// Sorts the parts of `message`.
    pub(super) fn collect(message: &Message<'_>) -> Self {
        let mut content = Self::default();
        content.add_parts(message);
        if content.is_empty() {
            // The boundary does not fit, or there is none: the parts are still there to be read.
            let body = message.root_part().raw_body_offset() as usize;
            let raw = message.raw_message().get(body..).unwrap_or_default();
            content.add_notification(&String::from_utf8_lossy(&raw[..raw.len().min(MAX_TEXT)]));
        }
        // Bounces that somebody forwarded as attachments, or a gateway wrapped up.
        let mut level = vec![message];
        for _ in 0..MAX_DEPTH {
            if content.has_reports() {
                break;
            }
            level = level.into_iter().flat_map(|it| it.parts.iter().filter_map(nested)).collect();
            for inner in &level {
                content.add_reports_of(inner);
            }
        }
        content
    }

    fn is_empty(&self) -> bool {
        self.notification.trim().is_empty() && !self.has_reports()
    }

    fn has_reports(&self) -> bool {
        !self.statuses.is_empty() || !self.feedback.is_empty()
    }

    /// Adds the reports of a message within the mail, and with the first the message it returns.
    /// A complaint behind others is left out: it is about whoever got the message that it returns,
    /// and known is the first one's.
    fn add_reports_of(&mut self, inner: &Message<'_>) {
        let mut within = Self::default();
        within.add_parts(inner);
        if !within.has_reports() {
            return;
        }
        if !self.has_reports() {
            self.returned = within.returned.or(self.returned.take());
            self.feedback = within.feedback;
        }
        self.statuses.append(&mut within.statuses);
    }

    fn add_parts(&mut self, message: &Message<'_>) {
        for part in &message.parts {
            match &part.body {
                PartType::Text(text) => self.add_text(part, text),
                PartType::Html(html) => self.add_html(html),
                PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                    self.add_text(part, &String::from_utf8_lossy(bytes));
                }
                PartType::Message(returned) => {
                    self.add_returned(ReturnedHeaders::from_message(returned));
                }
                PartType::Multipart(_) => {}
            }
        }
    }

    fn add_text(&mut self, part: &MessagePart<'_>, text: &str) {
        let kind = part.content_type();
        let subtype = kind.and_then(|kind| kind.subtype()).unwrap_or("plain").to_ascii_lowercase();
        match (kind.map_or("text", |kind| kind.ctype()), subtype.as_str()) {
            ("message", "delivery-status" | "global-delivery-status") => {
                self.statuses.push(text.to_owned());
            }
            ("message", "feedback-report") => self.feedback.push(text.to_owned()),
            (_, "rfc822-headers" | "global-headers") | ("message", "rfc822" | "global") => {
                self.add_returned(ReturnedHeaders::from_text(ReturnedForm::Attached, text));
            }
            ("text", "html") => self.add_html(text),
            ("text", _) => self.add_notification(text),
            _ => {}
        }
    }

    /// The words of a page serve where there are no others.
    fn add_html(&mut self, html: &str) {
        if self.notification.trim().is_empty() {
            let html = &html[..html.floor_char_boundary(MAX_TEXT)];
            self.add_notification(&mail_parser::decoders::html::html_to_text(html));
        }
    }

    fn add_notification(&mut self, text: &str) {
        let text = &text[..text.floor_char_boundary(MAX_TEXT)];
        if self.statuses.is_empty() && has_status_fields(text) {
            self.statuses.push(text.to_owned());
        }
        let (words, headers) = returned::split(text);
        if self.notification.len() < MAX_TEXT {
            self.notification.push_str(words);
            self.notification.push('\n');
        }
        if let Some(headers) = headers {
            self.add_returned(headers);
        }
    }

    /// Keeps the headers of the surest form, and of those the first.
    fn add_returned(&mut self, headers: ReturnedHeaders) {
        if self.returned.as_ref().is_none_or(|known| known.form < headers.form) {
            self.returned = Some(headers);
        }
    }
}

fn nested<'m>(part: &'m MessagePart<'_>) -> Option<&'m Message<'m>> {
    match &part.body {
        PartType::Message(message) => Some(message),
        _ => None,
    }
}

/// `true` if the fields of a delivery report stand in a text: a bounce that lost its MIME
/// structure.
fn has_status_fields(text: &str) -> bool {
    let begins = |name: &str| {
        text.lines().any(|line| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    };
    begins("final-recipient:") && (begins("action:") || begins("status:"))
}
