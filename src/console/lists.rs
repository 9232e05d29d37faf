//! A list from its upload to its start. Nothing is asked before that.

use std::sync::Arc;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;

use super::answer::{self, see_other};
use super::drafts::{DraftState, DraftTurns, ListDraft};
use super::found::{ChoosePage, FoundPage, column_text};
use super::parts::{PREFIX, SiteParts};
use super::survey::survey;
use super::visit::{Answered, Visit};
use crate::campaign::duration;
use crate::http::{ArrivedList, FormHead, ListUploads, NO_FOLDER, RequestForm};
use crate::proto::{SendPolicy, UploadBatchResponse, UploadListRequest};

/// Takes a list to disk, and reads it.
pub(super) async fn receive(site: &SiteParts, visit: &Visit, body: Body) -> Answered {
    // What nobody will start any more leaves its room to this one.
    site.drafts.forget(site.clock.now());
    let _call = visit.admit().await?;
    let room = site.room()?;
    let content_type = visit.parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let may_come = |head: &FormHead| {
        let field = |name| head.fields.iter().find(|(field, _)| field == name);
        visit.check_token_text(field("token").map_or("", |(_, value)| value))?;
        if head.filename.is_empty() {
            return Err(Status::invalid_argument("no file was chosen; go back and choose one"));
        }
        let filename = head.filename.clone();
        Ok(UploadListRequest { filename, ..UploadListRequest::default() })
    };
    let uploads = uploads(site)?;
    let list = uploads.receive_form(content_type.unwrap_or_default(), body, may_come).await?;
    let draft = read(list, room).await?;
    let id = site.drafts.add(draft, visit.session.key, site.clock.now());
    let id = id.ok_or_else(|| Status::internal("there are no random numbers"))?;
    see_other(&format!("{PREFIX}lists/{id}"))
}

fn uploads(site: &SiteParts) -> Result<&ListUploads, Status> {
    let uploads = site.uploads.as_ref();
    uploads.ok_or_else(|| Status::unimplemented(NO_FOLDER))
}

/// Reads a list. The room is held until that is done, also when nobody waits for it any more.
async fn read(list: Arc<ArrivedList>, room: OwnedSemaphorePermit) -> Result<ListDraft, Status> {
    let reading = Arc::clone(&list);
    // Reading files blocks.
    let survey = tokio::task::spawn_blocking(move || {
        let _room = room;
        survey(&reading)
    });
    let survey = survey.await.map_err(|_| Status::internal("the list was not read"))??;
    Ok(ListDraft { list, survey: Arc::new(survey) })
}

fn find(site: &SiteParts, visit: &Visit, id: &str) -> Result<DraftState, Status> {
    let found = site.drafts.find(id, &visit.session.key, site.clock.now());
    found.ok_or_else(not_there)
}

fn turns(site: &SiteParts, visit: &Visit, id: &str) -> Result<DraftTurns, Status> {
    let found = site.drafts.turns(id, &visit.session.key, site.clock.now());
    found.ok_or_else(not_there)
}

fn not_there() -> Status {
    Status::not_found(
        "this list was discarded, waited for more than an hour, or its session is over; upload it \
         again",
    )
}

/// Leads to the page of a list that was started.
fn to_batch(batch_id: &str) -> Answered {
    see_other(&format!("{PREFIX}batches/{batch_id}"))
}

/// Shows what was found in a list, and how long it will take.
pub(super) async fn show(site: &SiteParts, visit: &Visit, id: &str) -> Answered {
    let _call = visit.admit().await?;
    let draft = match find(site, visit, id)? {
        DraftState::Waiting(draft) => draft,
        DraftState::Started(batch_id) => return to_batch(&batch_id),
    };
    let survey = &draft.survey;
    if let Some(question) = &survey.question {
        let page = ChoosePage::new(visit.frame(), id, &draft.list, question);
        return Ok(answer::page(StatusCode::OK, &page));
    }
    let work = site.batches.prospect(&survey.domains).await;
    let time = duration::before_start(
        work.clone(),
        survey.open(),
        survey.addresses_and_mailboxes(),
        Some(site.batches.pace()),
    );
    let page = FoundPage::new(visit.frame(), id, &draft, &work, time);
    Ok(answer::page(StatusCode::OK, &page))
}

/// Reads the list again, by another column.
pub(super) async fn choose_column(
    site: &SiteParts,
    visit: &Visit,
    id: &str,
    form: &RequestForm,
) -> Answered {
    let _call = visit.admit().await?;
    let draft = match find(site, visit, id)? {
        DraftState::Waiting(draft) => draft,
        DraftState::Started(batch_id) => return to_batch(&batch_id),
    };
    let survey = &draft.survey;
    let columns = survey.question.as_ref().map_or(&survey.columns, |question| &question.columns);
    let column = column_text(columns, form.value("column"));
    let list = Arc::new(draft.list.with_column(column));
    site.drafts.replace(id, read(list, site.room()?).await?);
    see_other(&format!("{PREFIX}lists/{id}"))
}

/// Has the list verified from here on. Whoever presses the button twice starts it once.
pub(super) async fn start(
    site: &SiteParts,
    visit: &Visit,
    id: &str,
    form: &RequestForm,
) -> Answered {
    let turn = turns(site, visit, id)?.lock_owned().await;
    let draft = match find(site, visit, id)? {
        DraftState::Waiting(draft) => draft,
        DraftState::Started(batch_id) => return to_batch(&batch_id),
    };
    if draft.survey.question.is_some() {
        let sentence = "choose the column of the addresses first; nothing was started";
        return Err(Status::failed_precondition(sentence));
    }
    let policy = match form.value("send_to") {
        "all" => SendPolicy::All,
        "deliverable_and_risky" => SendPolicy::DeliverableAndRisky,
        _ => SendPolicy::Deliverable,
    };
    let list = Arc::new(draft.list.with_send_policy(policy, id));
    let (messages, upload) = uploads(site)?.begin_stored(list);
    let (drafts, visit, id) = (Arc::clone(&site.drafts), visit.clone(), id.to_owned());
    // A browser that asks once more lets go of its first request: half of a list would be gone.
    let started = site.finish(async move {
        let _turn = turn;
        let answer: UploadBatchResponse = visit.upload(messages).await?;
        let batch = upload.keep(answer).await.batch.unwrap_or_default();
        drafts.set_started(&id, batch.batch_id.clone());
        Ok(batch.batch_id)
    });
    to_batch(&started.await?)
}

/// Forgets a list that was not started.
pub(super) async fn discard(site: &SiteParts, visit: &Visit, id: &str) -> Answered {
    let _call = visit.admit().await?;
    let _turn = turns(site, visit, id)?.lock_owned().await;
    if let DraftState::Started(batch_id) = find(site, visit, id)? {
        return to_batch(&batch_id);
    }
    site.drafts.remove(id);
    see_other(PREFIX)
}
