//! check_host() of RFC 7208 section 4, asked step by step.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::expand::{MacroString, MacroValues};
use super::record::{self, Directive, Mechanism, Prefixes, Qualifier, SpfRecord};
use crate::address::DomainName;
use crate::dns::query::{Query, QueryResult};

/// Terms that cost a lookup (section 4.6.4).
const MOST_LOOKUPS: u32 = 10;
/// Terms with lookups that bring nothing (section 4.6.4).
const MOST_VOID: u32 = 2;
/// Exchangers of one `mx`, names of one `ptr` (section 4.6.4).
const MOST_NAMES: usize = 10;

/// The arguments of `check_host()`: may this address send for this sender?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The address the receiver sees.
    pub ip: IpAddr,
    /// The local part of the sender; `postmaster` for the null sender (section 2.4).
    pub local: String,
    /// The domain of the sender; the HELO name for the null sender.
    pub domain: DomainName,
    /// The name in HELO.
    pub helo: String,
}

/// Result of the check (section 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpfResult {
    /// The domain has no record.
    None,
    /// The domain does not say.
    Neutral,
    /// The address may.
    Pass,
    /// The address may not.
    Fail,
    /// The address probably may not.
    SoftFail,
    /// DNS failed for now.
    TempError,
    /// The record cannot be understood.
    PermError,
}

/// A verdict, and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfOutcome {
    /// The verdict.
    pub verdict: SpfResult,
    /// The term that matched, or what is wrong.
    pub because: String,
    /// Number of the ten lookups it took.
    pub lookups: u32,
}

/// The next thing to do for the caller of [`evaluate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpfStep {
    /// Ask this, and call [`evaluate`] again with the answer.
    Ask(Query),
    /// There is nothing left to ask.
    Done(SpfOutcome),
}

/// Evaluates as far as what is known reaches.
#[must_use]
pub fn evaluate(request: &Request, known: &BTreeMap<Query, QueryResult>) -> SpfStep {
    let ip = request.ip.to_canonical();
    let mut evaluation = Evaluation { request, ip, known, lookups: 0, voids: 0 };
    let (verdict, because) = match evaluation.check_host(&request.domain) {
        Ok(found) => found,
        Err(Stop::Ask(question)) => return SpfStep::Ask(question),
        Err(Stop::Temporary(why)) => (SpfResult::TempError, why),
        Err(Stop::Permanent(why)) => (SpfResult::PermError, why),
    };
    SpfStep::Done(SpfOutcome { verdict, because, lookups: evaluation.lookups })
}

/// Why an evaluation cannot go on.
enum Stop {
    Ask(Query),
    Temporary(String),
    Permanent(String),
}

struct Evaluation<'a> {
    request: &'a Request,
    ip: IpAddr,
    known: &'a BTreeMap<Query, QueryResult>,
    lookups: u32,
    voids: u32,
}

impl<'a> Evaluation<'a> {
    fn check_host(&mut self, domain: &DomainName) -> Result<(SpfResult, String), Stop> {
        let carried = domain.labels().all(|label| (1..=63).contains(&label.len()));
        if !carried || domain.labels().count() < 2 {
            return Ok((SpfResult::None, format!("{domain} is not a full domain name")));
        }
        let Some(record) = self.record(domain)? else {
            return Ok((SpfResult::None, format!("{domain} has no SPF record")));
        };
        for directive in &record.directives {
            if self.matches(domain, directive)? {
                let verdict = match directive.qualifier {
                    Qualifier::Pass => SpfResult::Pass,
                    Qualifier::Fail => SpfResult::Fail,
                    Qualifier::SoftFail => SpfResult::SoftFail,
                    Qualifier::Neutral => SpfResult::Neutral,
                };
                return Ok((verdict, format!("\"{}\" of {domain}", directive.text)));
            }
        }
        let Some(redirect) = &record.redirect else {
            return Ok((SpfResult::Neutral, format!("no term of {domain} matches")));
        };
        self.lookup()?;
        let broken = || Stop::Permanent(format!("the redirect of {domain} leads nowhere"));
        let target = self.expand(redirect, domain).ok_or_else(broken)?;
        match self.check_host(&target)? {
            (SpfResult::None, why) => Err(Stop::Permanent(format!("redirect: {why}"))),
            found => Ok(found),
        }
    }

    /// The domain's record (sections 4.4 and 4.5).
    fn record(&self, domain: &DomainName) -> Result<Option<SpfRecord>, Stop> {
        let heard = self.ask(Query::Texts(domain.clone()))?;
        let mut records = heard.texts().iter().filter(|text| record::is_spf(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => {
                Err(Stop::Permanent(format!("{domain} has more than one SPF record")))
            }
            (Some(text), None) => record::parse(text).map(Some).map_err(|term| {
                Stop::Permanent(format!("{term:?} in the record of {domain} cannot be read"))
            }),
        }
    }

    fn matches(&mut self, domain: &DomainName, directive: &Directive) -> Result<bool, Stop> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Network(network) => Ok(network.contains(&self.ip)),
            Mechanism::Include(target) => {
                self.lookup()?;
                let broken = || Stop::Permanent(format!("{:?} leads nowhere", directive.text));
                let target = self.expand(target, domain).ok_or_else(broken)?;
                match self.check_host(&target)? {
                    (SpfResult::Pass, _) => Ok(true),
                    (SpfResult::None, why) => Err(Stop::Permanent(format!("include: {why}"))),
                    _ => Ok(false),
                }
            }
            Mechanism::A(target, prefixes) => {
                self.lookup()?;
                let Some(target) = self.target(target.as_ref(), domain) else { return Ok(false) };
                self.address_matches(target, *prefixes)
            }
            Mechanism::Mx(target, prefixes) => {
                self.lookup()?;
                let Some(target) = self.target(target.as_ref(), domain) else { return Ok(false) };
                self.exchanger_matches(&target, *prefixes)
            }
            Mechanism::Exists(target) => {
                self.lookup()?;
                let Some(target) = self.expand(target, domain) else { return Ok(false) };
                // Always A, whatever the family (section 5.7).
                let heard = self.ask(Query::Ipv4(target))?;
                self.count_void(heard)?;
                Ok(!heard.addresses().is_empty())
            }
            Mechanism::Ptr(target) => {
                self.lookup()?;
                let Some(target) = self.target(target.as_ref(), domain) else { return Ok(false) };
                self.name_matches(&target)
            }
        }
    }

    fn address_matches(&mut self, name: DomainName, prefixes: Prefixes) -> Result<bool, Stop> {
        let heard = self.ask(Query::addresses(name, self.ip))?;
        self.count_void(heard)?;
        Ok(self.is_among(heard, prefixes))
    }

    fn is_among(&self, heard: &QueryResult, prefixes: Prefixes) -> bool {
        heard.addresses().iter().any(|address| prefixes.same(self.ip, *address))
    }

    fn exchanger_matches(&mut self, domain: &DomainName, prefixes: Prefixes) -> Result<bool, Stop> {
        let heard = self.ask(Query::Exchangers(domain.clone()))?;
        self.count_void(heard)?;
        if heard.names().len() > MOST_NAMES {
            let why = format!("{domain} has more than {MOST_NAMES} exchangers");
            return Err(Stop::Permanent(why));
        }
        // The limit is one of terms (section 4.6.4): that exchangers have no address of the family,
        // as many have none of IPv6, counts once.
        let mut is_void = false;
        // The root is no host: it is how a null MX is written (RFC 7505).
        for exchanger in heard.names().iter().filter(|name| !name.as_str().is_empty()) {
            let heard = self.ask(Query::addresses(exchanger.clone(), self.ip))?;
            if heard.is_void() && !std::mem::replace(&mut is_void, true) {
                self.count_void(heard)?;
            }
            if self.is_among(heard, prefixes) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `ptr` (section 5.5): a name of the address that is in the domain and leads back. What fails
    /// here is no match, not an error.
    fn name_matches(&mut self, domain: &DomainName) -> Result<bool, Stop> {
        let names = match self.ask(Query::Names(self.ip)) {
            Err(Stop::Temporary(_)) => return Ok(false),
            heard => heard?,
        };
        self.count_void(names)?;
        for name in names.names().iter().take(MOST_NAMES) {
            let below = name.as_str().strip_suffix(domain.as_str());
            if !below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                continue;
            }
            let addresses = match self.ask(Query::addresses(name.clone(), self.ip)) {
                Err(Stop::Temporary(_)) => continue,
                heard => heard?,
            };
            if addresses.addresses().contains(&self.ip) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > MOST_LOOKUPS {
            let why = format!("it takes more than {MOST_LOOKUPS} lookups");
            return Err(Stop::Permanent(why));
        }
        Ok(())
    }

    fn count_void(&mut self, heard: &QueryResult) -> Result<(), Stop> {
        self.voids += u32::from(heard.is_void());
        if self.voids > MOST_VOID {
            let why = format!("more than {MOST_VOID} of its lookups bring nothing");
            return Err(Stop::Permanent(why));
        }
        Ok(())
    }

    fn ask(&self, question: Query) -> Result<&'a QueryResult, Stop> {
        match self.known.get(&question) {
            None => Err(Stop::Ask(question)),
            Some(QueryResult::Failed(failure)) => Err(Stop::Temporary(failure.to_string())),
            Some(heard) => Ok(heard),
        }
    }

    fn target(&self, target: Option<&MacroString>, domain: &DomainName) -> Option<DomainName> {
        target.map_or_else(|| Some(domain.clone()), |target| self.expand(target, domain))
    }

    fn expand(&self, target: &MacroString, domain: &DomainName) -> Option<DomainName> {
        target.expand(&MacroValues {
            local: &self.request.local,
            sender_domain: self.request.domain.as_str(),
            domain,
            ip: self.ip,
            helo: &self.request.helo,
        })
    }
}
