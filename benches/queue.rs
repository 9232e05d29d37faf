//! The queue: how fast rows come in, are worked off and read, what they take of the disk
//! and of memory; and beside it bare statements for the same bytes, in the same run.
//!
//! `cargo bench --bench queue` takes 1,000,000 rows, `-- 10000000` that many. `-- postgres://...`
//! adds the queue in that database, which four handles work off: by itself, beside a transaction
//! that has been open since before the first row (a dump, a report), and beside a hundred who watch
//! the list. Of all rows 45 % are of one domain, 35 % of a thousand, and 20 % of as many domains as
//! there are such rows: the shape of a consumer's list. One row in fifty is there twice. Every
//! domain has an exchanger of its own, and every chunk its own words, as of servers that name the
//! session.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mailvet::batch::Outcome;
use mailvet::batch::StoreConfig;
use mailvet::batch::postgres::PostgresQueue;
use mailvet::batch::queue::{
    Cursor, ItemOutcome, LeaseItem, LeaseRequest, NewRow, Order, Queue, ResultsRequest,
    SubmittedBatch, VerdictSet,
};
use mailvet::batch::sqlite::SqliteQueue;
use mailvet::campaign::{BatchId, BatchOptions, Spec, State};
use mailvet::clock::Clock;
use rusqlite::Connection;
use tokio::task::JoinSet;

/// Rows of one page.
const PAGE: u64 = 2000;

/// Workers that complete chunks side by side.
const WORKERS: usize = 8;

/// Watchers of a list, where there are any, and how often each may look.
const WATCHERS: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a server's yes leaves behind, to whom it is said in this chunk of `group`.
fn outcome(group: &str, chunk: u64) -> anyhow::Result<Outcome> {
    Ok(serde_json::from_value(serde_json::json!({
        "reasons": ["mailbox_accepted"], "action": "send", "stage": "rcpt", "catch_all": false,
        "flags": ["free_provider"], "exchanger": format!("mx01.{group}"), "ip": "192.0.2.17",
        "code": 250, "enhanced": [2, 1, 5], "reply": [format!("Ok {chunk:x}")],
        "gathered_at": 1_800_000_000_123_u64, "exchangers_asked": 1, "elapsed": 184,
    }))?)
}

fn main() -> anyhow::Result<()> {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let scratch = tempfile::tempdir()?;
    println!("{rows} rows");
    let mut ours = Measured::new(scratch.path(), rows)?;
    let embedded: Arc<dyn Queue> = Arc::new(SqliteQueue::open(scratch.path())?);
    runtime.block_on(queue(&mut ours, &[embedded], "sqlite", rows, 0))?;
    if let Some(url) = std::env::args().find(|word| word.starts_with("postgres")) {
        let mut shared = Measured::new(scratch.path(), rows)?;
        runtime.block_on(in_database(&mut shared, &url, rows))?;
    }
    println!("peak memory of the process: {:.0} MiB", peak_mib()?);
    let scratch = tempfile::tempdir()?;
    let mut bare = Measured::new(scratch.path(), rows)?;
    statements(&mut bare, scratch.path(), rows)
}

/// The address of row `n`, of 25 octets or a few more; its domain.
fn address(n: u64) -> (String, String) {
    // One in fifty is the row of 101 before, which is none of these.
    let n = if n % 50 == 49 { n.saturating_sub(101) } else { n };
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let domain = match mixed % 100 {
        0..45 => "mail.example".to_owned(),
        45..80 => format!("p{:03}.example", mixed / 100 % 1000),
        _ => format!("c{n:07}.example"),
    };
    let local = format!("{mixed:010}");
    let room = 24_usize.saturating_sub(domain.len()).max(8);
    (format!("{:x<room$}@{domain}", &local[..local.len().min(room)]), domain)
}

fn page(from: u64, rows: u64) -> Vec<NewRow> {
    (from..rows.min(from + PAGE))
        .map(|n| {
            let (address, group) = address(n);
            NewRow {
                row_id: String::new(),
                key: address.clone(),
                address,
                consented_at: None,
                group,
            }
        })
        .collect()
}

/// What each part took.
struct Measured<'a> {
    directory: &'a Path,
    rows: f64,
    began: Instant,
    worked: f64,
}

impl<'a> Measured<'a> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn new(directory: &'a Path, rows: u64) -> anyhow::Result<Self> {
        // Resets the peak; where that is not allowed, the peak is the process's.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Ok(Self { directory, rows: rows as f64, began: now(), worked: worked()? })
    }

    fn start(&mut self) -> anyhow::Result<()> {
        (self.began, self.worked) = (now(), worked()?);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn lap(&mut self, what: &str) -> anyhow::Result<()> {
        let took = self.began.elapsed().as_secs_f64();
        let busy = worked()? - self.worked;
        println!(
            "{what:<38} {:>9.0} rows/s {took:>7.2} s, {busy:>6.2} s of CPU {:>7.1} bytes/row on disk",
            self.rows / took,
            bytes(self.directory)? as f64 / self.rows,
        );
        self.start()
    }
}

/// Seconds of CPU that this process has used, its threads all together, to a hundredth. Beside it,
/// the time that went by tells how busy the machine was with other things.
fn worked() -> anyhow::Result<f64> {
    let line = fs::read_to_string("/proc/self/stat")?;
    let after_name = line.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]
fn now() -> Instant {
    Instant::now()
}

fn bytes(directory: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

fn peak_mib() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kib.unwrap_or(0.0) / 1024.0)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// Four handles of one database, as of four processes.
async fn handles(url: String) -> anyhow::Result<Vec<Arc<dyn Queue>>> {
    let config = StoreConfig { url: Some(url), allow_lossy: true, ..StoreConfig::default() };
    let mut handles: Vec<Arc<dyn Queue>> = Vec::new();
    for _ in 0..4 {
        handles.push(Arc::new(PostgresQueue::open(&config, Clock::start()).await?));
    }
    Ok(handles)
}

/// The queue in a database, by itself and beside what holds others up.
async fn in_database(measured: &mut Measured<'_>, url: &str, rows: u64) -> anyhow::Result<()> {
    let handles = handles(url.to_owned()).await?;
    queue(measured, &handles, "postgres", rows, 0).await?;
    let (old, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM mailvet.batches";
    old.batch_execute(snapshot).await?;
    queue(measured, &handles, "postgres, old snapshot", rows, 0).await?;
    old.batch_execute("COMMIT").await?;
    queue(measured, &handles, "postgres, watched", rows, WATCHERS).await
}

/// Reads a batch again and again, as often as one who watches it is told of changes.
async fn look(queue: Arc<dyn Queue>, id: BatchId) -> anyhow::Result<()> {
    while queue.batch(&id).await?.state == State::Running {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn queue(
    measured: &mut Measured<'_>,
    handles: &[Arc<dyn Queue>],
    name: &str,
    rows: u64,
    watchers: usize,
) -> anyhow::Result<()> {
    let queue = &handles[0];
    let id = BatchId::new(at(0));
    let spec = Spec {
        owner: String::new(),
        request_id: None,
        display_name: "bench".to_owned(),
        options: BatchOptions::default(),
        callback: None,
    };
    let submission = queue.submit(id.clone(), spec, at(0)).await?;
    anyhow::ensure!(matches!(submission, SubmittedBatch::New(_)));
    for from in (0..rows).step_by(usize::try_from(PAGE)?) {
        queue.append(&id, None, page(from, rows), at(0)).await?;
    }
    measured.lap(&format!("{name}: append"))?;
    let batch = queue.seal(&id, at(0)).await?;
    measured.lap(&format!("{name}: seal"))?;
    println!("  {} mailboxes", batch.progress.mailboxes);
    lease_beside_a_large_group(&**queue).await?;
    measured.start()?;

    let mut workers = JoinSet::new();
    for queue in handles.iter().cycle().take(WORKERS) {
        workers.spawn(work(Arc::clone(queue)));
    }
    for queue in handles.iter().cycle().take(watchers) {
        workers.spawn(look(Arc::clone(queue), id.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    measured.lap(&format!("{name}: lease, complete"))?;
    let batch = queue.batch(&id).await?;
    anyhow::ensure!(batch.state == State::Finished, "it is {}", batch.state.name());
    for order in [Order::Completion, Order::Row] {
        let (mut after, mut read) = (Cursor::default(), 0);
        loop {
            let request =
                ResultsRequest { order, after, verdicts: VerdictSet::default(), limit: 1000 };
            let page = queue.results(&id, request).await?;
            read += page.rows.len() as u64;
            after = page.next;
            if page.at_end {
                break;
            }
        }
        anyhow::ensure!(read == rows, "{read} rows were read");
        measured.lap(&format!("{name}: read, {order:?}"))?;
    }
    let groups = queue.groups(&id, 20).await?;
    println!("  the {} largest groups: {:?}", groups.len(), measured.began.elapsed());
    let began = now();
    queue.delete(&id).await?;
    println!("  {name}: deleted after {:?}", began.elapsed());
    Ok(())
}

/// How long a lease takes when the largest group has all the chunks out that it may have.
async fn lease_beside_a_large_group(queue: &dyn Queue) -> anyhow::Result<()> {
    let ask = |chunks| LeaseRequest { chunks, chunks_per_group: 4, until: at(60) };
    let mut slowest = Duration::ZERO;
    let began = now();
    let mut items = 0;
    for _ in 0..20 {
        let before = now();
        let leases = queue.lease(ask(100), at(1)).await?;
        slowest = slowest.max(before.elapsed());
        items += leases.iter().map(|lease| lease.items.len()).sum::<usize>();
    }
    println!(
        "  a lease of 100 chunks: {:?} on average ({} items), {slowest:?} at most",
        began.elapsed() / 20,
        items / 20,
    );
    // They all end by their time.
    queue.next_due(at(61)).await?;
    Ok(())
}

async fn work(queue: Arc<dyn Queue>) -> anyhow::Result<()> {
    loop {
        let ask = LeaseRequest { chunks: 32, chunks_per_group: 64, until: at(1000) };
        let leases = queue.lease(ask, at(100)).await?;
        if leases.is_empty() {
            return Ok(());
        }
        let mut answers = JoinSet::new();
        for lease in leases {
            let outcome = outcome(&lease.group, lease.id.0)?;
            let known =
                |item: &LeaseItem| ItemOutcome { item: item.number, outcome: outcome.clone() };
            let results = lease.items.iter().map(known).collect();
            let queue = Arc::clone(&queue);
            answers.spawn(async move { queue.complete(lease.id, results, at(100)).await });
        }
        while let Some(answer) = answers.join_next().await {
            answer??;
        }
    }
}

/// The same bytes in one table of addresses and one of results, with the same promises.
fn statements(measured: &mut Measured<'_>, directory: &Path, rows: u64) -> anyhow::Result<()> {
    let connection = Connection::open(directory.join("bare.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE rows (row INTEGER PRIMARY KEY, address TEXT);
         CREATE TABLE results (row INTEGER PRIMARY KEY, outcome TEXT);",
    )?;
    for from in (0..rows).step_by(usize::try_from(PAGE)?) {
        let change = connection.unchecked_transaction()?;
        let mut insert = change.prepare_cached("INSERT INTO rows (address) VALUES (?)")?;
        for row in page(from, rows) {
            insert.execute([row.address])?;
        }
        drop(insert);
        change.commit()?;
    }
    measured.lap("bare: insert rows")?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    for from in (0..rows).step_by(2000) {
        let change = connection.unchecked_transaction()?;
        let mut insert = change.prepare_cached("INSERT INTO results (outcome) VALUES (?)")?;
        let outcome = outcome("mail.example", from)?;
        for _ in from..rows.min(from + 2000) {
            insert.execute([serde_json::to_string(&outcome)?])?;
        }
        drop(insert);
        change.commit()?;
    }
    measured.lap("bare: insert results")?;
    let mut read = connection
        .prepare("SELECT address, outcome FROM rows JOIN results USING (row) ORDER BY row")?;
    let mut found = read.query([])?;
    while let Some(row) = found.next()? {
        let _address: String = row.get(0)?;
        let _outcome: Outcome = serde_json::from_str(row.get_ref(1)?.as_str()?)?;
    }
    measured.lap("bare: read")
}
