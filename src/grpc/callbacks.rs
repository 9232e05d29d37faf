//! `mailvet.v1.CallbackService`.

use tonic::{Request, Response, Status};

use super::batch::request as batch_request;
use super::caller;
use super::request::BadField;
use crate::batch::Batches;
use crate::batch::queue::{Notification, NotificationId, NotificationState};
use crate::callbacks::{Callbacks, ReceiverUrl, TestError};
use crate::campaign::{BatchEvent, Callback};
use crate::proto::callback_service_server::CallbackService;
use crate::proto::{
    self, CallbackEvent, CallbackSpec, ListCallbacksRequest, ListCallbacksResponse,
    ResendCallbackRequest, ResendCallbackResponse, TestCallbackRequest, TestCallbackResponse,
};

/// The service.
#[derive(Clone)]
pub(super) struct CallbackHandler {
    batches: Batches,
    callbacks: Option<Callbacks>,
}

impl CallbackHandler {
    pub(super) fn new(batches: Batches, callbacks: Option<Callbacks>) -> Self {
        Self { batches, callbacks }
    }

    /// The callbacks, if there is a secret to sign those of this owner with: what cannot be signed
    /// is never sent.
    fn signed(&self, owner: &str) -> Result<&Callbacks, Status> {
        let callbacks = self.callbacks.as_ref().filter(|callbacks| callbacks.are_taken(owner));
        callbacks.ok_or_else(not_taken)
    }
}

#[tonic::async_trait]
impl CallbackService for CallbackHandler {
    async fn list_callbacks(
        &self,
        request: Request<ListCallbacksRequest>,
    ) -> Result<Response<ListCallbacksResponse>, Status> {
        let owner = caller(&request)?.name;
        let request = request.get_ref();
        let limit = batch_request::page_size(request.page_size, 50);
        let limit = limit.map_err(BadField::into_status)?;
        let before = page_token(&request.page_token).map_err(BadField::into_status)?;
        // One more than the page holds: whether there is a next one.
        let found = self.batches.queue().notifications(&owner, before.as_ref(), limit + 1).await;
        let mut found = found.map_err(|error| batch_request::queue_status(&error))?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let next_page_token = last.map(|last| last.id.to_string()).unwrap_or_default();
        let callbacks = found.into_iter().map(to_message).collect();
        Ok(Response::new(ListCallbacksResponse { callbacks, next_page_token }))
    }

    async fn resend_callback(
        &self,
        request: Request<ResendCallbackRequest>,
    ) -> Result<Response<ResendCallbackResponse>, Status> {
        let owner = caller(&request)?.name;
        let id = NotificationId::from_text(&request.get_ref().callback_id);
        let resent = self.signed(&owner)?.resend(&owner, &id).await;
        let resent = resent.map_err(|error| batch_request::queue_status(&error))?;
        let resent = resent.ok_or_else(|| Status::not_found("there is no such callback"))?;
        let callback = Some(to_message(resent));
        Ok(Response::new(ResendCallbackResponse { callback }))
    }

    async fn test_callback(
        &self,
        request: Request<TestCallbackRequest>,
    ) -> Result<Response<TestCallbackResponse>, Status> {
        let owner = caller(&request)?.name;
        // Whoever tries it where none are signed has found no error of ours.
        match self.signed(&owner)?.test(&owner, &request.get_ref().url).await {
            Ok((delivered, result)) => {
                Ok(Response::new(TestCallbackResponse { delivered, result }))
            }
            Err(TestError::Url(error)) => {
                Err(BadField::new("url", error.to_string()).into_status())
            }
            Err(TestError::Secrets(error)) => {
                tracing::error!(error, "a trial cannot be signed");
                Err(not_taken())
            }
        }
    }
}

/// The callback after which a page begins.
fn page_token(token: &str) -> Result<Option<NotificationId>, BadField> {
    if token.is_empty() {
        return Ok(None);
    }
    NotificationId::parse(token).map(Some).ok_or_else(|| {
        BadField::new("page_token", "is not one; give the next_page_token of the page before")
    })
}

fn not_taken() -> Status {
    Status::failed_precondition(
        "the service signs no callbacks: its operator has to name a file of secrets \
         (callbacks.secrets)",
    )
}

/// The callback that a batch of `owner` is to have.
pub(super) fn callback(
    owner: &str,
    spec: Option<CallbackSpec>,
    callbacks: Option<&Callbacks>,
) -> Result<Option<Callback>, Status> {
    let Some(spec) = spec else {
        return Ok(callbacks.and_then(|callbacks| callbacks.standing_callback(owner)));
    };
    if !callbacks.is_some_and(|callbacks| callbacks.are_taken(owner)) {
        return Err(not_taken());
    }
    if let Err(error) = ReceiverUrl::parse(&spec.url) {
        return Err(BadField::new("spec.callback.url", error.to_string()).into_status());
    }
    let mut events: Vec<BatchEvent> = Vec::new();
    for event in spec.events {
        let event = match CallbackEvent::try_from(event) {
            Ok(CallbackEvent::Finished) => BatchEvent::Finished,
            Ok(CallbackEvent::Cancelled) => BatchEvent::Cancelled,
            Ok(CallbackEvent::PreflightReady) => BatchEvent::PreflightReady,
            Ok(CallbackEvent::Unspecified) | Err(_) => {
                let message = format!("holds {event}, which is not a CallbackEvent; use 1, 2 or 3");
                return Err(BadField::new("spec.callback.events", message).into_status());
            }
        };
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(Some(Callback { url: spec.url, events, is_standing: false }))
}

fn to_message(notification: Notification) -> proto::Callback {
    let event = match notification.event {
        BatchEvent::Finished => CallbackEvent::Finished,
        BatchEvent::Cancelled => CallbackEvent::Cancelled,
        BatchEvent::PreflightReady => CallbackEvent::PreflightReady,
    };
    let state = match notification.state {
        NotificationState::Pending => proto::CallbackState::Pending,
        NotificationState::Delivered => proto::CallbackState::Delivered,
        NotificationState::GivenUp => proto::CallbackState::GivenUp,
        NotificationState::SwitchedOff => proto::CallbackState::SwitchedOff,
    };
    proto::Callback {
        callback_id: notification.id.to_string(),
        batch_id: notification.batch.to_string(),
        url: notification.url,
        event: event.into(),
        event_time: Some(notification.created_at.into()),
        state: state.into(),
        tries: notification.tries,
        next_try_time: notification.due_at.map(Into::into),
        result: notification.result,
    }
}
