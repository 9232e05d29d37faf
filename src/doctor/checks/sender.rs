//! The domain of the sender: SPF (RFC 7208), mail (RFC 5321 section 5.1), DMARC (RFC 7489).

use super::address::NO_ADDRESS;
use crate::dns::Route;
use crate::doctor::facts::{IdentityFacts, SenderFacts, SpfFacts};
use crate::doctor::finding::Diagnosis;
use crate::spf::SpfResult;

/// SPF of each name that servers check, for each address.
pub(super) fn spf(identity: &IdentityFacts) -> Vec<Diagnosis> {
    if identity.addresses.is_empty() {
        return vec![Diagnosis::skipped("spf", NO_ADDRESS)];
    }
    let mut findings = Vec::new();
    for facts in &identity.addresses {
        if facts.spf.is_empty() {
            let why = "neither the HELO name nor the sender has a domain";
            findings.push(Diagnosis::skipped("spf", why).about(facts.address));
        }
        for spf in &facts.spf {
            findings.push(judge_spf(spf).about(format!("{} for {}", facts.address, spf.domain)));
        }
    }
    findings
}

fn judge_spf(spf: &SpfFacts) -> Diagnosis {
    const ID: &str = "spf";
    let because = &spf.outcome.because;
    let role = if spf.of_helo {
        "the HELO name, which stands for the null sender"
    } else {
        "the sender's domain"
    };
    let refused =
        "servers that check SPF refuse us at MAIL or RCPT: sender_blocked or policy_refusal";
    let add = format!(
        "publish a TXT record for {} that covers the address, such as \"v=spf1 {} -all\"",
        spf.domain,
        if spf.of_helo { "a" } else { "a mx" }
    );
    match spf.outcome.verdict {
        SpfResult::Pass => Diagnosis::pass(ID, format!("covered by {because}")),
        SpfResult::Fail => Diagnosis::fail(ID, format!("{role} forbids the address: {because}"))
            .means(refused)
            .remedy(add),
        SpfResult::SoftFail | SpfResult::Neutral => {
            Diagnosis::warn(ID, format!("{role} does not vouch for the address: {because}"))
                .means("some servers treat us worse: greylisted, or policy_refusal")
                .remedy(add)
        }
        SpfResult::None => Diagnosis::warn(ID, format!("no record: {because}"))
            .means("some servers trust us less: greylisted, or policy_refusal")
            .remedy(add),
        SpfResult::PermError => {
            Diagnosis::fail(ID, format!("the record is broken: {because}")).means(refused).remedy(
                "repair the record: one record a domain, terms as RFC 7208 has them, at most ten \
                 lookups",
            )
        }
        SpfResult::TempError => Diagnosis::skipped(ID, format!("DNS did not say: {because}")),
    }
}

/// Judges whether the sender's domain receives mail and publishes DMARC.
pub(super) fn domain(identity: &IdentityFacts) -> Vec<Diagnosis> {
    let Some(sender) = &identity.sender else {
        let why = "only the null sender is used, which has no domain";
        return ["sender_mail", "sender_dmarc"].map(|id| Diagnosis::skipped(id, why)).into();
    };
    vec![mail(sender).about(&sender.domain), dmarc(sender).about(&sender.domain)]
}

fn mail(sender: &SenderFacts) -> Diagnosis {
    const ID: &str = "sender_mail";
    let seen = match &sender.route {
        Ok(Route::Exchangers(hosts)) => {
            let count = hosts.len();
            return Diagnosis::pass(ID, format!("receives mail through {count} exchanger(s)"));
        }
        Ok(Route::ImplicitMx(_)) => {
            return Diagnosis::pass(ID, "has no MX record and receives mail at its own address");
        }
        Err(failure) => return Diagnosis::skipped(ID, format!("DNS did not say: {failure}")),
        Ok(Route::NullMx) => "says that it takes no mail (null MX)",
        Ok(Route::NoSuchDomain) => "does not exist",
        Ok(Route::NoMail) => "has no mail host",
    };
    Diagnosis::fail(ID, seen)
        .means(
            "servers that check the sender refuse MAIL: policy_refusal or sender_blocked for \
             everybody there",
        )
        .remedy(
            "use a sender in a domain of yours that has an MX record, and read what comes back \
             to it",
        )
}

fn dmarc(sender: &SenderFacts) -> Diagnosis {
    const ID: &str = "sender_dmarc";
    if let Some(failure) = sender.dmarc.failure() {
        return Diagnosis::skipped(ID, format!("DNS did not say: {failure}"));
    }
    let is_dmarc = |text: &&String| {
        let version = text.split(';').next().unwrap_or_default();
        version
            .split_once('=')
            .is_some_and(|(tag, value)| tag.trim() == "v" && value.trim() == "DMARC1")
    };
    let records: Vec<&String> = sender.dmarc.texts().iter().filter(is_dmarc).collect();
    let add = format!(
        "publish one TXT record at _dmarc.{}, such as \"v=DMARC1; p=none; rua=mailto:...\"",
        sender.domain
    );
    let weigh = |seen: &str| {
        Diagnosis::warn(ID, seen)
            .means(
                "nothing by itself, as no message is sent; servers that rate the sender's domain \
                 trust it less",
            )
            .remedy(add.clone())
    };
    match records[..] {
        [] => weigh("publishes no DMARC policy"),
        [record] => match policy(record) {
            Some(policy) => Diagnosis::pass(ID, format!("publishes DMARC: p={policy}")),
            None => {
                weigh("publishes a DMARC record without a policy (p=none, quarantine or reject)")
            }
        },
        _ => weigh("publishes more than one DMARC record, so none counts"),
    }
}

/// The policy that a record asks for (RFC 7489 section 6.3).
fn policy(record: &str) -> Option<&str> {
    record.split(';').find_map(|tag| {
        let (name, value) = tag.split_once('=')?;
        let value = value.trim();
        let known = ["none", "quarantine", "reject"].iter().any(|p| value.eq_ignore_ascii_case(p));
        (name.trim() == "p" && known).then_some(value)
    })
}
