//! From exchanger to exchanger, best preference first (RFC 5321 section 5.1), until one has said
//! something about the recipient.

use std::cmp::Reverse;
use std::future::Future;
use std::sync::Arc;

use tokio::time::timeout_at;
use tracing::Instrument as _;

use super::egress::literal_name;
use super::evidence::LaneAnswer;
use super::question_router::{LaneOutcome, LaneQuestion};
use super::stats;
use super::{ProbeRequest, ProbeTarget, Prober};
use crate::address::{Domain, DomainName};
use crate::dns::Exchanger;
use crate::egress;
use crate::smtp::{
    Attempt, Control, Meaning, NoReply, Observation, ProbeOutcome, RecipientAnswer, Stage,
};

impl Prober {
    /// Asks one exchanger after the other. It never fails: what went wrong is part of the outcome,
    /// and at the deadline the outcome says how far the question had come. Dropping the future
    /// takes the question back.
    // No `async fn`: that would hold the request twice, and every address under way has one.
    pub fn probe(&self, request: ProbeRequest) -> impl Future<Output = ProbeOutcome> + Send {
        let most = self.context.exchangers_per_address.saturating_mul(LOOKED_AT_PER_DIALLED);
        let exchangers = exchangers(&request, most);
        let mut walk = Walk {
            prober: self,
            domain: match request.address.domain() {
                Domain::Name(name) => name.clone(),
                Domain::Literal(literal) => DomainName::from_ascii(&literal.to_string()),
            },
            request,
            // Hardly ever is more than one needed, and it is remembered for long.
            attempts: Vec::with_capacity(1),
            control: Control::NotAsked,
        };
        async move {
            walk.run(&exchangers).await;
            ProbeOutcome { attempts: walk.attempts, control: walk.control }
        }
    }
}

/// One exchanger asked about one recipient, the waiting in its lane included.
fn span(exchanger: &Exchanger) -> tracing::Span {
    let outcome = tracing::field::Empty;
    tracing::debug_span!("smtp_question", exchanger = %exchanger.host, outcome)
}

/// The exchangers in the order in which they are asked, `most` of them at most: a domain may name
/// thousands, and this is done for each of its addresses.
fn exchangers(request: &ProbeRequest, most: usize) -> Arc<[Exchanger]> {
    let list = match &request.target {
        ProbeTarget::Literal(address) => {
            return [Exchanger { host: literal_name(*address), preference: 0 }].into();
        }
        ProbeTarget::Exchangers(list) if list.len() < 2 => return Arc::clone(list),
        ProbeTarget::Exchangers(list) => list,
    };
    let domain = request.address.domain().to_string();
    let mut ranked: Vec<&Exchanger> = list.iter().collect();
    ranked.sort_by_cached_key(|exchanger| rank(exchanger, &domain));
    ranked.into_iter().take(most).cloned().collect()
}

/// The exchanger that is asked first about recipients of `domain`, of those that it names.
#[must_use]
pub fn first_exchanger<'a>(
    exchangers: &'a [Exchanger],
    domain: &DomainName,
) -> Option<&'a Exchanger> {
    exchangers.iter().min_by_key(|exchanger| rank(exchanger, domain.as_str()))
}

/// The place of an exchanger among those of `domain`, the first one to ask first. Among equals the
/// recipient's domain decides: random over domains, as RFC 5321 wants it, but one domain's
/// recipients stay together (one transaction carries them) and greylisting meets the same host
/// again.
fn rank(exchanger: &Exchanger, domain: &str) -> (u16, Reverse<u64>) {
    (exchanger.preference, Reverse(egress::score(exchanger.host.as_str(), domain)))
}

/// Exchangers whose addresses are looked up for one recipient, for each that may be dialled. A
/// domain may name any number, and names of a provider that do not exist.
const LOOKED_AT_PER_DIALLED: usize = 4;

struct Walk<'a> {
    prober: &'a Prober,
    domain: DomainName,
    request: ProbeRequest,
    attempts: Vec<Attempt>,
    control: Control,
}

/// Result of asking one exchanger.
struct ExchangerResult {
    dialled: bool,
    next: NextStep,
}

/// Consequence of an exchanger's answer for the walk.
enum NextStep {
    /// It is about the recipient, or time is up.
    Stop,
    /// It does not serve the domain, it says: its equals may.
    AskEquals,
    /// It could not be asked: the next one.
    GoOn,
    /// It is busy: the next one, and later this one again.
    ComeBack,
}

impl Walk<'_> {
    async fn run(&mut self, exchangers: &[Exchanger]) {
        let best = exchangers.iter().map(|exchanger| exchanger.preference).min();
        let (mut busy, mut dialled, mut equals_only) = (None, 0, false);
        for exchanger in exchangers {
            let is_best = Some(exchanger.preference) == best;
            if equals_only && !is_best {
                break;
            }
            if dialled == self.prober.context.exchangers_per_address {
                break;
            }
            let patient = exchangers.len() == 1;
            let result = self.ask(exchanger, patient).instrument(span(exchanger)).await;
            dialled += usize::from(result.dialled);
            match result.next {
                NextStep::Stop => return,
                NextStep::AskEquals if is_best => equals_only = true,
                NextStep::AskEquals => return,
                NextStep::GoOn => {}
                NextStep::ComeBack => busy = busy.or(Some(exchanger)),
            }
        }
        // No exchanger said anything about the recipient, but one was only busy: waiting may help.
        // After a denial only its equals may still serve the domain.
        let busy = busy.filter(|exchanger| !equals_only || Some(exchanger.preference) == best);
        if let Some(exchanger) = busy
            && exchangers.len() > 1
        {
            self.ask(exchanger, true).instrument(span(exchanger)).await;
        }
    }

    /// Asks one exchanger, through one identity after the other while it refuses them.
    async fn ask(&mut self, exchanger: &Exchanger, patient: bool) -> ExchangerResult {
        let mut refused = Vec::new();
        loop {
            let domain = self.domain.as_str();
            let identity = self.prober.identity(&exchanger.host, domain, &refused);
            let answer = self.ask_through(identity, exchanger, patient).await;
            let Some(mut answered) = answer else {
                return ExchangerResult { dialled: true, next: NextStep::Stop };
            };
            if answered.evidence.stale {
                // Boxed: it is rare.
                Box::pin(self.confirm_address(exchanger, &mut answered.evidence)).await;
            }
            let next = self.next_step(&answered);
            let is_busy = matches!(next, NextStep::ComeBack);
            let dialled = answered.evidence.address.is_some() || is_busy;
            let blocked = answered.blocked;
            self.note(exchanger, answered);
            refused.push(identity);
            if !blocked || refused.len() >= self.prober.egress.len() {
                return ExchangerResult { dialled, next };
            }
        }
    }

    /// An expired address holds if a look-up that was too slow when the session opened has found it
    /// since. It is not waited for: where DNS fails that would be in vain.
    async fn confirm_address(&self, exchanger: &Exchanger, evidence: &mut Observation) {
        let context = &self.prober.context;
        let at_once = context.clock.instant(context.clock.now());
        let found = timeout_at(at_once, context.hosts.host(&exchanger.host, None)).await;
        if let Ok(Ok(host)) = found
            && !host.stale
            && evidence.address.is_some_and(|address| host.value.addresses.contains(&address))
        {
            evidence.stale = false;
        }
    }

    /// Waits until there is an answer; `None` at the deadline, which is noted then.
    async fn ask_through(
        &mut self,
        identity: usize,
        exchanger: &Exchanger,
        patient: bool,
    ) -> Option<LaneAnswer> {
        let question = LaneQuestion {
            address: self.request.address.clone(),
            exchanger: exchanger.host.clone(),
            identity: Arc::clone(&self.prober.egress[identity].name),
            max_age: self.request.max_age,
            test_catch_all: self.request.test_catch_all,
            transcript: self.request.transcript,
            patient,
            backup: self.is_backup(exchanger),
            consented_at: self.request.consented_at,
            deadline: self.request.deadline,
            retry_until: self.request.retry_until.min(self.request.deadline),
        };
        let outcome = if self.prober.context.is_shared() {
            // Boxed: without other replicas it is never needed.
            Box::pin(self.prober.ask_holder(identity, question)).await
        } else {
            self.prober.ask_here(identity, question).await
        };
        match outcome {
            LaneOutcome::Answered(answered) => Some(answered),
            LaneOutcome::TimedOut { evidence, control, stage } => {
                self.note_deadline(exchanger, evidence, control, stage);
                None
            }
        }
    }

    /// `true` if the domain names an exchanger of a better preference.
    fn is_backup(&self, exchanger: &Exchanger) -> bool {
        let ProbeTarget::Exchangers(list) = &self.request.target else { return false };
        list.iter().any(|other| other.preference < exchanger.preference)
    }

    fn next_step(&self, answered: &LaneAnswer) -> NextStep {
        if answered.may_answer_later {
            return NextStep::ComeBack;
        }
        match &answered.evidence.answer {
            RecipientAnswer::Replied { stage: Stage::Rcpt, reply, explanation } => {
                let denied =
                    matches!(explanation.meaning, Meaning::RelayDenied | Meaning::DomainNotFound);
                if denied && reply.is_permanent() { NextStep::AskEquals } else { NextStep::Stop }
            }
            RecipientAnswer::NoReply {
                reason: NoReply::Smtputf8Unsupported | NoReply::Postponed,
                ..
            } => NextStep::Stop,
            _ => NextStep::GoOn,
        }
    }

    fn note_deadline(
        &mut self,
        exchanger: &Exchanger,
        evidence: Option<Observation>,
        control: Control,
        stage: Stage,
    ) {
        let now = self.prober.context.clock.now();
        let evidence = evidence.unwrap_or_else(|| {
            let answer = RecipientAnswer::NoReply { stage, reason: NoReply::Timeout };
            Observation::new(answer, None, now)
        });
        self.note(exchanger, LaneAnswer::new(evidence, control));
    }

    /// Notes an attempt.
    fn note(&mut self, exchanger: &Exchanger, answered: LaneAnswer) {
        let LaneAnswer { evidence, control, .. } = answered;
        self.prober.context.replies.count(&evidence.answer);
        tracing::Span::current().record("outcome", stats::name(&evidence.answer));
        let attempt = Attempt {
            exchanger: exchanger.host.clone(),
            preference: exchanger.preference,
            observation: evidence,
        };
        self.control = control;
        self.attempts.push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prober::tests::world::World;

    #[tokio::test(start_paused = true)]
    async fn of_thousands_of_equal_exchangers_those_that_are_looked_at_are_the_first_choices() {
        let names: Vec<String> = (0..3000).map(|n| format!("h{n}.example.net")).collect();
        let hosts: Vec<(&str, u16)> = names.iter().map(|name| (name.as_str(), 10)).collect();
        let request = World::new().request("user1@a.example", &hosts);
        let first = exchangers(&request, 20);
        assert_eq!(first.len(), 20);
        let mut rest: Vec<&str> = names.iter().map(String::as_str).collect();
        for exchanger in &*first {
            let next = egress::choose(rest.iter().copied(), "a.example", |_| false).unwrap();
            assert_eq!(exchanger.host.as_str(), rest.remove(next));
        }
    }
}
