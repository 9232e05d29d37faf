//! Memory of exchangers and domains between probes. Pure, bounded, lost on restart.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use foldhash::HashMap;

use super::disposition::{Disposition, read};
use crate::address::DomainName;
use crate::pacing::{Backoff, Delay, SessionLimits};
use crate::smtp::{Control, Observation, RecipientAnswer, RefusalKinds};

/// Catch-all state of a domain, as far as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CatchAllState {
    /// A made-up recipient was accepted.
    Yes,
    /// A recipient was refused as unknown.
    No,
    /// A made-up recipient was asked for, and the answer tells neither.
    Unclear(Arc<RecipientAnswer>),
}

impl CatchAllState {
    /// Converts it to what a later caller is told.
    pub(super) fn to_control(&self) -> Control {
        match self {
            Self::Yes => Control::KnownYes,
            Self::No => Control::KnownNo,
            Self::Unclear(answer) => Control::Answered(Arc::clone(answer)),
        }
    }

    /// The answer by which the control recipient was greylisted, if it was.
    pub(super) fn greylisting(&self) -> Option<&Arc<RecipientAnswer>> {
        let Self::Unclear(answer) = self else { return None };
        (read(answer) == Disposition::RetryLater(Delay::Greylisted)).then_some(answer)
    }
}

/// Everything known about an exchanger.
#[derive(Clone, Debug, Default)]
pub(super) struct ExchangerMemory {
    /// It wants TLS before it talks of recipients.
    pub(super) needs_tls: bool,
    /// It refuses the null sender.
    pub(super) refuses_null_sender: bool,
    /// Until when not to begin TLS unless it insists: it offered and then failed.
    avoids_tls_until: Option<SystemTime>,
    /// The time without PIPELINING: it offered that and lost commands or replies.
    pub(super) breaks_pipelining: Backoff,
    /// The time with one transaction a session: it took no `RSET`, or no second `MAIL`.
    pub(super) one_transaction: Backoff,
    /// Until when `HELO` is said: it hung up on `EHLO`.
    says_helo_until: Option<SystemTime>,
    /// It answered `EHLO`, at some time.
    pub(super) knows_ehlo: bool,
    /// It answered a recipient in a flight whose replies and commands fitted together.
    pub(super) keeps_step: bool,
    /// The kinds of refusals that it gave in such flights.
    pub(super) refuses_in_one_reply: RefusalKinds,
    /// Limits of one session that it showed.
    pub(super) limits: SessionLimits,
    /// It let us in, at some time.
    pub(super) reached: bool,
    /// Which egress identities rest, and why. One for each identity that was refused.
    rests: Vec<(usize, Backoff, Arc<Observation>)>,
}

impl ExchangerMemory {
    /// Why `identity` rests at this exchanger now.
    pub(super) fn rests(&self, identity: usize, now: SystemTime) -> Option<&Arc<Observation>> {
        self.rests
            .iter()
            .find(|(who, rest, _)| *who == identity && rest.is_active(now))
            .map(|(_, _, why)| why)
    }

    /// `identity` is to rest: `first`, then longer each time. Sessions that are refused side by
    /// side are one refusal. Of the reason no more is kept than is worth remembering.
    pub(super) fn rest(
        &mut self,
        identity: usize,
        why: &Observation,
        (first, longest): (Duration, Duration),
        now: SystemTime,
    ) {
        let why = Arc::new(why.to_remembered());
        let index = self.rests.iter().position(|(who, ..)| *who == identity).unwrap_or_else(|| {
            self.rests.push((identity, Backoff::none(), Arc::clone(&why)));
            self.rests.len() - 1
        });
        let (_, rest, reason) = &mut self.rests[index];
        if rest.is_active(now) {
            // It may be of a kind that asks for more.
            rest.at_least_until(now + first);
        } else {
            rest.start(first, longest, now);
        }
        *reason = why;
    }

    /// The rest of `identity`, and why; it may be over.
    pub(super) fn rest_of(&self, identity: usize) -> Option<(Backoff, &Arc<Observation>)> {
        let mut rests = self.rests.iter();
        rests.find(|(who, ..)| *who == identity).map(|(_, rest, why)| (*rest, why))
    }

    /// Takes the rest of `identity` over from another process.
    pub(super) fn set_rest(&mut self, identity: usize, rest: Backoff, why: &Observation) {
        self.rests.retain(|(who, ..)| *who != identity);
        self.rests.push((identity, rest, Arc::new(why.to_remembered())));
    }

    /// TLS failed after it was offered: for an hour none is begun unless it is required.
    pub(super) fn avoid_tls(&mut self, now: SystemTime) {
        self.avoids_tls_until = Some(now + BROKEN_TLS);
    }

    /// `true` if TLS failed lately.
    pub(super) fn avoids_tls(&self, now: SystemTime) -> bool {
        self.avoids_tls_until.is_some_and(|until| now < until)
    }

    /// It hung up on `EHLO`: for an hour it is greeted with `HELO`.
    pub(super) fn say_helo(&mut self, now: SystemTime) {
        self.says_helo_until = Some(now + NO_EHLO);
    }

    /// `HELO` is no better: it hangs up on that too, or wants TLS, which `EHLO` alone offers.
    pub(super) fn say_ehlo(&mut self) {
        self.says_helo_until = None;
    }

    /// `true` if it hung up on `EHLO` lately.
    pub(super) fn says_helo(&self, now: SystemTime) -> bool {
        self.says_helo_until.is_some_and(|until| now < until)
    }

    /// `identity` was let in.
    pub(super) fn welcome(&mut self, identity: usize) {
        self.reached = true;
        self.rests.retain(|(who, ..)| *who != identity);
    }

    /// `true` while any back-off is active: such an exchanger is worth remembering longest.
    pub(super) fn is_resting(&self, now: SystemTime) -> bool {
        self.rests.iter().any(|(_, rest, _)| rest.is_active(now))
    }
}

/// An exchanger showed a habit that we go around: for an hour, and for longer each time it shows it
/// again. An accident looks the same, and must not slow us down for ever.
pub(super) fn observe_habit(habit: &mut Backoff, now: SystemTime) {
    // Sessions side by side that ran into it saw one thing.
    if !habit.is_active(now) {
        habit.start(HABIT, HABIT_LONGEST, now);
    }
}

/// Time for which a habit is believed that was shown once.
const HABIT: Duration = Duration::from_secs(60 * 60);

/// The longest time for which one is believed without being shown again.
const HABIT_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Time for which TLS that failed is taken to be broken.
const BROKEN_TLS: Duration = Duration::from_secs(60 * 60);

/// Time for which a server that hung up on `EHLO` is taken not to know it.
const NO_EHLO: Duration = Duration::from_secs(60 * 60);

/// Name under which it is remembered whether `domain` accepts everything at `exchanger`. A backup
/// exchanger often takes in what the better ones refuse, so what it shows is its own and proves
/// nothing of them, nor they of it. No domain has a name like that.
pub(super) fn catch_all_name(
    domain: &DomainName,
    exchanger: &DomainName,
    is_backup: bool,
) -> DomainName {
    if is_backup {
        DomainName::from_ascii(&format!("{domain}/{exchanger}"))
    } else {
        domain.clone()
    }
}

/// Lifetimes of catch-all knowledge.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchAllLifetimes {
    pub(super) known: Duration,
    pub(super) unclear: Duration,
}

/// Catch-all state of one domain.
struct DomainMemory {
    known: CatchAllState,
    until: SystemTime,
    /// The last certain state, which outlives `until`.
    last_certain: Option<bool>,
    /// What other processes were told, and until when it holds.
    shared: Option<(bool, SystemTime)>,
}

/// Time by which knowledge has to last longer for other processes to be told again.
const NEWS: Duration = Duration::from_secs(60 * 60);

/// Everything remembered.
pub(super) struct Memory {
    lifetimes: CatchAllLifetimes,
    domains: Recent<DomainName, DomainMemory>,
    exchangers: Recent<DomainName, ExchangerMemory>,
}

impl Memory {
    /// Remembers about `capacity` domains and as many exchangers, the recently used ones.
    pub(super) fn new(capacity: usize, lifetimes: CatchAllLifetimes) -> Self {
        Self { lifetimes, domains: Recent::new(capacity), exchangers: Recent::new(capacity) }
    }

    /// The catch-all state of `domain`, as far as known.
    pub(super) fn catch_all(
        &mut self,
        domain: &DomainName,
        now: SystemTime,
    ) -> Option<CatchAllState> {
        let memory = self.domains.get(domain)?;
        (now < memory.until).then(|| memory.known.clone())
    }

    /// The time from which on the control recipient of `domain` may be asked again, if it was
    /// greylisted and that time is not over.
    pub(super) fn greylisted_until(
        &mut self,
        domain: &DomainName,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let memory = self.domains.get(domain).filter(|memory| now < memory.until)?;
        memory.known.greylisting().map(|_| memory.until)
    }

    /// The last thing that `domain` showed for certain, however long ago: `true` if it accepted a
    /// made-up recipient.
    pub(super) fn was_catch_all(&mut self, domain: &DomainName) -> Option<bool> {
        self.domains.get(domain)?.last_certain
    }

    /// Remembers what `domain` showed.
    pub(super) fn learn_catch_all(
        &mut self,
        domain: &DomainName,
        known: CatchAllState,
        now: SystemTime,
    ) {
        let lifetime = match known {
            CatchAllState::Yes | CatchAllState::No => self.lifetimes.known,
            CatchAllState::Unclear(_) => self.lifetimes.unclear,
        };
        self.learn_for(domain, known, lifetime, now);
    }

    /// Remembers that a made-up recipient's answer told neither, until it is worth another try.
    pub(super) fn learn_unclear(
        &mut self,
        domain: &DomainName,
        answer: Arc<RecipientAnswer>,
        wait: Duration,
        now: SystemTime,
    ) {
        let lifetime = wait.min(self.lifetimes.unclear);
        self.learn_for(domain, CatchAllState::Unclear(answer), lifetime, now);
    }

    fn learn_for(
        &mut self,
        domain: &DomainName,
        known: CatchAllState,
        lifetime: Duration,
        now: SystemTime,
    ) {
        let (known, last_certain) = match known {
            CatchAllState::Unclear(answer) => {
                let answer = Arc::new(answer.to_remembered());
                (CatchAllState::Unclear(answer), self.was_catch_all(domain))
            }
            certain => {
                let accepts = certain == CatchAllState::Yes;
                (certain, Some(accepts))
            }
        };
        let shared = self.domains.get(domain).and_then(|memory| memory.shared);
        let memory = DomainMemory { known, until: now + lifetime, last_certain, shared };
        self.domains.put(domain.clone(), memory);
    }

    /// Remembers what another process knows for certain, for no longer than what is learned here.
    pub(super) fn learn_elsewhere(
        &mut self,
        domain: &DomainName,
        accepts: bool,
        until: SystemTime,
        now: SystemTime,
    ) {
        let until = until.min(now + self.lifetimes.known);
        let known = if accepts { CatchAllState::Yes } else { CatchAllState::No };
        let (last_certain, shared) = (Some(accepts), Some((accepts, until)));
        self.domains.put(domain.clone(), DomainMemory { known, until, last_certain, shared });
    }

    /// What is known of `domain` for certain, and until when, if other processes were not told yet:
    /// they are from now on.
    pub(super) fn take_unshared(
        &mut self,
        domain: &DomainName,
        now: SystemTime,
    ) -> Option<(bool, SystemTime)> {
        self.domains.get(domain)?;
        let memory = self.domains.young.get_mut(domain).filter(|memory| now < memory.until)?;
        let accepts = match memory.known {
            CatchAllState::Yes => true,
            CatchAllState::No => false,
            CatchAllState::Unclear(_) => return None,
        };
        let is_told = memory
            .shared
            .is_some_and(|(told, until)| told == accepts && memory.until < until + NEWS);
        (!is_told).then(|| *memory.shared.insert((accepts, memory.until)))
    }

    /// Everything known about an exchanger.
    pub(super) fn exchanger(&mut self, host: &DomainName) -> Option<&ExchangerMemory> {
        self.exchangers.get(host)
    }

    /// The same, to be changed.
    pub(super) fn exchanger_mut(&mut self, host: &DomainName) -> &mut ExchangerMemory {
        self.exchangers.entry(host.clone())
    }

    /// The number of exchangers at which some identity backs off.
    pub(super) fn resting(&self, now: SystemTime) -> usize {
        self.exchangers.values().filter(|exchanger| exchanger.is_resting(now)).count()
    }
}

/// A map that forgets what was not used while as many others were: two halves, young and old; when
/// the young half is full it becomes the old one.
struct Recent<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    fn new(capacity: usize) -> Self {
        Self { half: (capacity / 2).max(1), young: HashMap::default(), old: HashMap::default() }
    }

    fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key)
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.put(key, value);
        }
        self.young.get(key)
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    fn values(&self) -> impl Iterator<Item = &V> {
        self.young.values().chain(self.old.values())
    }
}

impl<K: Hash + Eq + Clone, V: Default> Recent<K, V> {
    fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            self.put(key.clone(), value);
        }
        self.young.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests;
