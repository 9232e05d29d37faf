//! Several services on one database: any of them takes any call, and when one is gone, the others
//! finish what it had begun.

#[path = "../../src/batch/postgres/tests/server.rs"]
pub(crate) mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use mailvet::proto::outcome_service_client::OutcomeServiceClient;
use mailvet::proto::{
    BatchState, CancelBatchRequest, DeleteBatchRequest, GetBatchRequest, Outcome, OutcomeKind,
    Reason, ReportOutcomesRequest, ResultOrder, VerifyAddressRequest, WatchBatchRequest,
};
use mailvet::sandbox::{Sandbox, World};
use tempfile::TempDir;
use tonic::Code;

use crate::customer::{self, Accepted};
use crate::process::{Service, run};
use server::SERVER;

const WORLD: &str = r#"
[settings]
round_trip = "15ms"
[[generated]]
domain = "d{n}.replica-test.org"
domains = 400
host = "mx.replica{n}-test.net"
hosts = 400
[generated.exchanger.recipients]
"user*" = "accept"
[names."waits-test.org"]
mx = ["10 mx.waits-test.org"]
[exchangers."mx.waits-test.org"]
greylist = { delay = "10min" }
recipients = { jane = "accept" }
"#;

/// Domains of a list, each with an exchanger of its own, and addresses of a domain.
const DOMAINS: usize = 40;
const PER_DOMAIN: usize = 6;

/// How often a service is killed.
const ROUNDS: u64 = 5;

fn addresses(number: usize) -> Vec<String> {
    let domain = |n: usize| format!("d{}.replica-test.org", number * DOMAINS + n % DOMAINS);
    let local = |n: usize| if n % 7 == 3 { format!("gone{n}") } else { format!("user{n}") };
    (0..DOMAINS * PER_DOMAIN).map(|n| format!("{}@{}", local(n), domain(n))).collect()
}

/// Services on one mail world and one database.
pub(crate) struct Cluster {
    pub(crate) sandbox: Sandbox,
    database: String,
    pub(crate) folder: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_in(WORLD).await
    }

    /// On this mail world.
    pub(crate) async fn start_in(world: &str) -> Self {
        let sandbox = Sandbox::start(World::from_toml(world).unwrap()).await.unwrap();
        let database = SERVER.create_database();
        Self { sandbox, database, folder: TempDir::new().unwrap() }
    }

    async fn service(&self) -> Service {
        self.service_with(&[]).await
    }

    /// A service with these variables too.
    pub(crate) async fn service_with(&self, more: &[(&str, &str)]) -> Service {
        let url = SERVER.url(&self.database);
        let mut variables =
            vec![("MAILVET_STORE__URL", url.as_str()), ("MAILVET_STORE__ALLOW_LOSSY", "true")];
        variables.extend(more);
        Service::on(&self.sandbox, self.folder.path(), &variables).await
    }

    /// Runs SQL in the database; what it prints.
    pub(crate) fn sql(&self, sql: &str) -> String {
        SERVER.sql(&self.database, sql)
    }

    /// Has the database refuse everybody, or take them again.
    pub(crate) fn let_in(&self, is_open: bool) {
        let name = &self.database;
        let sql = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {is_open}");
        SERVER.sql("postgres", &sql);
        if !is_open {
            let sql = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            SERVER.sql("postgres", &sql);
        }
    }

    /// Has the time pass after which the oldest member, which is silent, is gone.
    fn outlive_the_oldest(&self) {
        SERVER.sql(
            &self.database,
            "UPDATE mailvet.members SET seen = '-infinity'
             WHERE id = (SELECT min(id) FROM mailvet.members)",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_service_of_one_database_takes_any_call() {
    let cluster = Cluster::start().await;
    let (mut first, mut second) = (cluster.service().await, cluster.service().await);
    let (mut a, mut b) = (first.batch_client().await, second.batch_client().await);
    let batch_id = customer::create(&mut a, "one", addresses(0)).await.unwrap();
    assert_eq!(customer::create(&mut b, "one", addresses(0)).await.unwrap(), batch_id);
    let watched = WatchBatchRequest { batch_id: batch_id.clone() };
    let mut watching = b.watch_batch(watched).await.unwrap().into_inner();
    let rows = customer::read(&mut b, customer::results_of(&batch_id, ResultOrder::Row)).await;
    assert!(rows.iter().map(|row| row.row).eq(0..(DOMAINS * PER_DOMAIN) as i64));
    for (row, address) in rows.iter().zip(addresses(0)) {
        let verification = row.verification.as_ref().unwrap();
        assert_eq!(verification.address, address);
        assert_eq!(verification.verdict, if address.starts_with("gone") { 3 } else { 1 });
    }
    let mut last = None;
    while let Some(seen) = watching.message().await.unwrap() {
        last = seen.batch;
    }
    assert_eq!(last.unwrap().state(), BatchState::Finished);
    let other = customer::create(&mut b, "two", addresses(1)).await.unwrap();
    let cancel = CancelBatchRequest { batch_id: other.clone() };
    let stopped = a.cancel_batch(cancel).await.unwrap().into_inner().batch.unwrap();
    let get = GetBatchRequest { batch_id: other };
    let seen = b.get_batch(get).await.unwrap().into_inner().batch.unwrap();
    assert!(seen.end_time.is_some());
    assert_eq!((seen.state(), seen.end_time), (stopped.state(), stopped.end_time));
    a.delete_batch(DeleteBatchRequest { batch_id: batch_id.clone() }).await.unwrap();
    let gone = b.get_batch(GetBatchRequest { batch_id }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    // The one that stays has nothing to wait for.
    let third = customer::create(&mut a, "three", addresses(2)).await.unwrap();
    first.stop().await;
    let rows = customer::read(&mut b, customer::results_of(&third, ResultOrder::Row)).await;
    assert_eq!(rows.len(), DOMAINS * PER_DOMAIN);
    second.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_service_had_begun_is_finished_by_another_with_no_row_lost_or_doubled() {
    let cluster = Cluster::start().await;
    let mut stays = cluster.service().await;
    let mut batches = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut other = cluster.service().await;
        let number = usize::try_from(round).unwrap();
        let mut client = stays.batch_client().await;
        let id = customer::create(&mut client, &number.to_string(), addresses(number)).await;
        let mut batch = Accepted::new(id.unwrap());
        // Some of it is done, and some is out on both.
        batch.read(&mut client, usize::try_from(round * 25).unwrap() + 1).await.unwrap();
        // The one that is killed is the older one.
        std::mem::swap(&mut stays, &mut other);
        other.kill().await;
        cluster.outlive_the_oldest();
        batches.insert(number, batch);
    }
    let mut client = stays.batch_client().await;
    for (number, batch) in &mut batches {
        batch.read(&mut client, usize::MAX).await.unwrap();
        let expected = addresses(*number);
        assert_eq!(batch.rows.len(), expected.len(), "a row is missing");
        let in_order = customer::results_of(&batch.batch_id, ResultOrder::Row);
        let rows = customer::read(&mut client, in_order).await;
        for (row, address) in rows.iter().zip(&expected) {
            assert_eq!(row.verification.as_ref().unwrap().address, *address);
            assert_eq!(batch.rows[&row.row], *row, "a result changed");
        }
    }
    stays.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_its_database_and_goes_on() {
    let cluster = Cluster::start().await;
    let mut service = cluster.service().await;
    let mut client = service.batch_client().await;
    let batch_id = customer::create(&mut client, "one", addresses(0)).await.unwrap();
    // As a restart of the database: every session ends in the middle of its work, again and again.
    let cut = async {
        for _ in 0..5 {
            SERVER.sql(
                "postgres",
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = '{}'",
                    cluster.database
                ),
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let request = customer::results_of(&batch_id, ResultOrder::Row);
    let ((), rows) = tokio::join!(cut, customer::read(&mut client, request));
    assert!(rows.iter().map(|row| row.row).eq(0..(DOMAINS * PER_DOMAIN) as i64));
    service.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_clock_is_far_from_the_databases_is_not_ready_until_it_agrees() {
    let cluster = Cluster::start().await;
    let shift = |seconds: u32| {
        format!(
            "CREATE OR REPLACE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql
             AS 'SELECT pg_catalog.clock_timestamp() + interval ''{seconds} s'''"
        )
    };
    // The database's clock, as every session in it reads it.
    let database = &cluster.database;
    let path = format!("ALTER DATABASE {database} SET search_path = odd, pg_catalog");
    SERVER.sql(database, &format!("CREATE SCHEMA odd; {}; {path}", shift(45)));
    let service = cluster.service().await;
    let is_off = async {
        let obstacle = "the clock of this machine is far from the database's";
        while !service.answers("/readyz", 503).await.contains(obstacle) {}
    };
    tokio::time::timeout(Duration::from_secs(60), is_off).await.expect("a look at the clock");
    // Said, and no more: a few seconds apart do no harm.
    SERVER.sql(database, &shift(5));
    service.answers("/readyz", 200).await;
    let log = service.stop().await;
    assert!(log.iter().any(|line| line.contains("of the database differ")), "{log:?}");
    cluster.sandbox.shutdown().await;
}

/// A gauge as each of these services reports it.
async fn gauges<const N: usize>(services: [&Service; N], name: &str) -> [u64; N] {
    let mut found = [0; N];
    for (service, found) in services.into_iter().zip(&mut found) {
        let page = service.scrape().await;
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        *found = line.unwrap().trim().parse().unwrap();
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_of_what_services_share_count_nothing_twice() {
    const ROWS: &str = "mailvet_batch_rows{state=\"waiting\"}";
    let cluster = Cluster::start().await;
    let (first, mut second) = (cluster.service().await, cluster.service().await);
    let mut client = second.batch_client().await;
    let list = vec!["jane@waits-test.org".to_owned()];
    customer::create(&mut client, "one", list).await.unwrap();
    first.measures(&format!("{ROWS} 1")).await;
    assert_eq!(gauges([&first, &second], ROWS).await, [1, 0]);
    assert_eq!(gauges([&first, &second], "mailvet_batches_running").await, [1, 0]);
    first.kill().await;
    cluster.outlive_the_oldest();
    second.measures(&format!("{ROWS} 1")).await;
    second.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_service_learns_of_mail_is_suppressed_by_all_and_told_from_the_command_line() {
    let cluster = Cluster::start().await;
    let (mut first, mut second) = (cluster.service().await, cluster.service().await);
    let (gone, arrived) = (addresses(0)[0].clone(), addresses(0)[1].clone());
    let outcome = |address: &str, kind: OutcomeKind, words: &str| Outcome {
        address: address.to_owned(),
        kind: kind.into(),
        words: words.to_owned(),
        ..Outcome::default()
    };
    let page = ReportOutcomesRequest {
        outcomes: vec![
            outcome(&gone, OutcomeKind::Bounced, "550 5.1.1 no such user"),
            outcome(&arrived, OutcomeKind::Delivered, ""),
        ],
    };
    let channel = first.channel().await;
    let mut outcomes = OutcomeServiceClient::new(channel);
    let taken = outcomes.report_outcomes(tokio_stream::iter([page])).await.unwrap().into_inner();
    assert_eq!(taken.taken, 2);
    let mut batches = second.batch_client().await;
    let batch_id = customer::create(&mut batches, "one", addresses(0)).await.unwrap();
    let rows =
        customer::read(&mut batches, customer::results_of(&batch_id, ResultOrder::Row)).await;
    let reasons = |reason: Reason| {
        let of = rows.iter().filter_map(|row| row.verification.as_ref());
        of.filter(move |verification| verification.reason() == reason)
            .map(|verification| verification.address.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(reasons(Reason::BouncedBefore), std::slice::from_ref(&gone));
    let told = rows[1].verification.as_ref().unwrap();
    assert_eq!(told.reason(), Reason::MailboxAccepted, "no verdict rests on it");
    assert_eq!(told.evidence.as_ref().unwrap().delivered.as_ref().unwrap().source, "report");
    for service in [first, second] {
        service.stop().await;
    }
    let url = SERVER.url(&cluster.database);
    let config = format!("[store]\nurl = \"{url}\"\nallow_lossy = true\n");
    std::fs::write(cluster.folder.path().join("mailvet.toml"), config).unwrap();
    let mailvet = |args: &[&str]| {
        let args = [args, &["--config", "mailvet.toml"]].concat();
        let done = run(cluster.folder.path(), &args, b"");
        String::from_utf8([done.stdout, done.stderr].concat()).unwrap()
    };
    let exported = mailvet(&["outcomes", "export"]);
    assert!(exported.lines().count() == 2 && !exported.contains(&gone), "{exported}");
    let given = mailvet(&["accuracy", "--json"]);
    assert!(given.contains(&format!("\"of\":{}", DOMAINS * PER_DOMAIN - 1)), "{given}");
    assert_eq!(mailvet(&["outcomes", "erase", &gone]), "1 removed\n");
    let mut third = cluster.service().await;
    let mut verifier = third.client().await;
    let request = VerifyAddressRequest { address: gone, ..VerifyAddressRequest::default() };
    let again = verifier.verify_address(request).await.unwrap().into_inner();
    assert_eq!(again.verification.unwrap().reason(), Reason::MailboxAccepted);
    third.stop().await;
    cluster.sandbox.shutdown().await;
}

#[tokio::test]
async fn the_store_is_looked_after_from_the_command_line() {
    let database = SERVER.create_database();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mailvet.toml");
    let url = SERVER.url(&database);
    std::fs::write(&file, format!("[store]\nurl = \"{url}\"\n")).unwrap();
    let mailvet = |args: &[&str]| {
        let args = [args, &["--config", "mailvet.toml"]].concat();
        let done = run(folder.path(), &args, b"");
        let said = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let (status, said) = mailvet(&["store", "migrate"]);
    assert!(status == 0 && said.contains("version 1"), "{said}");
    // The server of the tests keeps nothing in a power cut.
    let (status, said) = mailvet(&["store", "check"]);
    assert!(status == 1 && said.contains("FAIL  fsync = off"), "{said}");
    let refused = ["serve", "--listen", "127.0.0.1:0"];
    let (status, said) = mailvet(&refused);
    assert!(status == 2 && said.contains("--allow-lossy-store"), "{said}");
    let (_, said) = mailvet(&["doctor", "--sandbox", "--json"]);
    assert!(said.contains("\"id\":\"store\"") && said.contains("fsync = off"), "{said}");
    let secure = SERVER.secure_url(&database);
    std::fs::write(&file, format!("[store]\nurl = \"{secure}\"\n")).unwrap();
    let (status, said) = mailvet(&["store", "check"]);
    assert!(status == 2 && said.contains("certificate"), "{said}");
    let ca = SERVER.authority().display().to_string();
    std::fs::write(&file, format!("[store]\nurl = \"{secure}\"\nca = \"{ca}\"\n")).unwrap();
    let (status, said) = mailvet(&["store", "check"]);
    assert!(status == 2 && said.contains("password"), "{said}");
    std::fs::write(&file, "[store]\nurl = \"postgres://m:pass@127.0.0.1/m\"\n").unwrap();
    let (status, said) = mailvet(&["store", "check"]);
    assert!(status == 2 && said.contains("store.password_file"), "{said}");
    assert!(!said.contains("pass@"), "{said}");
}
