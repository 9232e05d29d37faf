//! What the database has to look at for a page of results.

use futures_util::future::try_join_all;

use super::{TestDatabase, elsewhere};
use crate::batch::postgres::PostgresQueue;
use crate::batch::queue::{Cursor, Lease, Order, Queue as _};
use crate::batch::store::StoreConfig;
use crate::campaign::id::BatchId;
use crate::clock::Clock;
use crate::queue_tests::{all, at, lease, list, numbers, page, row, rows};
use crate::verdict::Reason;

/// Domains of a test's list, each with one row.
const DOMAINS: usize = 1_500;

/// A queue with one connection.
fn connect(database: &TestDatabase) -> PostgresQueue {
    let config = StoreConfig { connections: 1, ..database.config() };
    elsewhere(PostgresQueue::open(&config, Clock::start())).unwrap()
}

/// The entries of indexes and the rows of tables that were looked at so far.
async fn looked_at(queue: &PostgresQueue) -> i64 {
    let client = queue.engine.client().await.unwrap();
    client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let sql = "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes) +
                   (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)";
    let row = client.query_one(&format!("SELECT ({sql})::bigint"), &[]).await.unwrap();
    row.get(0)
}

/// Brings results for all that is out.
async fn complete(queue: &PostgresQueue, leases: &[Lease]) {
    let all = |chunk: &Lease| queue.complete(chunk.id, all(chunk, Reason::NullMx), at(1));
    try_join_all(leases.iter().map(all)).await.unwrap();
}

/// A list with a large domain and many small ones.
async fn long_list(queue: &PostgresQueue) -> BatchId {
    let small = (0..DOMAINS).map(|n| row(&format!("user@d{n}.example")));
    list(queue, small.chain(rows("large.example", 0, 3_000)).collect()).await
}

#[tokio::test]
async fn a_page_of_results_costs_what_is_on_it_in_tables_that_were_never_counted() {
    let database = TestDatabase::new();
    let queue = connect(&database);
    let id = long_list(&queue).await;
    loop {
        let leases = lease(&queue, 64, at(1)).await;
        if leases.is_empty() {
            break;
        }
        complete(&queue, &leases).await;
    }
    for order in [Order::Completion, Order::Row] {
        let before = looked_at(&queue).await;
        let first = page(&queue, &id, order, &Cursor::default(), 50).await;
        let cost = looked_at(&queue).await - before;
        assert_eq!(numbers(&first.rows).len(), 50);
        assert!(cost < 500, "{order:?}: {cost} entries for 50 rows");
    }
}
