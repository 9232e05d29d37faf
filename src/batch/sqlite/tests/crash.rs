//! The process is killed at random points, again and again; whatever it had said was done is done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::batch::queue::{NewRow, Order, Queue, SubmittedBatch};
use crate::batch::sqlite::SqliteQueue;
use crate::campaign::id::BatchId;
use crate::campaign::progress::State;
use crate::queue_tests::{Dice, at, known, lease, read, row, spec, standing, submit};
use crate::verdict::Reason;

const ROUNDS: u64 = 50;
const ROWS: u64 = 90;

/// Says where the child works, and its seed.
const CHILD: &str = "MAILVET_TEST_CRASH";

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the child is told by the test how to behave")]
    let told = std::env::var(CHILD);
    if let Ok(told) = told {
        let (seed, directory) = told.split_once(' ').unwrap();
        runtime.block_on(work(Path::new(directory), seed.parse().unwrap()));
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut dice = Dice(7);
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        let steps = 1 + dice.roll(16);
        ledger.listen(scratch.path(), round, steps);
        let queue = SqliteQueue::open(scratch.path()).unwrap();
        runtime.block_on(ledger.check(&queue, round));
    }
    assert!(ledger.results.len() > 600, "{} results", ledger.results.len());
    assert!(ledger.finished > 1, "{} batches were finished", ledger.finished);
}

/// What the child said was done.
#[derive(Default)]
struct Ledger {
    sealed: BTreeSet<BatchId>,
    results: BTreeMap<(BatchId, u64), String>,
    waiting: BTreeSet<(BatchId, u64)>,
    deleted: BTreeSet<BatchId>,
    finished: usize,
}

impl Ledger {
    /// Has a child work until it has said `steps` things, and kills it in the middle of the next.
    fn listen(&mut self, directory: &Path, seed: u64, steps: u64) {
        let name = "batch::sqlite::tests::crash::what_was_acknowledged_survives_being_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(CHILD, format!("{seed} {}", directory.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heard = 0;
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        // After the kill, what it had said before is still in the pipe.
        while let Some(Ok(line)) = output.next() {
            // The test runner talks as well.
            if let Some(said) = line.split_once('@').map(|(_, said)| said.to_owned()) {
                self.hear(&said);
                heard += 1;
                if heard == steps {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(heard >= steps, "the child ended by itself in round {seed}");
    }

    fn hear(&mut self, said: &str) {
        let mut words = said.split_whitespace();
        let kind = words.next().unwrap();
        let id = BatchId::parse(words.next().unwrap()).unwrap();
        match kind {
            "sealed" => {
                self.sealed.insert(id);
            }
            "deleted" => {
                self.sealed.remove(&id);
                self.deleted.insert(id);
            }
            "done" => {
                for word in words {
                    let (row, reason) = word.split_once('=').unwrap();
                    let row = row.parse().unwrap();
                    self.waiting.remove(&(id.clone(), row));
                    let before = self.results.insert((id.clone(), row), reason.to_owned());
                    assert_eq!(before, None, "row {row} was asked about again");
                }
            }
            "waiting" => {
                self.waiting.extend(words.map(|row| (id.clone(), row.parse().unwrap())));
            }
            other => panic!("{other}?"),
        }
    }

    async fn check(&mut self, queue: &SqliteQueue, round: u64) {
        let there: BTreeSet<BatchId> = queue
            .batches("me", None, usize::MAX)
            .await
            .unwrap()
            .into_iter()
            .inspect(|batch| assert_ne!(batch.state, State::Receiving, "round {round}"))
            .map(|batch| batch.id)
            .collect();
        let lost: Vec<_> = self.sealed.difference(&there).collect();
        assert!(lost.len() <= 1, "round {round}: {lost:?}");
        for id in lost.into_iter().cloned().collect::<Vec<_>>() {
            // It was over, and its deletion under way.
            let of_batch = (id.clone(), 0)..=(id.clone(), u64::MAX);
            assert_eq!(self.results.range(of_batch).count() as u64, ROWS, "round {round}");
            self.sealed.remove(&id);
        }
        assert!(there.is_disjoint(&self.deleted), "round {round}");
        self.finished = 0;
        for id in &there {
            let batch = standing(queue, id).await;
            assert_eq!(batch.progress.rows, ROWS, "round {round}");
            self.finished += usize::from(batch.state == State::Finished);
            let results = read(queue, id, Order::Completion, 1000).await;
            assert_eq!(results.len() as u64, batch.progress.finished_rows(), "round {round}");
            let found: BTreeMap<u64, &str> =
                results.iter().map(|row| (row.row, row.outcome.reason().name())).collect();
            assert_eq!(found.len(), results.len(), "round {round}: a row is there twice");
            let of_batch = (id.clone(), 0)..=(id.clone(), u64::MAX);
            for ((_, row), reason) in self.results.range(of_batch) {
                assert_eq!(found.get(row), Some(&&**reason), "round {round}, row {row}");
            }
            // What the child had no time to say.
            for (row, reason) in found {
                self.results.insert((id.clone(), row), reason.to_owned());
                self.waiting.remove(&(id.clone(), row));
            }
            let waiting = self.waiting.iter().filter(|(of, _)| of == id).count();
            assert!(batch.progress.waiting_rows() >= waiting as u64, "round {round}");
            self.sealed.insert(id.clone());
        }
    }
}

fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{words}").unwrap();
    out.flush().unwrap();
}

/// What the child does, until it is killed.
async fn work(directory: &Path, seed: u64) {
    let queue = SqliteQueue::open(directory).unwrap();
    let mut dice = Dice(seed + 1000);
    for step in 0..10_000 {
        let now = at(seed * 100_000 + step);
        let Some(chunk) = lease(&queue, 1, now).await.pop() else {
            bring_list(&queue, &mut dice).await;
            continue;
        };
        let id = chunk.batch.clone();
        let results: Vec<_> = chunk
            .items
            .iter()
            .filter(|_| dice.roll(4) > 0)
            .map(|item| known(item.number, Reason::ALL[usize::try_from(item.number % 27).unwrap()]))
            .collect();
        let mut said = format!("done {id}");
        for known in &results {
            said += &format!(" {}={}", known.item, known.outcome.reason().name());
        }
        queue.complete(chunk.id, results.clone(), now).await.unwrap();
        say(&said);
        let open: Vec<u64> = chunk
            .items
            .iter()
            .map(|item| item.number)
            .filter(|number| results.iter().all(|known| known.item != *number))
            .collect();
        if !open.is_empty() {
            let provisional = open.iter().map(|item| known(*item, Reason::Greylisted)).collect();
            queue.release_until(chunk.id, now, provisional, now).await.unwrap();
            let numbers: String = open.iter().map(|number| format!(" {number}")).collect();
            say(&format!("waiting {id}{numbers}"));
        }
        if dice.roll(12) == 0 {
            let ended = queue.ended_before(at(u64::from(u32::MAX)), 9).await.unwrap();
            if let [id, _, _, _, ..] = &ended[..] {
                queue.delete(id).await.unwrap();
                say(&format!("deleted {id}"));
            }
        }
    }
}

/// A new list, and one that is never finished.
async fn bring_list(queue: &SqliteQueue, dice: &mut Dice) {
    let id = submit(queue, spec("me", None), at(0)).await;
    let half = BatchId::new(at(0));
    let submission = queue.submit(half.clone(), spec("me", None), at(0)).await.unwrap();
    assert!(matches!(submission, SubmittedBatch::New(_)));
    let page: Vec<NewRow> =
        (0..ROWS).map(|n| row(&format!("u{n}@d{}.example", dice.roll(5)))).collect();
    for part in page.chunks(25) {
        queue.append(&id, None, part.to_vec(), at(0)).await.unwrap();
        queue.append(&half, None, part.to_vec(), at(0)).await.unwrap();
    }
    queue.seal(&id, at(0)).await.unwrap();
    say(&format!("sealed {id}"));
}
