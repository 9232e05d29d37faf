//! The domain of the sender: SPF (RFC 7208), mail (RFC 5321 section 5.1), DMARC (RFC 7489), its
//! registration.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::address::NO_ADDRESS;
use crate::dns::Route;
use crate::doctor::facts::{IdentityFacts, SenderFacts, SpfFacts};
use crate::doctor::finding::Diagnosis;
use crate::registration::facts::date;
use crate::registration::{Registration, RegistrationFacts, RegistrationState};
use crate::spf::{SpfResult, is_dmarc};

/// Age up to which a domain is new, to those who rate senders.
const NEW: Duration = Duration::from_secs(30 * 86_400);

/// Time before the end of a registration at which it should have been renewed.
const RENEWAL: Duration = Duration::from_secs(14 * 86_400);

/// SPF of each name that servers check, for each address.
pub(super) fn spf(identity: &IdentityFacts) -> Vec<Diagnosis> {
    if identity.addresses.is_empty() {
        return vec![Diagnosis::skipped("spf", NO_ADDRESS)];
    }
    let all = identity.addresses.iter().map(|facts| mechanism(facts.address));
    let all = all.collect::<Vec<_>>().join(" ");
    let mut findings = Vec::new();
    for facts in &identity.addresses {
        if facts.spf.is_empty() {
            let why = "neither the HELO name nor the sender has a domain";
            findings.push(Diagnosis::skipped("spf", why).about(facts.address));
        }
        for spf in &facts.spf {
            let found = judge_spf(spf, facts.address, &all);
            findings.push(found.about(format!("{} for {}", facts.address, spf.domain)));
        }
    }
    findings
}

/// The mechanism of SPF that covers an address.
fn mechanism(address: IpAddr) -> String {
    let family = if address.is_ipv4() { "ip4" } else { "ip6" };
    format!("{family}:{address}")
}

/// Judges SPF of one name for `address`; `all` covers every address of the identity.
fn judge_spf(spf: &SpfFacts, address: IpAddr, all: &str) -> Diagnosis {
    const ID: &str = "spf";
    let because = &spf.outcome.because;
    let role = if spf.of_helo {
        "the HELO name, which stands for the null sender"
    } else {
        "the sender's domain"
    };
    let refused =
        "servers that check SPF refuse us at MAIL or RCPT: sender_blocked or policy_refusal";
    // Two records are a PermError for all of the domain's mail (section 4.5).
    let extend = || {
        format!(
            "add {} to the one SPF record of {}, right after \"v=spf1\"; never publish a second one",
            mechanism(address),
            spf.domain
        )
    };
    match spf.outcome.verdict {
        SpfResult::Pass => Diagnosis::pass(ID, format!("covered by {because}")),
        SpfResult::Fail => Diagnosis::fail(ID, format!("{role} forbids the address: {because}"))
            .means(refused)
            .remedy(extend()),
        SpfResult::SoftFail | SpfResult::Neutral => {
            Diagnosis::warn(ID, format!("{role} does not vouch for the address: {because}"))
                .means("some servers treat us worse: greylisted, or policy_refusal")
                .remedy(extend())
        }
        SpfResult::None => Diagnosis::warn(ID, format!("no record: {because}"))
            .means("some servers trust us less: greylisted, or policy_refusal")
            .remedy(format!(
                "publish a TXT record for {} that covers the address, such as \"v=spf1 {} {all} \
                 -all\"; never publish a second one",
                spf.domain,
                if spf.of_helo { "a" } else { "a mx" }
            )),
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
    let registration = sender.registration.as_ref().map(|found| registration(found, sender));
    let found = [mail(sender), dmarc(sender)].into_iter().chain(registration);
    found.map(|finding| finding.about(&sender.domain)).collect()
}

/// Judges the registration of the sender's domain: its age, its end, a hold, its deletion.
fn registration(registration: &Registration, sender: &SenderFacts) -> Diagnosis {
    const ID: &str = "sender_registration";
    let facts = match &registration.state {
        RegistrationState::Unknown(gap) => return Diagnosis::skipped(ID, gap.sentence()),
        // Of a suffix whose names are held elsewhere, such as ac.uk, the service knows nothing.
        RegistrationState::NotRegistered if sender.route != Ok(Route::NoSuchDomain) => {
            return Diagnosis::skipped(
                ID,
                match sender.route {
                    Ok(_) => {
                        "is in DNS, and the registry's service does not know it: names below this \
                     suffix are held elsewhere"
                    }
                    Err(_) => "the registry's service does not know it, and DNS did not say",
                },
            );
        }
        RegistrationState::NotRegistered => {
            return Diagnosis::fail(ID, "is not registered, and not in DNS")
                .means("servers that check the sender refuse MAIL; anybody may be able to take it")
                .remedy("use a sender in a domain of yours");
        }
        RegistrationState::Registered(facts) => facts,
    };
    stage(facts).unwrap_or_else(|| term(facts, registration.asked_at))
}

/// The stage of a registration in which the domain is not in DNS, or soon leaves it.
fn stage(facts: &RegistrationFacts) -> Option<Diagnosis> {
    const ID: &str = "sender_registration";
    let first = |statuses: [&'static str; 2]| statuses.into_iter().find(|s| facts.has_status(s));
    if let Some(deletion) = first(["redemption period", "pending delete"]) {
        let found = Diagnosis::fail(ID, format!("is being deleted: {deletion}"))
            .means(
                "the domain leaves DNS, if it has not yet, and servers that check the sender \
                 refuse MAIL; then anybody may take it",
            )
            .remedy(
                "have the registrar restore it, while it can be, or use a sender in another \
                 domain of yours",
            );
        return Some(found);
    }
    let hold = first(["client hold", "server hold"])?;
    Some(
        Diagnosis::fail(ID, format!("is on hold: {hold}"))
            .means("the domain is not in DNS, and servers that check the sender refuse MAIL")
            .remedy(
                "settle it with the registrar: an unpaid bill, an address that is not verified",
            ),
    )
}

/// Judges since when a domain is registered, and until when, by what was told at `asked_at`.
fn term(facts: &RegistrationFacts, asked_at: Option<SystemTime>) -> Diagnosis {
    const ID: &str = "sender_registration";
    let is_new = |at| asked_at.is_some_and(|now| at + NEW > now);
    if let Some(end) = facts.expires_at.filter(|end| asked_at > Some(*end - RENEWAL)) {
        let verb = if asked_at > Some(end) { "ended" } else { "ends" };
        return Diagnosis::warn(ID, format!("its registration {verb} on {}", date(end)))
            .means(
                "after that the domain leaves DNS, and servers that check the sender refuse MAIL",
            )
            .remedy("renew it");
    }
    match facts.registered_at {
        Some(at) if is_new(at) => {
            Diagnosis::warn(ID, format!("registered on {}: a new domain", date(at)))
                .means(
                    "many servers and blocklists trust no domain of less than a month: greylisted, \
                     policy_refusal or sender_blocked",
                )
                .remedy("verify from an older domain of yours, or wait until it is a month old")
        }
        Some(at) => Diagnosis::pass(ID, format!("registered since {}", date(at))),
        None => Diagnosis::pass(ID, "registered"),
    }
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
    let records: Vec<&String> = sender.dmarc.texts().iter().filter(|text| is_dmarc(text)).collect();
    let (domain, holder) = (&sender.domain, &sender.dmarc_of);
    let weigh = |seen: String, remedy: String| {
        Diagnosis::warn(ID, seen)
            .means(
                "nothing by itself, as no message is sent; servers that rate the sender's domain \
                 trust it less",
            )
            .remedy(remedy)
    };
    match records[..] {
        [] => weigh(
            "publishes no DMARC policy".to_owned(),
            format!(
                "publish one TXT record at _dmarc.{domain}, such as \"v=DMARC1; p=none; \
                 rua=mailto:...\""
            ),
        ),
        [record] => match policy(record, domain != holder) {
            Ok((tag, policy)) if domain == holder => {
                Diagnosis::pass(ID, format!("publishes DMARC: {tag}={policy}"))
            }
            Ok((tag, policy)) => {
                Diagnosis::pass(ID, format!("has the DMARC policy of {holder}: {tag}={policy}"))
            }
            Err(tag) => weigh(
                format!("the DMARC record of {holder} has no policy in its tag {tag}"),
                format!(
                    "let {tag} be none, quarantine or reject in the one record at _dmarc.{holder}"
                ),
            ),
        },
        _ => weigh(
            format!("{holder} publishes more than one DMARC record, so none counts"),
            format!("leave one of the records at _dmarc.{holder}, and take the others away"),
        ),
    }
}

/// The policy that a record asks for, and its tag (RFC 7489 section 6.3). Of the organisation's
/// record `sp` governs a domain below it, and `p` where there is no `sp`. The error is the tag that
/// has none: then receivers follow neither (section 6.6.3).
fn policy(record: &str, is_below: bool) -> Result<(&'static str, &str), &'static str> {
    let find = |wanted: &'static str| {
        record.split(';').find_map(|tag| {
            let (name, value) = tag.split_once('=')?;
            (name.trim() == wanted).then_some((wanted, value.trim()))
        })
    };
    let own = find("p").filter(|(_, value)| is_policy(value)).ok_or("p")?;
    match find("sp") {
        Some((tag, value)) if !is_policy(value) => Err(tag),
        Some(below) if is_below => Ok(below),
        _ => Ok(own),
    }
}

fn is_policy(value: &str) -> bool {
    ["none", "quarantine", "reject"].iter().any(|known| value.eq_ignore_ascii_case(known))
}
