//! Lists that wait: what was found in them, and how long they wait.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;
use bytes::Bytes;
use http_body_util::Full;
use tokio::task::JoinSet;
use tonic::body::Body;

use super::drafts::{DraftState, Drafts, ListDraft, forget_for_ever};
use super::found::{FoundPage, column_text};
use super::pages::PageFrame;
use super::sessions::SessionKey;
use super::survey::survey;
use crate::batch::Config;
use crate::batch::uploads::UploadStore;
use crate::campaign::eta::DestinationWork;
use crate::clock::Clock;
use crate::exclusion::ExclusionMark;
use crate::http::{ArrivedList, FormHead, ListUploads};
use crate::proto::UploadListRequest;

const SESSION: SessionKey = [1; 32];
const OTHER: SessionKey = [2; 32];

fn store(folder: &Path) -> UploadStore {
    UploadStore::open(folder, &Config::default()).unwrap()
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("uploads")).unwrap().count()
}

/// A list that came by a form.
async fn arrived(store: &UploadStore, text: &str) -> Arc<ArrivedList> {
    arrived_of(store, text.as_bytes()).await
}

async fn arrived_of(store: &UploadStore, list: &[u8]) -> Arc<ArrivedList> {
    let head =
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"list.csv\"\r\n\r\n";
    let form = [head.as_bytes(), list, b"\r\n--b--\r\n"].concat();
    let body = Body::new(Full::new(Bytes::from(form)));
    let may_come = |head: &FormHead| {
        let filename = head.filename.clone();
        Ok(UploadListRequest { filename, ..UploadListRequest::default() })
    };
    let uploads = ListUploads::new(store.clone());
    let list = uploads.receive_form("multipart/form-data; boundary=b", body, may_come);
    list.await.unwrap()
}

/// The same, read without those on these suppression files.
async fn draft_without(store: &UploadStore, text: &str, exclusions: &[&str]) -> ListDraft {
    let list = arrived(store, text).await;
    let mut files = Vec::new();
    for exclusion in exclusions {
        files.push(arrived(store, exclusion).await);
    }
    let survey = survey(&list, &files).unwrap();
    let alike = survey.alike();
    ListDraft { list, exclusions: files, survey: Arc::new(survey), alike }
}

async fn draft(store: &UploadStore, text: &str) -> ListDraft {
    draft_without(store, text, &[]).await
}

#[tokio::test]
async fn shares_and_times_of_a_list_are_those_of_its_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let list = "n,email\n1,a@acme.test; b@acme.test\n2,c@acme.test; d@acme.test\n";
    let draft = draft(&store, list).await;
    let found = &draft.survey;
    assert_eq!((found.rows, found.addresses, found.open()), (2, 4, 4));
    assert_eq!(found.addresses_and_mailboxes(), (4, 4));
    let name = "acme.test".to_owned();
    let work = DestinationWork { name, open: 4, domains: 1, ..DestinationWork::default() };
    let page = FoundPage::new(PageFrame::default(), "x", &draft, &[work], String::new());
    let html = page.render().unwrap();
    assert!(html.contains(">100 %<") && !html.contains("200 %"), "{html}");
    assert!(html.contains("<dt>with an address</dt><dd>2</dd>"), "{html}");
    assert!(html.contains("<dt>addresses in all</dt><dd>4</dd>"), "{html}");
}

#[tokio::test]
async fn who_is_left_out_of_a_list_is_counted_with_the_reason_and_not_among_those_who_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let list = "n,email\n1,jane@acme.test\n2,bob@acme.de\n3,eve@acme.com\n4,\n\
                5,Jane@acme.test; eve@acme.com\n6,jane@acme.test\n";
    let draft = draft_without(&store, list, &["jane@acme.test\n", "@acme.de\n"]).await;
    let found = &draft.survey;
    assert_eq!((found.rows, found.exclusion.rows, found.addresses, found.open()), (5, 3, 2, 2));
    assert_eq!((found.mailboxes, found.domain_count), (Some(1), Some(1)));
    let marks = &found.exclusion.left_out.as_ref().unwrap().marks;
    let excluded: Vec<usize> =
        (0..6).filter(|place| marks.at(*place) == ExclusionMark::Excluded).collect();
    assert_eq!(excluded, [0, 1, 3, 5]);
    let page = FoundPage::new(PageFrame::default(), "x", &draft, &[], String::new());
    let html = page.render().unwrap();
    for told in [
        "<dt>left out</dt><dd>3</dd>",
        "<dt>addresses to ask about</dt><dd>2</dd>",
        "<strong>3 rows are left out (1 by a domain); of 1 row some addresses are.</strong>",
        "<bdi>list.csv</bdi>: 1 address to exclude</li>",
        "<bdi>list.csv</bdi>: 1 domain to exclude</li>",
        "<td><bdi>bob@acme.de</bdi></td><td class=\"soft\">left out</td>",
        "/console/lists/x/start",
        "/console/lists/x/include",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
}

#[tokio::test]
async fn the_keys_of_json_lines_are_chosen_and_read_together_as_columns_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let row = "{\"email\":\"jane@acme.test\",\"contact\":{\"email\":\"bob@acme.test\"}}\n";
    let draft = draft(&store, &row.repeat(2)).await;
    let html = FoundPage::new(PageFrame::default(), "x", &draft, &[], String::new());
    let html = html.render().unwrap();
    for told in [
        r#"<option value="1" selected>1: email</option>"#,
        r#"<option value="2">2: contact.email</option>"#,
        r#"<option value="1,2">1: email and 2: contact.email</option>"#,
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    let column = column_text(&draft.survey.columns, "1,2");
    let together = survey(&draft.list.with_column(&column), &[]).unwrap();
    assert_eq!((together.read.clone(), together.addresses), (vec![1, 2], 4));
}

#[tokio::test]
async fn a_suppression_file_that_leaves_out_parts_of_rows_alone_is_not_said_to_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let list = "n,email\n1,jane@acme.test; bob@acme.test\n2,bob@acme.test; eve@acme.test\n";
    let draft = draft_without(&store, list, &["bob@acme.test\n"]).await;
    assert_eq!((draft.survey.exclusion.rows, draft.survey.exclusion.rows_in_part), (0, 2));
    let page = FoundPage::new(PageFrame::default(), "x", &draft, &[], String::new());
    let html = page.render().unwrap();
    let told = "<strong>No row is left out; of 2 rows some addresses are.</strong>";
    assert!(html.contains(told), "{html}");
}

#[tokio::test]
async fn a_list_of_which_everybody_is_left_out_has_nobody_to_ask_about() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let draft = draft_without(&store, "jane@acme.test\n", &["jane@acme.test\n"]).await;
    assert!(draft.survey.is_nobody_left());
    let page = FoundPage::new(PageFrame::default(), "x", &draft, &[], String::new());
    let html = page.render().unwrap();
    assert!(html.contains("Nobody is left to ask about") && !html.contains("/start"), "{html}");
    let nobody = draft_without(&store, "jane@acme.test\n", &["bob@acme.test\n"]).await;
    assert!(!nobody.survey.is_nobody_left() && nobody.survey.exclusion.rows == 0);
}

#[tokio::test]
async fn a_page_names_what_a_person_can_do_there_and_no_option_of_a_command_line() {
    let folder = tempfile::tempdir().unwrap();
    // A name in windows-1251, which is no UTF-8.
    let rows = b"\xde\xeb\xe8\xff,a@acme.test,b@acme.test\n".repeat(20);
    let list = [&b"name,email,email 2\n"[..], &rows].concat();
    let list = arrived_of(&store(folder.path()), &list).await;
    let survey = Arc::new(survey(&list, &[]).unwrap());
    let draft = ListDraft { list, exclusions: Vec::new(), alike: survey.alike(), survey };
    let page = FoundPage::new(PageFrame::default(), "x", &draft, &[], String::new());
    let html = page.render().unwrap();
    for said in ["(a guess: if it is wrong, save the list as UTF-8", "is read if both are chosen"] {
        assert!(html.contains(said), "{said}: {html}");
    }
    assert!(!html.contains("--"), "{html}");
}

#[tokio::test]
async fn those_who_are_asked_add_up_to_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let list: String = (0..12).map(|n| format!("jane@d{n}.test\n")).collect();
    let draft = draft(&store(folder.path()), &list).await;
    let work: Vec<_> = (0..12)
        .map(|n| DestinationWork { name: format!("d{n}.test"), open: 1, ..Default::default() })
        .collect();
    let page = |work: &[DestinationWork]| {
        let page = FoundPage::new(PageFrame::default(), "x", &draft, work, String::new());
        page.render().unwrap()
    };
    let html = page(&work);
    assert!(html.contains("<bdi>d7.test</bdi>") && !html.contains("<bdi>d8.test</bdi>"), "{html}");
    assert!(html.contains("<bdi>all others</bdi></th><td class=\"n\">4</td>"), "{html}");
    assert!(!page(&[]).contains("all others"), "nobody is named");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_nobody_starts_leaves_the_disk_though_nobody_opens_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(folder.path()), Clock::start());
    let drafts = Arc::new(Drafts::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(forget_for_ever(Arc::downgrade(&drafts), clock));
    drafts.add(draft(&store, "a@acme.test\n").await, SESSION, clock.now()).unwrap();
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert_eq!(files(folder.path()), 1, "it waits for an hour");
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(files(folder.path()), 0);
    drop(drafts);
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn lists_that_wait_go_when_they_are_forgotten_and_with_their_session() {
    let folder = tempfile::tempdir().unwrap();
    let (store, now) = (store(folder.path()), Clock::start().now());
    let drafts = Drafts::default();
    for session in [SESSION, OTHER] {
        drafts.add(draft(&store, "a@acme.test\n").await, session, now).unwrap();
    }
    drafts.end(&SESSION);
    assert_eq!(files(folder.path()), 1, "that of the other session");
    drafts.forget(now + Duration::from_secs(3600));
    assert_eq!(files(folder.path()), 1, "its hour is not over");
    drafts.forget(now + Duration::from_secs(3601));
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test]
async fn a_list_that_was_started_makes_room_before_one_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, now) = (store(folder.path()), Clock::start().now());
    let drafts = Drafts::default();
    let mut ids = Vec::new();
    for second in 0..4 {
        let (draft, at) = (draft(&store, "a@acme.test\n").await, Duration::from_secs(second));
        ids.push(drafts.add(draft, SESSION, now + at).unwrap());
    }
    drafts.set_started(&ids[3], "batch".to_owned());
    let state = |id: &str| drafts.find(id, &SESSION, now);
    assert!(matches!(state(&ids[3]), Some(DraftState::Started(batch)) if batch == "batch"));
    drafts.replace(&ids[3], draft(&store, "b@acme.test\n").await);
    assert!(matches!(state(&ids[3]), Some(DraftState::Started(_))), "it is not read again");
    drafts.add(draft(&store, "a@acme.test\n").await, SESSION, now).unwrap();
    assert!(matches!(state(&ids[0]), Some(DraftState::Waiting(_))));
    assert!(state(&ids[3]).is_none());
}
