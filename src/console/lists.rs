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

/// Most suppression files of a list.
const MOST_EXCLUSIONS: usize = 8;

/// Takes a list to disk, and reads it.
pub(super) async fn receive(site: &SiteParts, visit: &Visit, body: Body) -> Answered {
    // What nobody will start any more leaves its room to this one.
    site.drafts.forget(site.clock.now());
    let _call = visit.admit().await?;
    let room = site.room()?;
    let list = receive_file(site, visit, body).await?;
    let draft = read(site, list, Vec::new(), room).await?;
    let id = site.drafts.add(draft, visit.session.key, site.clock.now());
    let id = id.ok_or_else(|| Status::internal("there are no random numbers"))?;
    see_other(&format!("{PREFIX}lists/{id}"))
}

/// Takes the file of a form to disk.
async fn receive_file(
    site: &SiteParts,
    visit: &Visit,
    body: Body,
) -> Result<Arc<ArrivedList>, Status> {
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
    uploads(site)?.receive_form(content_type.unwrap_or_default(), body, may_come).await
}

fn uploads(site: &SiteParts) -> Result<&ListUploads, Status> {
    let uploads = site.uploads.as_ref();
    uploads.ok_or_else(|| Status::unimplemented(NO_FOLDER))
}

/// Reads a list, without the addresses that these suppression files exclude. The room is held until
/// that is done, also when nobody waits for it any more.
async fn read(
    site: &SiteParts,
    list: Arc<ArrivedList>,
    exclusions: Vec<Arc<ArrivedList>>,
    room: OwnedSemaphorePermit,
) -> Result<ListDraft, Status> {
    let exclusion_room =
        if exclusions.is_empty() { None } else { Some(site.exclusion_room().await?) };
    let (reading, excluding) = (Arc::clone(&list), exclusions.clone());
    // Reading files blocks.
    let survey = tokio::task::spawn_blocking(move || {
        let _rooms = (room, exclusion_room);
        survey(&reading, &excluding)
    });
    let survey = survey.await.map_err(|_| Status::internal("the list was not read"))??;
    let list = Arc::new(list.with_exclusion(survey.exclusion.left_out.clone()));
    let alike = survey.alike();
    Ok(ListDraft { list, exclusions, survey: Arc::new(survey), alike })
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
        let page = ChoosePage::new(visit.frame(), id, &draft, question);
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
    let _turn = turns(site, visit, id)?.lock_owned().await;
    let draft = match find(site, visit, id)? {
        DraftState::Waiting(draft) => draft,
        DraftState::Started(batch_id) => return to_batch(&batch_id),
    };
    let survey = &draft.survey;
    let columns = survey.question.as_ref().map_or(&survey.columns, |question| &question.columns);
    let column = column_text(columns, form.value("column"));
    let list = Arc::new(draft.list.with_column(&column));
    let again = read(site, list, draft.exclusions, site.room()?).await?;
    site.drafts.replace(id, ListDraft { alike: draft.alike, ..again });
    see_other(&format!("{PREFIX}lists/{id}"))
}

/// Takes a suppression file to disk, and reads the list again without those on it.
pub(super) async fn exclude(site: &SiteParts, visit: &Visit, id: &str, body: Body) -> Answered {
    let _call = visit.admit().await?;
    may_exclude(&find(site, visit, id)?)?;
    let room = site.room()?;
    let file = receive_file(site, visit, body).await?;
    // Of two files at a time, each is added to what the other left.
    let _turn = turns(site, visit, id)?.lock_owned().await;
    let ListDraft { list, mut exclusions, alike, .. } = may_exclude(&find(site, visit, id)?)?;
    exclusions.push(file);
    let again = read(site, list, exclusions, room).await?;
    site.drafts.replace(id, ListDraft { alike, ..again });
    see_other(&format!("{PREFIX}lists/{id}"))
}

/// The list, if a suppression file may be added to it.
fn may_exclude(state: &DraftState) -> Result<ListDraft, Status> {
    match state {
        DraftState::Started(_) => Err(Status::failed_precondition(
            "this list was started before the file had come: those on it are not left out; stop the \
             list, and upload it again",
        )),
        DraftState::Waiting(draft) if draft.exclusions.len() >= MOST_EXCLUSIONS => {
            Err(Status::failed_precondition(format!(
                "a list takes {MOST_EXCLUSIONS} suppression files, and this one was not added; put \
                 several into one"
            )))
        }
        DraftState::Waiting(draft) => Ok(draft.clone()),
    }
}

/// Reads the list again, without a suppression file.
pub(super) async fn include(site: &SiteParts, visit: &Visit, id: &str) -> Answered {
    let _call = visit.admit().await?;
    let _turn = turns(site, visit, id)?.lock_owned().await;
    let draft = match find(site, visit, id)? {
        DraftState::Waiting(draft) => draft,
        DraftState::Started(batch_id) => return to_batch(&batch_id),
    };
    let again = read(site, draft.list, Vec::new(), site.room()?).await?;
    site.drafts.replace(id, ListDraft { alike: draft.alike, ..again });
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
    if draft.survey.is_nobody_left() {
        let sentence = "everybody on the list is on its suppression files, so nothing was started";
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
