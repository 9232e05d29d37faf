//! Downloads of lists that are kept, given an answer with their results.

use std::path::Path;
use std::time::SystemTime;

use http_body_util::BodyExt as _;
use prost::Message as _;

use super::*;
use crate::batch::config::Config;
use crate::exclusion::{ExclusionMark, ExclusionMarks};
use crate::http::ListExclusion;
use crate::http::frames::frame;
use crate::proto::{BatchResult, UploadListRequest};

/// The answer with these results, a page each.
fn results(pages: Vec<Vec<BatchResult>>) -> Response<Body> {
    let frames = pages.into_iter().map(|results| {
        let page = StreamBatchResultsResponse { results, ..Default::default() };
        Ok::<_, Status>(Frame::data(frame(&page.encode_to_vec()).unwrap()))
    });
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = frames.chain([Ok(Frame::trailers(trailers))]).collect::<Vec<_>>();
    Response::new(Body::new(StreamBody::new(stream::iter(frames))))
}

fn result(row: usize, address: &str, action: Action) -> BatchResult {
    let verification = Some(Verification {
        input: address.to_owned(),
        action: action.into(),
        ..Verification::default()
    });
    BatchResult { row_id: row.to_string(), verification, ..BatchResult::default() }
}

/// The pieces in which a list goes out.
async fn pieces(
    folder: &Path,
    list: &[u8],
    selection: RowSelection,
    pages: Vec<Vec<BatchResult>>,
) -> Vec<Bytes> {
    let frames = frames(folder, list, selection, pages).await;
    frames.into_iter().map(Result::unwrap).collect()
}

/// The same, up to the error with which it breaks off.
async fn frames(
    folder: &Path,
    list: &[u8],
    selection: RowSelection,
    pages: Vec<Vec<BatchResult>>,
) -> Vec<Result<Bytes, Status>> {
    let reading = UploadListRequest::default().encode_to_vec();
    frames_of_kept(folder, (list, &*reading), selection, pages).await
}

/// The same, of a list that is kept with how it was read.
async fn frames_of_kept(
    folder: &Path,
    (list, reading): (&[u8], &[u8]),
    selection: RowSelection,
    pages: Vec<Vec<BatchResult>>,
) -> Vec<Result<Bytes, Status>> {
    let store = UploadStore::open(folder, &Config::default()).unwrap();
    let id = BatchId::new(SystemTime::UNIX_EPOCH);
    let mut spool = store.begin().unwrap();
    spool.write(list).unwrap();
    store.keep(&spool, &id, reading).unwrap();
    let batch_id = id.to_string();
    let download = ListDownload { store: Some(store), batch_id, selection, is_csv: false };
    let mut body = download.answer(results(pages)).await.unwrap().into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.map(|frame| frame.into_data().unwrap()));
    }
    frames
}

#[tokio::test]
async fn the_rest_of_a_list_goes_out_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let none = "2,\n".repeat(200_000);
    let list = format!("n,email\n1,jane@acme.test\n{none}3,bob@acme.test\n{none}");
    let jane = || vec![result(1, "jane@acme.test", Action::Send)];
    let bob = vec![result(200_002, "bob@acme.test", Action::Suppress)];
    for pages in [vec![jane(), bob.clone()], vec![[jane(), bob].concat()], vec![jane()], vec![]] {
        let pieces = pieces(folder.path(), list.as_bytes(), RowSelection::All, pages).await;
        let largest = pieces.iter().map(Bytes::len).max().unwrap();
        assert!(pieces.len() > 10 && largest <= 1024 * 1024, "{largest}");
        let text = String::from_utf8(pieces.concat()).unwrap();
        assert_eq!(text.lines().count(), 400_003);
        assert_eq!(text.lines().filter(|line| line.contains("no_address")).count(), 400_000);
    }
}

#[tokio::test]
async fn a_verdict_is_not_written_beside_an_address_that_it_is_not_about() {
    let folder = tempfile::tempdir().unwrap();
    let list = "email\njane@acme.test\nbob@acme.test\n";
    let bob = |row| vec![vec![result(row, "bob@acme.test", Action::Send)]];
    for selection in RowSelection::ALL {
        for row in [1, 3] {
            let frames = frames(folder.path(), list.as_bytes(), selection, bob(row)).await;
            assert!(frames.last().unwrap().is_err(), "the answer breaks off: {row}");
        }
        let frames = frames(folder.path(), list.as_bytes(), selection, bob(2)).await;
        assert!(frames.iter().all(Result::is_ok));
    }
}

/// How a list was read of whose addresses those at these places were left out, and of another one
/// the suggestion.
fn reading_without(excluded: &[usize], suggestion: usize) -> Vec<u8> {
    let mut marks = ExclusionMarks::default();
    for place in 0..=excluded.iter().copied().max().unwrap_or_default().max(suggestion) {
        marks.push(match place {
            place if excluded.contains(&place) => ExclusionMark::Excluded,
            place if place == suggestion => ExclusionMark::Suggestion,
            _ => ExclusionMark::Asked,
        });
    }
    let mut reading = UploadListRequest::default().encode_to_vec();
    reading.extend(ListExclusion { marks, rows: 2 }.encode());
    reading
}

#[tokio::test]
async fn rows_that_were_left_out_are_among_those_not_to_send_to_as_the_command_line_writes_them() {
    let list = "n,email\n1,out@acme.test\n2,jane@acme.test; out@acme.test; bob@acme.test\n3,\n\
                4,eve@gmial.com\n5,Out <out@acme.test>\n";
    let reading = reading_without(&[0, 2, 5], 4);
    let jane = result(2, "jane@acme.test", Action::Send);
    let mut eve = result(4, "eve@gmial.com", Action::Suppress);
    eve.verification.as_mut().unwrap().suggestion = Some("eve@gmail.com".to_owned());
    let out = |row: &str| format!("{row},risky,suppress,opted_out,,,,,out@acme.test,,");
    for (selection, rows) in [
        (RowSelection::Clean, "2"),
        (RowSelection::Review, ""),
        (RowSelection::Suppress, "145"),
        (RowSelection::All, "12345"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let pages = vec![vec![jane.clone()], vec![eve.clone()]];
        let kept = (list.as_bytes(), &*reading);
        let frames = frames_of_kept(folder.path(), kept, selection, pages).await;
        let octets: Vec<Bytes> = frames.into_iter().map(Result::unwrap).collect();
        let text = String::from_utf8(octets.concat()).unwrap();
        let found: String = text.lines().skip(1).filter_map(|line| line.get(..1)).collect();
        assert_eq!(found, rows, "{selection:?}: {text}");
        for (number, line) in [("1", out("1,out@acme.test")), ("5", out("5,Out <out@acme.test>"))] {
            assert_eq!(text.contains(&line), rows.contains(number), "{line}: {text}");
        }
        assert!(!text.contains("eve@gmail.com"), "it was to be nobody's suggestion: {text}");
        assert_eq!(text.contains(",bob@acme.test\n"), rows.contains('2'), "the other: {text}");
    }
}

#[tokio::test]
async fn an_answer_to_a_row_that_was_left_out_breaks_the_download_off() {
    let folder = tempfile::tempdir().unwrap();
    let reading = reading_without(&[0], 1);
    let kept = (&b"email\nout@acme.test\n"[..], &*reading);
    let pages = vec![vec![result(1, "out@acme.test", Action::Send)]];
    let frames = frames_of_kept(folder.path(), kept, RowSelection::Clean, pages).await;
    assert!(frames.last().unwrap().is_err(), "{frames:?}");
}

#[tokio::test]
async fn rows_of_a_selection_are_found_behind_many_others() {
    let folder = tempfile::tempdir().unwrap();
    let none = "2,\n".repeat(30_000);
    let list = format!("n,email\n{none}1,jane@acme.test\n{none}3,bob@acme.test\n{none}");
    let pages = vec![
        vec![result(30_001, "jane@acme.test", Action::Suppress)],
        vec![],
        vec![result(60_002, "bob@acme.test", Action::Send)],
    ];
    let pieces = pieces(folder.path(), list.as_bytes(), RowSelection::Clean, pages).await;
    let text = String::from_utf8(pieces.concat()).unwrap();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert!(matches!(rows[..], [row] if row.starts_with("3,bob@acme.test,")), "{rows:?}");
}

#[tokio::test]
async fn rows_that_never_got_a_result_are_to_be_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    let list = "n,email\n1,jane@acme.test\n2,bob@acme.test\n3,\n4,eve@acme.test\n\n5,x@acme.test\n";
    let pages = || vec![vec![result(1, "jane@acme.test", Action::Send)]];
    for (selection, expected) in
        [(RowSelection::Clean, "1"), (RowSelection::Review, "245"), (RowSelection::Suppress, "")]
    {
        let pieces = pieces(folder.path(), list.as_bytes(), selection, pages()).await;
        let text = String::from_utf8(pieces.concat()).unwrap();
        let rows: String = text.lines().skip(1).filter_map(|line| line.get(..1)).collect();
        assert_eq!(rows, expected, "{selection:?}: {text}");
    }
}
