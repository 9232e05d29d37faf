//! The writer of a mail: a server, or else a person or an answering machine.

use mail_parser::MimeHeaders as _;

use super::super::kind::OutcomeKind;
use super::BounceReader;
use super::report::FeedbackReport;
use super::returned::ReturnedForm;

/// The sender of Microsoft's complaints, and the beginning of their subject.
const MICROSOFT: &str = "staff@hotmail.com";
const ABOUT: &str = "complaint about message from";

/// Names of servers in `From`.
const SERVERS: [&str; 8] = [
    "mailer-daemon",
    "mailerdaemon",
    "mailer daemon",
    "postmaster",
    "mail.delivery",
    "mail-daemon",
    "mail delivery",
    MICROSOFT,
];

/// The beginnings of addresses in `From` that no person writes from.
const MACHINES: [&str; 2] = ["no-reply@", "noreply@"];

/// Headers of an answer, which a person or an answering machine gives. Reports of servers may have
/// them too.
const ANSWERS: [&str; 4] = ["In-Reply-To", "References", "X-Autoreply", "X-Autorespond"];

impl BounceReader<'_> {
    /// `true` if a server wrote the mail.
    ///
    /// Beside its name, the message that came back tells. A person quotes a message in an answer,
    /// or forwards one as a part; a server returns it within a report, or from nobody, or with the
    /// headers that it got on its way.
    pub(super) fn is_from_a_server(&self) -> bool {
        let from = self.raw_header("From").unwrap_or_default().to_ascii_lowercase();
        let has_one_of = |names: &[&str]| names.iter().any(|name| from.contains(name));
        if has_one_of(&SERVERS) {
            return true;
        }
        let Some(returned) = &self.content.returned else { return false };
        let is_returned = match returned.form {
            ReturnedForm::Quoted => false,
            ReturnedForm::Traced => true,
            ReturnedForm::Attached => self.is_from_nobody() || has_one_of(&MACHINES),
        };
        self.is_report() || is_returned && !self.is_answer()
    }

    /// A complaint in Microsoft's own form (JMRP), which has no report among its parts: the message
    /// alone, in whose headers the recipient stands.
    pub(super) fn report_of_microsoft(&self) -> Option<FeedbackReport> {
        let begins = |name: &str, word: &str| {
            let value = self.raw_header(name).unwrap_or_default().trim();
            let start = value.trim_start_matches('<').get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let returned = self.content.returned.as_ref()?;
        let is_one = begins("From", MICROSOFT) && begins("Subject", ABOUT);
        (is_one && returned.form == ReturnedForm::Attached).then(|| FeedbackReport {
            kind: OutcomeKind::Complaint,
            feedback: "complaint".to_owned(),
            recipients: returned.complainant.iter().cloned().collect(),
        })
    }

    /// `true` for a report (RFC 6522), but that of a reader (RFC 8098).
    fn is_report(&self) -> bool {
        self.message.parts.iter().filter_map(|part| part.content_type()).any(|kind| {
            let of = kind.attribute("report-type").unwrap_or_default();
            kind.ctype() == "multipart"
                && kind.subtype() == Some("report")
                && !of.eq_ignore_ascii_case("disposition-notification")
        })
    }

    /// `true` if the mail has no sender to return it to, as RFC 5321 section 4.5.5 asks of reports:
    /// a delivery agent may write the server's name there.
    fn is_from_nobody(&self) -> bool {
        let path = self.raw_header("Return-Path").unwrap_or_default().trim().to_ascii_lowercase();
        path == "<>" || path.starts_with("<mailer-daemon")
    }

    /// `true` for an answer to another mail (RFC 3834), unless it has the fields of a report.
    fn is_answer(&self) -> bool {
        let is_replied = |value: &str| {
            let word = value.trim().get(.."auto-replied".len());
            word.is_some_and(|word| word.eq_ignore_ascii_case("auto-replied"))
        };
        let has_mark = ANSWERS.iter().any(|name| self.raw_header(name).is_some())
            || self.raw_header("Auto-Submitted").is_some_and(is_replied);
        has_mark && self.content.statuses.is_empty()
    }
}
