//! `mailvet.v1.OutcomeService`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{accuracy, caller, refusal};
use crate::access::{Caller, CallerKind};
use crate::batch::{Batches, QueueError};
use crate::campaign::BatchId;
use crate::clock::Clock;
use crate::outcomes::{AddedEvent, OutcomeEvent, OutcomeIntake, ReportedFate};
use crate::proto::outcome_service_server::OutcomeService;
use crate::proto::{
    GetAccuracyRequest, GetAccuracyResponse, Outcome, OutcomeKind, ReportOutcomesRequest,
    ReportOutcomesResponse, UntakenOutcome,
};
use crate::smtp::Classifier;

/// Time a stream of outcomes may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// Outcomes that were not taken, and are named.
const NAMED: usize = 20;

/// The longest address, words and event id, in octets.
const LONGEST: (usize, usize, usize) = (1000, 64 * 1024, 256);

/// The service.
#[derive(Clone)]
pub(super) struct OutcomeHandler {
    intake: Option<OutcomeIntake>,
    replies: Arc<Classifier>,
    batches: Batches,
    clock: Clock,
    shutdown: CancellationToken,
}

impl OutcomeHandler {
    pub(super) fn new(
        intake: Option<OutcomeIntake>,
        replies: Arc<Classifier>,
        batches: Batches,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Self {
        Self { intake, replies, batches, clock, shutdown }
    }

    /// The place for what this caller reports, if it may.
    fn intake(&self, caller: &Caller) -> Result<&OutcomeIntake, Status> {
        let intake = self.intake.as_ref().ok_or_else(no_outcomes)?;
        if caller.kind == CallerKind::Local || intake.has_reporter(&caller.name) {
            return Ok(intake);
        }
        Err(Status::permission_denied(match &*caller.name {
            "" => "outcomes hold for every caller: report them with an API key whose name stands \
                   in outcomes.reporters"
                .to_owned(),
            name => format!(
                "outcomes hold for every caller, and {name:?} may not report them: the operator of \
                 this service has to name it in outcomes.reporters"
            ),
        }))
    }

    /// The next page; `None` at the stream's good end.
    async fn next(
        &self,
        inbound: &mut Streaming<ReportOutcomesRequest>,
    ) -> Result<Option<ReportOutcomesRequest>, Status> {
        let next = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => {
                return Err(Status::unavailable(
                    "the service is shutting down; send all again: what it kept counts once",
                ));
            }
            next = tokio::time::timeout(SILENCE, inbound.message()) => next,
        };
        let next = next.map_err(|_| {
            let seconds = SILENCE.as_secs();
            let message = format!("nothing came for {seconds} s; send all again: it counts once");
            Status::deadline_exceeded(message)
        })?;
        next.map_err(refusal::inbound)
    }

    /// Keeps a page, whole or not at all.
    async fn keep(
        &self,
        caller: &Caller,
        intake: &OutcomeIntake,
        page: Vec<Outcome>,
        tally: &mut ReportTally,
    ) -> Result<(), Status> {
        let (mut events, mut positions) = (Vec::new(), Vec::new());
        for outcome in page {
            let position = tally.position;
            tally.position += 1;
            match self.event(caller, outcome).await? {
                Ok(event) => {
                    events.push(event);
                    positions.push(position);
                }
                Err(why) => tally.leave_out(position, why),
            }
        }
        let kept = intake.keeper.keep(events, self.clock.now()).await;
        let kept = kept.map_err(|error| {
            tracing::error!(%error, "reported outcomes cannot be kept");
            refusal::away("the outcomes cannot be kept now; send all again: it counts once")
        })?;
        for (added, position) in kept.into_iter().zip(positions) {
            match added {
                AddedEvent::Taken => tally.taken += 1,
                AddedEvent::Repeated => tally.repeated += 1,
                AddedEvent::NotCounted => tally.leave_out(position, "it proves nothing"),
                AddedEvent::NoAddress => tally.leave_out(position, "`address` is no address"),
            }
        }
        Ok(())
    }

    /// The event that an outcome tells, or why it tells none.
    async fn event(
        &self,
        caller: &Caller,
        outcome: Outcome,
    ) -> Result<Result<OutcomeEvent, &'static str>, Status> {
        let checked = fate(outcome.kind()).and_then(|fate| {
            check_lengths(&outcome)?;
            Ok((fate, time(&outcome)?))
        });
        let (fate, at) = match checked {
            Ok(checked) => checked,
            Err(why) => return Ok(Err(why)),
        };
        let address = match (outcome.batch_id.as_str(), outcome.row) {
            ("", None) => outcome.address,
            ("", Some(_)) => return Ok(Err("`row` needs its `batch_id`")),
            (_, None) => return Ok(Err("`batch_id` needs the number of a `row`")),
            (batch, Some(row)) => match self.row_address(caller, batch, row).await? {
                Some(address) => address,
                None => return Ok(Err("there is no such batch of yours, or no such row in it")),
            },
        };
        let event_id = (!outcome.event_id.is_empty()).then_some(outcome.event_id);
        let words = &outcome.words;
        Ok(Ok(OutcomeEvent::reported(&self.replies, &address, fate, words, at, event_id)))
    }

    async fn row_address(
        &self,
        caller: &Caller,
        batch: &str,
        row: i64,
    ) -> Result<Option<String>, Status> {
        let (Some(id), Ok(row)) = (BatchId::parse(batch), u64::try_from(row)) else {
            return Ok(None);
        };
        match self.batches.row_address(&caller.name, &id, row).await {
            Ok(address) => Ok(address),
            Err(QueueError::NoSuchBatch(_)) => Ok(None),
            Err(error) => Err(super::batch::request::queue_status(&error)),
        }
    }
}

#[tonic::async_trait]
impl OutcomeService for OutcomeHandler {
    async fn report_outcomes(
        &self,
        request: Request<Streaming<ReportOutcomesRequest>>,
    ) -> Result<Response<ReportOutcomesResponse>, Status> {
        let caller = caller(&request)?;
        let intake = self.intake(&caller)?;
        let mut inbound = request.into_inner();
        let mut tally = ReportTally::default();
        while let Some(page) = self.next(&mut inbound).await? {
            self.keep(&caller, intake, page.outcomes, &mut tally).await?;
        }
        Ok(Response::new(tally.into_answer()))
    }

    async fn get_accuracy(
        &self,
        request: Request<GetAccuracyRequest>,
    ) -> Result<Response<GetAccuracyResponse>, Status> {
        let caller = caller(&request)?;
        let found = self.intake(&caller)?.keeper.accuracy(self.clock.now()).await;
        let found = found.map_err(|error| {
            tracing::error!(%error, "outcomes cannot be read");
            refusal::away("the outcomes cannot be read now; ask again")
        })?;
        let accuracy = Some(accuracy::to_message(&found));
        Ok(Response::new(GetAccuracyResponse { accuracy }))
    }
}

/// The refusal of a service that keeps no outcomes.
pub(super) fn no_outcomes() -> Status {
    Status::failed_precondition(
        "the service keeps no outcomes: its operator has to name a file for them (outcomes.file)",
    )
}

/// Counts of one stream.
#[derive(Debug, Default)]
pub(super) struct ReportTally {
    position: i64,
    taken: i64,
    repeated: i64,
    not_understood: i64,
    first: Vec<UntakenOutcome>,
}

impl ReportTally {
    /// Counts outcomes that are kept.
    pub(super) fn count(&mut self, taken: u64, repeated: u64) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.taken += count(taken);
        self.repeated += count(repeated);
    }

    pub(super) fn leave_out(&mut self, position: i64, why: &str) {
        self.not_understood += 1;
        if self.first.len() < NAMED {
            self.first.push(UntakenOutcome { position, why: why.to_owned() });
        }
    }

    pub(super) fn into_answer(self) -> ReportOutcomesResponse {
        let Self { taken, repeated, not_understood, mut first, .. } = self;
        // Those of a page that the store left out come after those that were never shown to it.
        first.sort_by_key(|outcome| outcome.position);
        ReportOutcomesResponse { taken, repeated, not_understood, first }
    }
}

fn fate(kind: OutcomeKind) -> Result<ReportedFate, &'static str> {
    Ok(match kind {
        OutcomeKind::Unspecified => return Err("`kind` is missing, or none that is known"),
        OutcomeKind::Delivered => ReportedFate::Delivered,
        OutcomeKind::Bounced => ReportedFate::Bounced,
        OutcomeKind::Deferred => ReportedFate::Deferred,
        OutcomeKind::Complained => ReportedFate::Complained,
        OutcomeKind::Unsubscribed => ReportedFate::Unsubscribed,
        OutcomeKind::Sent => ReportedFate::Sent,
    })
}

fn check_lengths(outcome: &Outcome) -> Result<(), &'static str> {
    let (address, words, event_id) = LONGEST;
    if outcome.address.len() > address {
        Err("`address` is longer than 1000 octets")
    } else if outcome.words.len() > words {
        Err("`words` is longer than 65,536 octets")
    } else if outcome.event_id.len() > event_id {
        Err("`event_id` is longer than 256 octets")
    } else {
        Ok(())
    }
}

fn time(outcome: &Outcome) -> Result<Option<SystemTime>, &'static str> {
    let Some(at) = outcome.event_time else { return Ok(None) };
    let at = SystemTime::try_from(at).ok().filter(|at| *at >= SystemTime::UNIX_EPOCH);
    at.map(Some).ok_or("`event_time` is no time after 1970")
}
