//! Downloads of lists that are kept, given an answer with their results.

use std::path::Path;
use std::time::SystemTime;

use http_body_util::BodyExt as _;
use prost::Message as _;

use super::*;
use crate::batch::config::Config;
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
    let store = UploadStore::open(folder, &Config::default()).unwrap();
    let id = BatchId::new(SystemTime::UNIX_EPOCH);
    let mut spool = store.begin().unwrap();
    spool.write(list).unwrap();
    store.keep(&spool, &id, &UploadListRequest::default().encode_to_vec()).unwrap();
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
