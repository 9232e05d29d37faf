//! `mailvet outcomes export`, `import`, `erase`, `forget` and `token`: what is kept.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write as _, stdin, stdout};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::super::common::Common;
use super::args::{EraseArgs, ForgetArgs, ImportArgs, TokenArgs};
use crate::address::{Address, irregular};
use crate::outcomes::{Digest, OutcomeKind, OutcomeStore, StoredOutcome, readers};
use crate::report::{printable, rfc3339};

/// Outcomes that are kept in one transaction, or read in one page.
const AT_ONCE: usize = 20_000;

/// One outcome, as a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
struct OutcomeJson {
    /// The fingerprint of the key that the hashes are made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    id: String,
    mailbox: String,
    person: String,
    domain: String,
    kind: String,
    time: String,
    source: String,
    words: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

async fn open(common: &Common) -> anyhow::Result<OutcomeStore> {
    let config = common.load(Table::new())?;
    Ok(super::place(&config)?.open(&config.outcomes).await?)
}

pub(super) async fn export(common: &Common) -> anyhow::Result<bool> {
    let store = open(common).await?;
    let key = store.fingerprint().await?.map(|key| key.to_string());
    let mut last = None;
    loop {
        let page = store.export(last.as_ref(), AT_ONCE).await?;
        let Some(end) = page.last() else { return Ok(true) };
        last = Some(end.clone());
        let mut output = BufWriter::new(stdout().lock());
        for outcome in page {
            serde_json::to_writer(&mut output, &json(outcome, key.clone()))?;
            writeln!(output)?;
        }
        output.flush()?;
    }
}

pub(super) async fn import(args: &ImportArgs, common: &Common) -> anyhow::Result<bool> {
    let store = open(common).await?;
    let input: Box<dyn Read + Send> = match args.file.as_path() {
        file if file == Path::new("-") => Box::new(stdin()),
        file => Box::new(
            File::open(file).with_context(|| format!("{} cannot be read", file.display()))?,
        ),
    };
    let (mut count, mut taken) = (0, 0);
    let mut waiting = Vec::new();
    let mut checked = None;
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let read = serde_json::from_str(&line).ok().and_then(outcome);
        let (key, outcome) = read.with_context(|| {
            format!("line {} is nothing that `mailvet outcomes export` writes", number + 1)
        })?;
        // An earlier version wrote none.
        if let Some(key) = key
            && checked.replace(key) != Some(key)
        {
            if !waiting.is_empty() {
                taken += store.import(std::mem::take(&mut waiting)).await?;
            }
            let foreign = || format!("the outcomes from line {} on are not imported", number + 1);
            store.check_fingerprint(key).await.with_context(foreign)?;
        }
        waiting.push(outcome);
        count += 1;
        if waiting.len() >= AT_ONCE {
            taken += store.import(std::mem::take(&mut waiting)).await?;
        }
    }
    taken += store.import(waiting).await?;
    print_line!("{taken} taken, {} repeated", count - taken);
    Ok(true)
}

pub(super) async fn erase(args: &EraseArgs, common: &Common) -> anyhow::Result<bool> {
    let address = parse(&args.address)?;
    let count = open(common).await?.erase(&address).await?;
    print_line!("{count} removed");
    Ok(count > 0)
}

pub(super) async fn forget(args: &ForgetArgs, common: &Common) -> anyhow::Result<bool> {
    let count = open(common).await?.forget_before(args.before).await?;
    print_line!("{count} removed");
    Ok(true)
}

pub(super) async fn print_tokens(args: &TokenArgs, common: &Common) -> anyhow::Result<bool> {
    let store = open(common).await?;
    for text in &args.addresses {
        print_line!("{}", store.token(&parse(text)?).await?);
    }
    Ok(true)
}

fn parse(text: &str) -> anyhow::Result<Address> {
    // As `add` reads it: what was kept can be erased.
    let read = irregular::parse(text).with_context(|| format!("{} is no address", printable(text)));
    Ok(read?.0)
}

fn json(outcome: StoredOutcome, key: Option<String>) -> OutcomeJson {
    OutcomeJson {
        key,
        id: outcome.id.to_string(),
        mailbox: outcome.mailbox.to_string(),
        person: outcome.person.to_string(),
        domain: outcome.domain,
        kind: outcome.kind.name().to_owned(),
        time: rfc3339(outcome.at),
        source: outcome.source,
        words: outcome.words,
        address: outcome.address,
    }
}

/// The outcome in a line, and the fingerprint of its key.
fn outcome(json: OutcomeJson) -> Option<(Option<Digest>, StoredOutcome)> {
    let key = match json.key {
        Some(key) => Some(Digest::parse(&key)?),
        None => None,
    };
    let outcome = StoredOutcome {
        id: Digest::parse(&json.id)?,
        mailbox: Digest::parse(&json.mailbox)?,
        person: Digest::parse(&json.person)?,
        domain: json.domain,
        kind: OutcomeKind::from_name(&json.kind)?,
        at: readers::parse_time(&json.time)?,
        source: json.source,
        words: json.words,
        address: json.address,
    };
    Some((key, outcome))
}
