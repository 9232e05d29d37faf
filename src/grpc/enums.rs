//! Converts enums to those of the wire, name by name.

use crate::address::SyntaxErrorKind;
use crate::lists::OperatorKind;
use crate::proto;
use crate::registration::{RegistrationGap, RegistrationState};
use crate::smtp;
use crate::verdict::{Action, DecisionStage, Reason, Verdict};

pub(super) fn verdict(verdict: Verdict) -> proto::Verdict {
    match verdict {
        Verdict::Deliverable => proto::Verdict::Deliverable,
        Verdict::Risky => proto::Verdict::Risky,
        Verdict::Undeliverable => proto::Verdict::Undeliverable,
        Verdict::Unknown => proto::Verdict::Unknown,
    }
}

pub(super) fn action(action: Action) -> proto::Action {
    match action {
        Action::Send => proto::Action::Send,
        Action::Review => proto::Action::Review,
        Action::RetryLater => proto::Action::RetryLater,
        Action::Suppress => proto::Action::Suppress,
    }
}

pub(super) fn operator_kind(kind: OperatorKind) -> proto::OperatorKind {
    match kind {
        OperatorKind::MailboxProvider => proto::OperatorKind::MailboxProvider,
        OperatorKind::Gateway => proto::OperatorKind::Gateway,
        OperatorKind::Forwarder => proto::OperatorKind::Forwarder,
    }
}

pub(super) fn registration_state(state: &RegistrationState) -> proto::RegistrationState {
    match state {
        RegistrationState::Registered(_) => proto::RegistrationState::Registered,
        RegistrationState::NotRegistered => proto::RegistrationState::NotRegistered,
        RegistrationState::Unknown(_) => proto::RegistrationState::Unknown,
    }
}

pub(super) fn registration_gap(gap: RegistrationGap) -> proto::RegistrationGap {
    match gap {
        RegistrationGap::Disabled => proto::RegistrationGap::Disabled,
        RegistrationGap::NoDomain => proto::RegistrationGap::NoDomain,
        RegistrationGap::NoRegistryService => proto::RegistrationGap::NoRegistryService,
        RegistrationGap::NotInTime => proto::RegistrationGap::NotInTime,
        RegistrationGap::RegistryBusy => proto::RegistrationGap::RegistryBusy,
        RegistrationGap::RateLimited => proto::RegistrationGap::RateLimited,
        RegistrationGap::RegistryUnavailable => proto::RegistrationGap::RegistryUnavailable,
        RegistrationGap::UnreadableAnswer => proto::RegistrationGap::UnreadableAnswer,
    }
}

pub(super) fn stage(stage: DecisionStage) -> proto::Stage {
    match stage {
        DecisionStage::Syntax => proto::Stage::Syntax,
        DecisionStage::Dns => proto::Stage::Dns,
        DecisionStage::Smtp(stage) => match stage {
            smtp::Stage::Connect => proto::Stage::Connect,
            smtp::Stage::Banner => proto::Stage::Banner,
            smtp::Stage::Ehlo => proto::Stage::Ehlo,
            smtp::Stage::StartTls => proto::Stage::Starttls,
            smtp::Stage::Mail => proto::Stage::Mail,
            smtp::Stage::Rcpt | smtp::Stage::Data => proto::Stage::Rcpt,
        },
    }
}

pub(super) fn reason(reason: Reason) -> proto::Reason {
    match reason {
        Reason::MailboxAccepted => proto::Reason::MailboxAccepted,
        Reason::RoleAccount => proto::Reason::RoleAccount,
        Reason::CatchAllUntested => proto::Reason::CatchAllUntested,
        Reason::CatchAll => proto::Reason::CatchAll,
        Reason::MailboxFull => proto::Reason::MailboxFull,
        Reason::DisposableDomain => proto::Reason::DisposableDomain,
        Reason::OptedOut => proto::Reason::OptedOut,
        Reason::InvalidSyntax => proto::Reason::InvalidSyntax,
        Reason::DomainNotFound => proto::Reason::DomainNotFound,
        Reason::NoMailHost => proto::Reason::NoMailHost,
        Reason::NullMx => proto::Reason::NullMx,
        Reason::MailboxNotFound => proto::Reason::MailboxNotFound,
        Reason::MailboxDisabled => proto::Reason::MailboxDisabled,
        Reason::RelayDenied => proto::Reason::RelayDenied,
        Reason::ProviderRule => proto::Reason::ProviderRule,
        Reason::BouncedBefore => proto::Reason::BouncedBefore,
        Reason::Greylisted => proto::Reason::Greylisted,
        Reason::RateLimited => proto::Reason::RateLimited,
        Reason::SenderBlocked => proto::Reason::SenderBlocked,
        Reason::TemporaryFailure => proto::Reason::TemporaryFailure,
        Reason::MailboxBusy => proto::Reason::MailboxBusy,
        Reason::NoConnection => proto::Reason::NoConnection,
        Reason::Timeout => proto::Reason::Timeout,
        Reason::DnsFailure => proto::Reason::DnsFailure,
        Reason::TlsRequired => proto::Reason::TlsRequired,
        Reason::Smtputf8Unsupported => proto::Reason::Smtputf8Unsupported,
        Reason::PolicyRefusal => proto::Reason::PolicyRefusal,
        Reason::ProtocolError => proto::Reason::ProtocolError,
        Reason::TargetRefused => proto::Reason::TargetRefused,
        Reason::NotProbed => proto::Reason::NotProbed,
    }
}

pub(super) fn syntax_error_kind(kind: SyntaxErrorKind) -> proto::SyntaxErrorKind {
    use proto::SyntaxErrorKind as Wire;
    match kind {
        SyntaxErrorKind::Empty => Wire::Empty,
        SyntaxErrorKind::MissingAt => Wire::MissingAt,
        SyntaxErrorKind::MultipleAt => Wire::MultipleAt,
        SyntaxErrorKind::LocalPartEmpty => Wire::LocalPartEmpty,
        SyntaxErrorKind::LocalPartTooLong => Wire::LocalPartTooLong,
        SyntaxErrorKind::DotAtEdge => Wire::DotAtEdge,
        SyntaxErrorKind::ConsecutiveDots => Wire::ConsecutiveDots,
        SyntaxErrorKind::LocalPartCharacter => Wire::LocalPartCharacter,
        SyntaxErrorKind::MisplacedQuote => Wire::MisplacedQuote,
        SyntaxErrorKind::UnclosedQuote => Wire::UnclosedQuote,
        SyntaxErrorKind::BadEscape => Wire::BadEscape,
        SyntaxErrorKind::DisplayName => Wire::DisplayName,
        SyntaxErrorKind::Comment => Wire::Comment,
        SyntaxErrorKind::Whitespace => Wire::Whitespace,
        SyntaxErrorKind::ControlCharacter => Wire::ControlCharacter,
        SyntaxErrorKind::UnsafeCharacter => Wire::UnsafeCharacter,
        SyntaxErrorKind::DomainEmpty => Wire::DomainEmpty,
        SyntaxErrorKind::DomainTooLong => Wire::DomainTooLong,
        SyntaxErrorKind::TrailingDot => Wire::TrailingDot,
        SyntaxErrorKind::LabelEmpty => Wire::LabelEmpty,
        SyntaxErrorKind::LabelTooLong => Wire::LabelTooLong,
        SyntaxErrorKind::HyphenAtEdge => Wire::HyphenAtEdge,
        SyntaxErrorKind::Underscore => Wire::Underscore,
        SyntaxErrorKind::DomainCharacter => Wire::DomainCharacter,
        SyntaxErrorKind::DomainSymbol => Wire::DomainSymbol,
        SyntaxErrorKind::InvalidIdn => Wire::InvalidIdn,
        SyntaxErrorKind::InvalidPunycode => Wire::InvalidPunycode,
        SyntaxErrorKind::UnclosedLiteral => Wire::UnclosedLiteral,
        SyntaxErrorKind::InvalidLiteral => Wire::InvalidLiteral,
        SyntaxErrorKind::InvalidIpv6Literal => Wire::InvalidIpv6Literal,
        SyntaxErrorKind::AddressTooLong => Wire::AddressTooLong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_keeps_its_name_on_the_wire() {
        for r in Reason::ALL {
            let wire = reason(*r).as_str_name();
            assert_eq!(wire, format!("REASON_{}", r.name().to_ascii_uppercase()));
        }
    }

    #[test]
    fn every_syntax_error_keeps_its_name_on_the_wire() {
        for kind in SyntaxErrorKind::ALL {
            let wire = syntax_error_kind(*kind).as_str_name();
            assert_eq!(wire, format!("SYNTAX_ERROR_KIND_{}", kind.name().to_ascii_uppercase()));
        }
    }

    #[test]
    fn every_stage_keeps_its_name_on_the_wire() {
        let smtp_stages = [
            smtp::Stage::Connect,
            smtp::Stage::Banner,
            smtp::Stage::Ehlo,
            smtp::Stage::StartTls,
            smtp::Stage::Mail,
            smtp::Stage::Rcpt,
        ];
        let stages = smtp_stages
            .map(DecisionStage::Smtp)
            .into_iter()
            .chain([DecisionStage::Syntax, DecisionStage::Dns]);
        for s in stages {
            let wire = stage(s).as_str_name();
            assert_eq!(wire, format!("STAGE_{}", s.name().to_ascii_uppercase()));
        }
    }
}
