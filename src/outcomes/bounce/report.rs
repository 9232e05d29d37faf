//! Reports for programs: delivery status (RFC 3464) and abuse (RFC 5965).

use super::super::kind::OutcomeKind;
use super::fields::{self, FieldGroup};
use super::lines;
use super::meaning::DeliveryAction;
use crate::smtp::EnhancedStatus;

/// One recipient's fields of a delivery report.
#[derive(Debug, Default)]
pub(super) struct RecipientStatus {
    /// The address that the sender gave (`Original-Recipient`).
    pub(super) original: Option<String>,
    /// The address that was tried in the end (`Final-Recipient`).
    pub(super) last: Option<String>,
    pub(super) action: Option<DeliveryAction>,
    pub(super) status: Option<EnhancedStatus>,
    pub(super) diagnostic: String,
    pub(super) remote: Option<String>,
}

/// The recipients of a delivery report.
pub(super) fn recipients(report: &str) -> Vec<RecipientStatus> {
    fields::groups(report).iter().filter_map(recipient).collect()
}

fn recipient(group: &FieldGroup<'_>) -> Option<RecipientStatus> {
    let is_one = ["Final-Recipient", "Original-Recipient", "Action", "Status", "Diagnostic-Code"]
        .iter()
        .any(|name| group.first(name).is_some());
    let diagnostic = group.all("Diagnostic-Code").map(fields::without_type).collect::<Vec<_>>();
    let status = group.first("Status").and_then(|value| {
        let word = value.split(|c: char| c.is_whitespace() || c == '(').find(|w| !w.is_empty())?;
        word.parse().ok()
    });
    let last = address(group, &["Final-Recipient", "X-Actual-Recipient"]);
    let original = address(group, &["Original-Recipient", "X-Original-Recipient"]);
    // An address that was tried as it stands has no escapes.
    let is_last = original == last;
    is_one.then(|| RecipientStatus {
        original: match is_last {
            true => original,
            false => original.map(|address| fields::without_xtext(&address)),
        },
        last,
        action: group.first("Action").and_then(DeliveryAction::from_value),
        status,
        diagnostic: diagnostic.join("\n"),
        remote: group
            .first("Remote-MTA")
            .map(fields::without_type)
            .and_then(|host| host.split_whitespace().next())
            .map(str::to_owned),
    })
}

fn address(group: &FieldGroup<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let value = group.first(name)?;
        let value = fields::unescaped(fields::without_type(value));
        lines::take_address(value.trim()).map(|(address, _)| address.to_owned())
    })
}

/// An abuse report's fields.
#[derive(Debug)]
pub(super) struct FeedbackReport {
    pub(super) kind: OutcomeKind,
    pub(super) feedback: String,
    pub(super) recipients: Vec<String>,
}

impl FeedbackReport {
    /// Reads the fields of a report, or `None` if it names no type.
    pub(super) fn read(report: &str) -> Option<Self> {
        let groups = fields::groups(report);
        let group = groups.iter().find(|group| group.first("Feedback-Type").is_some())?;
        let feedback = group.first("Feedback-Type")?.to_ascii_lowercase();
        let kind = match feedback.as_str() {
            "abuse" | "fraud" | "virus" | "miscategorized" | "complaint" => OutcomeKind::Complaint,
            "opt-out" | "opt-out-list" => OutcomeKind::Unsubscribed,
            // `not-spam` takes a complaint back; `auth-failure` is about signatures.
            "not-spam" | "auth-failure" | "dmarc" => OutcomeKind::NotABounce,
            _ => OutcomeKind::Unknown,
        };
        let named = groups.iter().flat_map(|group| {
            ["Original-Rcpt-To", "Removal-Recipient"].into_iter().flat_map(|name| group.all(name))
        });
        let recipients = super::distinct(
            named.filter_map(|value| Some(lines::take_address(fields::without_type(value))?.0)),
        );
        Some(Self { kind, feedback, recipients })
    }
}
