//! A verification as one JSON object. The keys are documented in docs/cli.md; they do not change.

use std::time::SystemTime;

use serde::Serialize;

use crate::report::rfc3339;
use crate::verifier::Verification;

/// One line of `mailvet verify --json`.
#[derive(Debug, Serialize)]
pub(super) struct VerificationLine<'a> {
    address: &'a str,
    input: &'a str,
    verdict: &'static str,
    action: &'static str,
    reason: &'static str,
    reasons: Vec<&'static str>,
    code: Option<u16>,
    enhanced: Option<String>,
    reply: Option<String>,
    exchanger: Option<String>,
    exchanger_ip: Option<String>,
    stage: &'static str,
    failure: Option<&'a str>,
    rule: Option<&'a str>,
    catch_all: &'static str,
    flags: Vec<&'static str>,
    canonical: Option<&'a str>,
    suggestion: Option<&'a str>,
    syntax_error: Option<SyntaxErrorLine>,
    retry_after_s: Option<u64>,
    evidence_time: Option<String>,
    from_cache: bool,
    elapsed_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<Vec<TranscriptJson<'a>>>,
}

#[derive(Debug, Serialize)]
struct SyntaxErrorLine {
    reason: &'static str,
    offset: usize,
    message: String,
}

#[derive(Debug, Serialize)]
struct TranscriptJson<'a> {
    after_ms: f64,
    exchanger: &'a str,
    speaker: &'static str,
    text: &'a str,
}

impl<'a> VerificationLine<'a> {
    /// The line for `verification`; with the dialogue, if that was asked for.
    pub(super) fn new(verification: &'a Verification, transcript: bool, now: SystemTime) -> Self {
        let judgement = &verification.judgement;
        let evidence = &verification.evidence;
        let reply = evidence.reply.as_ref();
        Self {
            address: &verification.address,
            input: &verification.input,
            verdict: judgement.verdict.name(),
            action: judgement.action.name(),
            reason: judgement.reason.name(),
            reasons: judgement.reasons.iter().map(|reason| reason.name()).collect(),
            code: reply.map(|reply| reply.code),
            enhanced: reply.and_then(|reply| reply.enhanced).map(|status| status.to_string()),
            reply: reply.map(|reply| reply.text()),
            exchanger: evidence.exchanger.as_ref().map(ToString::to_string),
            exchanger_ip: evidence.exchanger_ip.map(|ip| ip.to_string()),
            stage: judgement.stage.name(),
            failure: evidence.failure.as_deref(),
            rule: evidence.rule.as_deref(),
            catch_all: judgement.catch_all.name(),
            flags: verification.flag_names(),
            canonical: verification.canonical.as_deref(),
            suggestion: verification.suggestion.as_deref(),
            syntax_error: verification.syntax_error.as_ref().map(|error| SyntaxErrorLine {
                reason: error.kind.name(),
                offset: error.offset,
                message: error.to_string(),
            }),
            retry_after_s: verification
                .retry_at
                .map(|at| at.duration_since(now).unwrap_or_default().as_secs_f64().ceil() as u64),
            evidence_time: evidence.gathered_at.map(rfc3339),
            from_cache: evidence.from_cache,
            elapsed_ms: milliseconds(verification.elapsed),
            transcript: transcript.then(|| {
                let said = verification.transcript.iter();
                said.map(|said| TranscriptJson {
                    after_ms: milliseconds(said.line.after),
                    exchanger: said.exchanger.as_str(),
                    speaker: said.line.speaker.name(),
                    text: &said.line.text,
                })
                .collect()
            }),
        }
    }
}

/// Milliseconds, to a tenth.
fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
