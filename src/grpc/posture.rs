//! Converts postures to messages.

use crate::posture::{
    ExchangerPosture, MtaStsMode, MtaStsState, PostureGap, PostureNote, PostureReport,
    PostureState, TlsState, TlsaState,
};
use crate::proto;

/// The message of a posture.
pub(super) fn posture(report: &PostureReport) -> proto::Posture {
    match &report.state {
        PostureState::Known(posture) => proto::Posture {
            state: proto::PostureState::Known.into(),
            mta_sts: Some(mta_sts(&posture.mta_sts)),
            exchangers: posture.exchangers.iter().map(exchanger).collect(),
            notes: posture.notes.iter().map(note).collect(),
            look_time: Some(posture.looked_at.into()),
            text: None,
        },
        PostureState::Unknown(gap) => proto::Posture {
            state: match gap {
                PostureGap::Disabled => proto::PostureState::Disabled,
                PostureGap::NotInTime => proto::PostureState::NotInTime,
            }
            .into(),
            text: Some(gap.sentence().to_owned()),
            ..proto::Posture::default()
        },
    }
}

fn mta_sts(state: &MtaStsState) -> proto::MtaStsPolicy {
    use proto::MtaStsState as Wire;
    let (wire, policy, text) = match state {
        MtaStsState::NotPublished => (Wire::NotPublished, None, None),
        MtaStsState::Published(policy) => {
            let mode = match policy.mode {
                MtaStsMode::Enforce => Wire::Enforce,
                MtaStsMode::Testing => Wire::Testing,
                MtaStsMode::None => Wire::None,
            };
            (mode, Some(policy), None)
        }
        MtaStsState::Unusable(cause) => (Wire::Unusable, None, Some(cause.clone())),
        MtaStsState::Unknown(failure) => (Wire::Unknown, None, Some(failure.to_string())),
    };
    proto::MtaStsPolicy {
        state: wire.into(),
        mx_patterns: policy.map(|policy| policy.mx.clone()).unwrap_or_default(),
        max_age: policy.and_then(|policy| policy.max_age.try_into().ok()),
        text,
    }
}

fn exchanger(exchanger: &ExchangerPosture) -> proto::ExchangerPosture {
    let tlsa = match exchanger.tlsa {
        TlsaState::NotPublished => proto::TlsaState::NotPublished,
        TlsaState::Unsigned => proto::TlsaState::Unsigned,
        TlsaState::Unusable => proto::TlsaState::Unusable,
        TlsaState::Published => proto::TlsaState::Published,
        TlsaState::Unknown(_) => proto::TlsaState::Unknown,
    };
    let mut message = proto::ExchangerPosture {
        host: exchanger.host.to_string(),
        tlsa: tlsa.into(),
        ..proto::ExchangerPosture::default()
    };
    let tls = match &exchanger.tls {
        None => proto::TlsState::Unspecified,
        Some(TlsState::NotOffered) => proto::TlsState::NotOffered,
        Some(TlsState::Failed(cause)) => {
            message.tls_text = Some(cause.clone());
            proto::TlsState::Failed
        }
        Some(TlsState::NotReached(cause)) => {
            message.tls_text = Some(cause.clone());
            proto::TlsState::NotReached
        }
        Some(TlsState::Begun { certificate_fault, matches_tlsa }) => {
            message.certificate_fault.clone_from(certificate_fault);
            message.matches_tlsa = *matches_tlsa;
            proto::TlsState::Begun
        }
    };
    message.tls = tls.into();
    message
}

fn note(note: &PostureNote) -> proto::PostureNote {
    use proto::PostureNoteKind as Kind;
    let kind = match note {
        PostureNote::NoExchangerNamed => Kind::NoExchangerNamed,
        PostureNote::ExchangerNotNamed(_) => Kind::ExchangerNotNamed,
        PostureNote::TlsNotOffered { .. } => Kind::TlsNotOffered,
        PostureNote::TlsFails { .. } => Kind::TlsFails,
        PostureNote::CertificateFault { .. } => Kind::CertificateFault,
        PostureNote::TlsaMismatch(_) => Kind::TlsaMismatch,
        PostureNote::TlsaNotTold { .. } => Kind::TlsaNotTold,
    };
    let host = note.host().map(ToString::to_string);
    proto::PostureNote { kind: kind.into(), host, text: note.to_string() }
}
