//! One destination through one egress identity: its lanes, its sessions, its pace.
//!
//! Pure: a state machine. The shell hands in what happened (`submit`, `opened`, `landed`, ...) with
//! the time, then carries out what [`Destination::poll`] returns; a session's task asks
//! [`Destination::next_action`] what to do. `pool` opens sessions, `sessions` is their life,
//! `next_action` their work; `early` reads a flight under way, `flights` one that is back,
//! `session_progress` its limits; `inspection` is sessions that ask nothing; `resolve` completes
//! single recipients, `control` control recipients; `timers` wait for a time. Where processes share
//! an egress address, `suspension` is while another may ask, `handover` what the next one knows.

mod allowance;
mod control;
mod demand;
mod early;
mod flights;
mod handover;
mod hurry;
mod inspection;
mod next_action;
mod pool;
mod recipient_pace;
mod reply_context;
mod resolve;
mod session_progress;
mod sessions;
mod suspension;
mod timers;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use foldhash::HashMap;

use super::disposition::obstacle;
use super::evidence::LaneAnswer;
use super::lane::{ControlState, JobId, Lane, PlannedTransaction, SessionId};
use super::memory::Memory;
use crate::address::{Address, DomainName};
use crate::pacing::{Config, RetryBudget, SessionBudget};
use crate::smtp::{Control, NoReply, Observation, RecipientAnswer, Stage, TranscriptLine};

use pool::SessionPool;
use recipient_pace::RecipientPace;
use timers::{Timer, Timers};

pub(super) use flights::{FlightResult, TransactionResult};
pub use handover::DestinationState;
pub(super) use next_action::{NextAction, TransactionRequest};
pub(super) use sessions::{SessionTerms, first_wait_end};

/// Sessions that may end at the same recipient before that is its answer.
const TRIES: u32 = 3;

/// Refusals in a row by an exchanger that was there before, until it counts as gone,
/// unless a session of ours is inside: with the default pauses, three minutes.
const KNOCKS: u32 = 8;

/// Time within which callers want an answer who have little of it: who names no limit is given 2
/// minutes (`server.longest_call`), and a row of a list 4 (`batch.longest_address`).
const LITTLE_TIME: Duration = Duration::from_secs(3 * 60);

/// A recipient that a caller asks about.
pub(super) struct Submission<T> {
    /// Identifies the caller.
    pub(super) token: T,
    pub(super) address: Address,
    /// The recipient's domain: one transaction carries one.
    pub(super) domain: DomainName,
    pub(super) exchanger: DomainName,
    pub(super) test_catch_all: bool,
    /// Wants to know what was said.
    pub(super) transcript: bool,
    /// Time at which the recipient consented to mail, if it is known.
    pub(super) consented_at: Option<SystemTime>,
    /// There is no other exchanger to ask: wait while the exchanger is busy.
    pub(super) patient: bool,
    /// The domain has exchangers of a better preference.
    pub(super) backup: bool,
    /// Until when it may be asked again.
    pub(super) retry_until: SystemTime,
    /// Time at which the caller wants an answer.
    pub(super) deadline: SystemTime,
}

struct LaneJob<T> {
    asked: Submission<T>,
    /// Its caller has little time.
    pressed: bool,
    retries: RetryBudget,
    /// Its answer contradicted what the domain showed before, and it was asked once more.
    doubted: bool,
    /// Sessions that ended when it was this recipient's turn.
    tries: u32,
    state: JobState,
    /// Answer so far, if it is to be asked again.
    last: Option<Box<Observation>>,
    /// Dialogue of the transaction whose `MAIL` was refused with it.
    dialogue: Option<Arc<[TranscriptLine]>>,
}

enum JobState {
    Queued,
    InFlight,
    Delayed,
    /// With the answer it has.
    AwaitingControl(Box<Observation>),
}

/// Remains of a job whose caller gave up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Withdrawn {
    /// The answer it had so far.
    pub(super) evidence: Option<Observation>,
    pub(super) control: Control,
    /// Stage that it had reached.
    pub(super) stage: Stage,
}

/// Action that the shell is to carry out.
pub(super) enum Effect<T> {
    /// Open a session to this exchanger.
    Open { session: SessionId, exchanger: DomainName },
    /// Wake this idle session: it is to ask what is next.
    Wake(SessionId),
    /// Tell the caller.
    Answer(T, LaneAnswer),
}

struct PooledSession {
    exchanger: DomainName,
    state: SessionState,
    address: Option<std::net::IpAddr>,
    /// The address is from a DNS answer that has expired.
    stale: bool,
    budget: SessionBudget,
    /// Recipients it answered.
    answered: u32,
    /// Replies to `RCPT` that say something of the recipient, control recipients included.
    taken: u32,
    /// Transactions with such a reply.
    carried: u32,
    /// It lowered the lane's limit of a transaction from this one in its last transaction: the next
    /// one shows whether that was a limit of the transaction or of the session.
    unsure_of_limit: Option<Option<u32>>,
    /// Transactions it may carry in all, if the server said.
    transactions_max: Option<u32>,
    /// Its first flight is a small one.
    careful: bool,
    flight: Vec<PlannedTransaction>,
    flight_began: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    Opening,
    Flying,
    Idle {
        since: SystemTime,
    },
    Woken {
        since: SystemTime,
    },
    /// Looks at TLS and takes no work.
    Inspecting,
    Closing,
}

/// See the module.
pub(super) struct Destination<T> {
    config: Arc<Config>,
    identity: usize,
    lanes: HashMap<DomainName, Lane>,
    jobs: HashMap<JobId, LaneJob<T>>,
    pool: SessionPool,
    recipients: RecipientPace,
    timers: Timers,
    /// Exchangers that were asked here, for whoever asks them next.
    hosts: BTreeSet<DomainName>,
    suspended: bool,
    draining: bool,
    effects: VecDeque<Effect<T>>,
    last_id: u64,
    last_used: SystemTime,
}

impl<T> Destination<T> {
    /// A destination as seen from the egress identity of this number.
    pub(super) fn new(config: Arc<Config>, identity: usize) -> Self {
        Self {
            identity,
            lanes: HashMap::default(),
            jobs: HashMap::default(),
            pool: SessionPool::new(&config),
            recipients: RecipientPace::new(config.recipients_per_minute.get()),
            timers: Timers::default(),
            hosts: BTreeSet::new(),
            suspended: false,
            draining: false,
            effects: VecDeque::new(),
            last_id: 0,
            last_used: SystemTime::UNIX_EPOCH,
            config,
        }
    }

    /// Takes a recipient in. It may be answered at once, from memory: see [`Self::poll`].
    pub(super) fn submit(
        &mut self,
        asked: Submission<T>,
        memory: &mut Memory,
        now: SystemTime,
    ) -> JobId {
        self.last_used = now;
        let id = JobId(self.fresh_id());
        if self.suspended {
            self.effects.push_back(Effect::Answer(asked.token, LaneAnswer::postponed(now)));
            return id;
        }
        let known = memory.exchanger(&asked.exchanger);
        if let Some(why) = known.and_then(|exchanger| exchanger.rests(self.identity, now)) {
            let mut answered = LaneAnswer::new(Observation::clone(why), Control::NotAsked);
            answered.blocked = obstacle(&why.answer, false).is_about_the_identity();
            self.effects.push_back(Effect::Answer(asked.token, answered));
            return id;
        }
        let reached = known.is_some_and(|exchanger| exchanger.reached);
        let limits = known.map(|exchanger| exchanger.limits).unwrap_or_default();
        if let Some(answered) = self.answer_at_once(&asked, now) {
            self.effects.push_back(Effect::Answer(asked.token, answered));
            return id;
        }
        let lane =
            self.lanes.entry(asked.exchanger.clone()).or_insert_with(|| Lane::new(reached, limits));
        let pressed = asked.deadline < now + LITTLE_TIME;
        lane.push(&asked.domain, id, pressed);
        if pressed && !asked.patient && lane.is_shut(&self.pool) {
            self.timers.set(first_wait_end(asked.deadline, now), Timer::FirstWait(id));
        }
        if let Some(queue) = lane.domain(&asked.domain) {
            queue.is_backup = asked.backup;
        }
        let exchanger = asked.exchanger.clone();
        self.note_host(&exchanger);
        let job = LaneJob {
            asked,
            pressed,
            retries: RetryBudget::default(),
            doubted: false,
            tries: 0,
            state: JobState::Queued,
            last: None,
            dialogue: None,
        };
        self.jobs.insert(id, job);
        self.stir(&exchanger, now);
        id
    }

    /// The caller is gone, or its time is up. `None` if it was answered already.
    pub(super) fn withdraw(&mut self, id: JobId, now: SystemTime) -> Option<Withdrawn> {
        self.take_back(id, now).map(|(_, withdrawn)| withdrawn)
    }

    /// The same; the caller is still there.
    fn take_back(&mut self, id: JobId, now: SystemTime) -> Option<(T, Withdrawn)> {
        let job = self.jobs.remove(&id)?;
        let Submission { exchanger, domain, token, .. } = job.asked;
        let timeout = || RecipientAnswer::NoReply { stage: Stage::Rcpt, reason: NoReply::Timeout };
        let mut withdrawn = Withdrawn {
            evidence: job.last.map(|last| *last),
            control: Control::NotAsked,
            stage: Stage::Rcpt,
        };
        let Some(lane) = self.lanes.get_mut(&exchanger) else { return Some((token, withdrawn)) };
        match job.state {
            JobState::Queued => {
                if lane.rcpt_backoff.is_active(now) {
                    // What the server said holds for this recipient too: no exchanger is asked now.
                    withdrawn.evidence = withdrawn.evidence.or_else(|| lane.rate_limit.clone());
                }
                if lane.is_shut(&self.pool) {
                    withdrawn.stage = Stage::Connect;
                    let longest = self.config.connect_backoff_longest;
                    let obstacle = || lane.present_obstacle(longest, now).cloned();
                    withdrawn.evidence = withdrawn.evidence.or_else(obstacle);
                }
                lane.remove(&domain, id);
            }
            JobState::InFlight | JobState::Delayed => {}
            JobState::AwaitingControl(evidence) => {
                withdrawn.evidence = Some(*evidence);
                withdrawn.control = Control::Answered(Arc::new(timeout()));
                let Some(queue) = lane.domain(&domain) else { return Some((token, withdrawn)) };
                queue.awaiting.retain(|waiting| *waiting != id);
                if let Some(context) = &queue.control_answer {
                    withdrawn.control = Control::Answered(Arc::new(context.answer.clone()));
                }
                let idle = matches!(queue.control, ControlState::Due | ControlState::Delayed);
                if queue.awaiting.is_empty() && idle {
                    lane.set_control(&domain, ControlState::NotNeeded);
                }
            }
        }
        self.stir(&exchanger, now);
        self.tidy(&exchanger, Some(&domain), now);
        Some((token, withdrawn))
    }

    /// The caller went away: as [`Self::withdraw`], and a session that is being opened for no one
    /// else is woken, to see that.
    pub(super) fn abandon(&mut self, id: JobId, now: SystemTime) {
        let Some(exchanger) = self.jobs.get(&id).map(|job| job.asked.exchanger.clone()) else {
            return;
        };
        self.withdraw(id, now);
        let Some(lane) = self.lanes.get(&exchanger).filter(|lane| lane.is_empty()) else { return };
        for session in &lane.sessions {
            self.effects.push_back(Effect::Wake(*session));
        }
    }

    /// `true` if a caller waits for what this session may bring.
    pub(super) fn is_wanted(&self, id: SessionId) -> bool {
        let Some(session) = self.pool.get(id) else { return false };
        self.lanes.get(&session.exchanger).is_some_and(|lane| !lane.is_empty())
    }

    /// The next thing to do, if there is one.
    pub(super) fn poll(&mut self) -> Option<Effect<T>> {
        self.effects.pop_front()
    }

    /// Nothing is waited for any more: idle sessions end, delayed recipients are answered as they
    /// stand. What is queued is still asked.
    pub(super) fn drain(&mut self, now: SystemTime) {
        self.draining = true;
        let delayed: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, job)| matches!(job.state, JobState::Delayed))
            .map(|(id, _)| *id)
            .collect();
        for id in delayed {
            if let Some(last) = self.jobs.get_mut(&id).and_then(|job| job.last.take()) {
                self.done(id, *last, Control::NotAsked, now);
            }
        }
        // The idle ones end; the opening ones see whether a caller waits for them.
        let waiting = self.pool.iter().filter(|(_, session)| {
            matches!(session.state, SessionState::Idle { .. } | SessionState::Opening)
        });
        self.effects.extend(waiting.map(|(id, _)| Effect::Wake(id)));
    }

    /// `true` if it can be forgotten: nothing is under way and no limit counts anything any more.
    pub(super) fn is_over(&mut self, now: SystemTime) -> bool {
        self.jobs.is_empty()
            && self.pool.is_clear(now)
            && self.recipients.is_clear(now)
            && self
                .lanes
                .values()
                .all(|lane| !lane.connect_backoff.is_active(now) && lane.held_until(now).is_none())
    }

    /// `true` if nothing is under way, and nothing was since `since`.
    pub(super) fn is_idle(&self, since: SystemTime) -> bool {
        self.jobs.is_empty() && self.pool.count() == 0 && self.last_used < since
    }

    /// `true` if a session with `exchanger` is open or opening: its addresses are known then.
    pub(super) fn has_session(&self, exchanger: &DomainName) -> bool {
        self.lanes.get(exchanger).is_some_and(|lane| !lane.sessions.is_empty())
    }

    /// Sessions open, opening or closing.
    pub(super) fn session_count(&self) -> usize {
        self.pool.count()
    }

    /// Recipients that callers wait for.
    pub(super) fn job_count(&self) -> usize {
        self.jobs.len()
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

#[cfg(test)]
mod tests;
