//! The corpus of what real servers answered: `tests/corpus/real_servers.jsonl`.
//!
//! A test that provokes a reply says what it means and finds the same reply in the corpus. With
//! `TEST_MAILVET_RECORD=FILE` it is appended to FILE instead; sorted, such a file is the new
//! corpus.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::dialogue::Reply;
use super::loopback::port;
use super::place;

/// What a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Label {
    Accepted,
    AmbiguousPolicy,
    AuthOrTlsRequired,
    Greylisted,
    MailboxDisabled,
    MailboxFull,
    MailboxNotFound,
    MessageContent,
    NetworkOrServerError,
    RateLimited,
    RelayDenied,
    SenderBlocked,
    SyntaxError,
    TemporaryFailure,
}

/// What the server answered to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Connect,
    Ehlo,
    Mail,
    Rcpt,
}

/// A line of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    /// The server's name and version.
    server: String,
    /// What was set up and asked.
    condition: String,
    stage: Stage,
    code: u16,
    enhanced: Option<String>,
    text: String,
    label: Label,
}

static CORPUS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/real_servers.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
});

/// The addresses of servers in a test differ from run to run.
static SERVER_ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"127\.(12[89]|1[3-9]\d|2\d\d)\.\d+\.\d+").unwrap());

/// `text` with an address for documentation, and port 25, in place of a test server's.
fn stable(text: &str) -> String {
    let text = SERVER_ADDRESS.replace_all(text, "192.0.2.25");
    text.replace(&format!("]:{}", port()), "]:25")
}

/// Holds `reply` of `server` ("Name version") against the corpus.
///
/// # Panics
/// If the corpus has no such row, or another answer or label for `condition`.
pub(crate) fn saw(server: &str, condition: &str, stage: Stage, label: Label, reply: &Reply) {
    assert_eq!(reply.code < 400, label == Label::Accepted, "{server}, {condition}: {reply:?}");
    let row = Row {
        server: server.to_owned(),
        condition: condition.to_owned(),
        stage,
        code: reply.code,
        enhanced: reply.enhanced.clone(),
        text: stable(&reply.text),
        label,
    };
    if let Some(file) = place::setting("TEST_MAILVET_RECORD") {
        let line = format!("{}\n", serde_json::to_string(&row).unwrap());
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        return file.write_all(line.as_bytes()).unwrap();
    }
    // A newer release may run here; what it says must be the same.
    let name = |server: &str| server.split(' ').next().unwrap_or_default().to_owned();
    let known = CORPUS
        .iter()
        .find(|known| name(&known.server) == name(&row.server) && known.condition == row.condition);
    let known = known.map(|known| Row { server: row.server.clone(), ..known.clone() });
    assert_eq!(
        known,
        Some(row),
        "the corpus must hold it: record it with TEST_MAILVET_RECORD=FILE"
    );
}
