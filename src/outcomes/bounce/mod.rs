//! Bounces: what a mail that came back says, about whom. Pure.
//!
//! A delivery report is read by its fields (RFC 3464, RFC 6533), a complaint by those of RFC 5965.
//! Older servers write words alone: there the recipient stands in `X-Failed-Recipients`, in a line
//! of a known form, or in the `To` of the message that came back, if it went to one address alone.
//! A `To:` within prose is never read: it is often somebody else's. The words of the server go
//! through the rules for replies ([`Classifier`]), so that a bounce and a reply of the same words
//! mean the same.
//!
//! Nothing here is believed: anyone can write a bounce. The store decides whom it may count for.

mod content;
mod fields;
mod lines;
mod meaning;
mod origin;
mod replies;
mod report;
mod returned;
mod text;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use mail_parser::{DateTime, Message, MessageParser};

use super::kind::OutcomeKind;
use crate::address::clean;
use crate::smtp::Classifier;
use content::BounceContent;
use meaning::FailureEvidence;

pub(super) use meaning::judge_words;
use report::{FeedbackReport, RecipientStatus};

/// Number of bytes of one mail that are read.
pub const MAX_MAIL: usize = 4 * 1024 * 1024;

/// Parts of one mail that are read. Each may hold the next, and dropping them goes as deep.
const MAX_PARTS: usize = 300;

/// Recipients of one mail that are read.
const MAX_RECIPIENTS: usize = 2000;

/// Number of bytes of a `Message-ID`: those of the longest line (RFC 5322 section 2.1.1).
const MAX_MESSAGE_ID: usize = 998;

/// The fate of one recipient, as a bounce tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientNotice {
    /// The recipient that the server speaks of, or `None` if it names nobody.
    pub recipient: Option<String>,
    /// The address that the sender wrote to, where it is another one (RFC 3464 section 2.3.1): the
    /// mail was forwarded, and this is the address on the list.
    pub original: Option<String>,
    /// The kind of fate.
    pub kind: OutcomeKind,
    /// The server's words, cut.
    pub words: String,
}

/// A mail that was read as a bounce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BounceMail {
    /// The recipients' fates.
    pub notices: Vec<RecipientNotice>,
    /// The mail's `Date`; where it lies before that of the message that came back, the time at
    /// which the mail reached us: no bounce is older than what it answers.
    pub date: Option<SystemTime>,
    /// The mail's own `Date`, whatever it is.
    pub stated: Option<SystemTime>,
    /// The mail's `Message-ID`, without brackets; `None` if it is too long to be one.
    pub message_id: Option<String>,
    /// The addresses that the mail was sent to: ours, and where a token of ours may stand.
    pub addressed_to: Vec<String>,
}

/// Reads one mail. Time and memory are linear in its length, of which [`MAX_MAIL`] bytes count, and
/// of its parts the first 300: a report stands before the message that came back.
#[must_use]
pub fn read(classifier: &Classifier, mail: &[u8]) -> BounceMail {
    let mail = first_parts(&mail[..mail.len().min(MAX_MAIL)]);
    let Some(message) = MessageParser::default().parse(mail) else { return BounceMail::default() };
    let content = BounceContent::collect(&message);
    let reader = BounceReader { classifier, message: &message, content: &content };
    BounceMail {
        notices: reader.notices(),
        date: reader.date(),
        stated: reader.stated_date(),
        message_id: message.message_id().filter(|id| id.len() <= MAX_MESSAGE_ID).map(str::to_owned),
        addressed_to: reader.addressed_to(),
    }
}

/// The time that a header states.
fn time(date: &DateTime) -> Option<SystemTime> {
    let seconds = u64::try_from(date.to_timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// The beginning of a mail with as many parts as are read: each but the first has this field.
fn first_parts(mail: &[u8]) -> &[u8] {
    const FIELD: &[u8] = b"content-type";
    let fields = mail.windows(FIELD.len()).enumerate();
    let mut fields = fields.filter(|(_, window)| window.eq_ignore_ascii_case(FIELD));
    match fields.nth(MAX_PARTS).map(|(at, _)| at) {
        Some(at) => &mail[..at],
        None => mail,
    }
}

struct BounceReader<'a> {
    classifier: &'a Classifier,
    message: &'a Message<'a>,
    content: &'a BounceContent,
}

impl BounceReader<'_> {
    fn notices(&self) -> Vec<RecipientNotice> {
        if let Some(feedback) = self.content.feedback.iter().find_map(|r| FeedbackReport::read(r)) {
            return self.complaint(&feedback);
        }
        if let Some(feedback) = self.report_of_microsoft() {
            return self.complaint(&feedback);
        }
        let statuses: Vec<RecipientStatus> = self
            .content
            .statuses
            .iter()
            .flat_map(|report| report::recipients(report))
            .take(MAX_RECIPIENTS)
            .collect();
        let mut notices = self.by_status(&statuses);
        if notices.is_empty() {
            notices = self.by_words(&statuses);
        }
        if notices.is_empty() {
            let is_one = self.is_from_a_server() || !statuses.is_empty();
            let kind = if is_one { self.kind_of_all() } else { OutcomeKind::NotABounce };
            notices.push(RecipientNotice {
                recipient: None,
                original: None,
                kind,
                words: String::new(),
            });
        }
        notices
    }

    fn complaint(&self, report: &FeedbackReport) -> Vec<RecipientNotice> {
        let mut recipients = report.recipients.clone();
        if recipients.is_empty() {
            recipients.extend(self.returned_recipient());
        }
        let notice = |recipient| RecipientNotice {
            recipient,
            original: None,
            kind: report.kind,
            words: cut(&report.feedback),
        };
        match recipients.is_empty() {
            true => vec![notice(None)],
            false => recipients.into_iter().map(|address| notice(Some(address))).collect(),
        }
    }

    /// Notices for the recipients that a delivery report names.
    fn by_status(&self, statuses: &[RecipientStatus]) -> Vec<RecipientNotice> {
        let notification = self.content.notification.as_str();
        let found = text::findings(notification, &[]);
        let mut notices: Vec<RecipientNotice> = Vec::new();
        for status in statuses {
            let (original, last) = (status.original.as_deref(), status.last.as_deref());
            let Some(recipient) = last.or(original) else { continue };
            let original = original.filter(|original| !original.eq_ignore_ascii_case(recipient));
            // Two addresses of a list may be forwarded to one mailbox.
            if notices.iter().any(|known| {
                known.recipient.as_deref() == Some(recipient)
                    && known.original.as_deref() == original
            }) {
                continue;
            }
            let own = found.iter().find(|found| found.address.eq_ignore_ascii_case(recipient));
            let own = own.map(|found| found.words.as_str()).unwrap_or_default();
            let mut words = vec![status.diagnostic.as_str(), own];
            if statuses.len() == 1 {
                words.push(notification);
            }
            let evidence = FailureEvidence {
                words,
                status: status.status,
                action: status.action,
                exchanger: status.remote.as_deref(),
                context: own,
            };
            notices.push(RecipientNotice {
                recipient: Some(recipient.to_owned()),
                original: original.map(str::to_owned),
                kind: meaning::judge(self.classifier, &evidence),
                words: cut(&status.diagnostic),
            });
        }
        spare_shared_addresses(&mut notices);
        notices
    }

    /// Notices from the words of the mail, where no report names a recipient.
    fn by_words(&self, statuses: &[RecipientStatus]) -> Vec<RecipientNotice> {
        let notification = self.content.notification.as_str();
        let failed = self.failed_recipients();
        let found = if self.is_from_a_server() || !failed.is_empty() {
            text::findings(notification, &self.others())
        } else {
            Vec::new()
        };
        let words_about = |address: &str| {
            let named = found.iter().find(|f| f.address.eq_ignore_ascii_case(address));
            named.map(|finding| finding.words.as_str()).unwrap_or_default()
        };
        let recipients: Vec<String> = if !failed.is_empty() {
            failed
        } else if !found.is_empty() {
            found.iter().map(|finding| finding.address.clone()).collect()
        } else if self.is_from_a_server() {
            self.returned_recipient().into_iter().collect()
        } else {
            Vec::new()
        };
        let only = statuses.first().filter(|_| statuses.len() == 1);
        let is_one = recipients.len() == 1;
        let notice = |recipient: String| {
            let own = words_about(&recipient);
            let mut words = vec![only.map_or("", |s| s.diagnostic.as_str()), own];
            if is_one {
                words.push(notification);
            }
            let evidence = FailureEvidence {
                words,
                status: only.and_then(|status| status.status),
                action: only.and_then(|status| status.action),
                exchanger: None,
                context: own,
            };
            let kind = meaning::judge(self.classifier, &evidence);
            let words = cut(if own.is_empty() && is_one { notification } else { own });
            RecipientNotice { recipient: Some(recipient), original: None, kind, words }
        };
        recipients.into_iter().map(notice).collect()
    }

    /// The addresses in `X-Failed-Recipients`.
    fn failed_recipients(&self) -> Vec<String> {
        let headers = self.message.headers_raw();
        let named = headers.filter(|(name, _)| name.eq_ignore_ascii_case("X-Failed-Recipients"));
        let addresses = named.flat_map(|(_, value)| value.split(','));
        distinct(addresses.filter_map(|address| Some(lines::take_address(address.trim())?.0)))
    }

    /// The recipient of the message that came back, if it had one alone: of several, nobody says
    /// which one it was.
    fn returned_recipient(&self) -> Option<String> {
        match self.content.returned.as_ref()?.to.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// The kind of a bounce that names nobody.
    fn kind_of_all(&self) -> OutcomeKind {
        let words = vec![self.content.notification.as_str()];
        meaning::judge(self.classifier, &FailureEvidence { words, ..FailureEvidence::default() })
    }

    fn raw_header(&self, name: &str) -> Option<&str> {
        self.message.headers_raw().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    fn stated_date(&self) -> Option<SystemTime> {
        self.message.date().and_then(time)
    }

    fn date(&self) -> Option<SystemTime> {
        let stated = self.stated_date();
        let returned = self.content.returned.as_ref().and_then(|returned| returned.date);
        if stated >= returned {
            return stated;
        }
        // The clock of its server is wrong; the first trace is of ours.
        let came = self.raw_header("Received").and_then(DateTime::parse_rfc822);
        came.as_ref().and_then(time).max(returned)
    }

    fn addressed_to(&self) -> Vec<String> {
        ["Delivered-To", "X-Original-To", "To"]
            .iter()
            .filter_map(|name| self.raw_header(name))
            .flat_map(returned::addresses)
            .filter(|address| address.contains('@'))
            .collect()
    }

    /// Addresses that a bounce mentions and is not about: its sender and its recipient.
    fn others(&self) -> Vec<String> {
        let mut others = self.addressed_to();
        others.extend(
            self.raw_header("From").map(|from| clean::clean(from.trim()).address.into_owned()),
        );
        others.extend(self.content.returned.iter().flat_map(|returned| returned.from.clone()));
        others
    }
}

/// Takes "gone" back from an address that mail went on from to several mailboxes, its own perhaps
/// among them, not all of which are gone: it stands on the list for all of them.
fn spare_shared_addresses(notices: &mut [RecipientNotice]) {
    let shared = |notice: &RecipientNotice| {
        let address = notice.original.as_ref().or(notice.recipient.as_ref())?;
        Some(address.to_ascii_lowercase())
    };
    let others = notices.iter().filter(|notice| notice.kind != OutcomeKind::Gone);
    let living: HashSet<String> = others.filter_map(shared).collect();
    for notice in notices.iter_mut().filter(|notice| notice.kind == OutcomeKind::Gone) {
        if shared(notice).is_some_and(|original| living.contains(&original)) {
            notice.kind = OutcomeKind::Unknown;
        }
    }
}

/// These addresses, none of them twice, as far as [`MAX_RECIPIENTS`] goes.
fn distinct<'a>(addresses: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known = HashSet::new();
    let new = addresses.filter(|address| known.insert(address.to_ascii_lowercase()));
    new.take(MAX_RECIPIENTS).map(str::to_owned).collect()
}

/// The beginning of a text, on one line.
pub(super) fn cut(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() + 1 > meaning::MAX_WORDS {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests;
