//! Scripted name servers under a paused clock.

use std::sync::Mutex;

use super::*;

type Said = Result<Answer<u8>, DnsFailure>;

/// Name servers that always say the same (`None`: silence), and who was asked when.
struct Servers {
    script: Vec<Option<Said>>,
    asked: Mutex<Vec<usize>>,
}

impl Servers {
    fn new(script: Vec<Option<Said>>) -> Self {
        Self { script, asked: Mutex::default() }
    }

    fn failover(&self) -> Failover {
        Failover::new(self.script.len(), &Config::default(), Clock::start())
    }

    async fn ask(&self, failover: &Failover) -> Said {
        failover
            .ask(|server, _| async move {
                self.asked.lock().unwrap().push(server);
                match &self.script[server] {
                    Some(said) => said.clone().map_err(ServerError::from),
                    None => std::future::pending().await,
                }
            })
            .await
    }

    fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn yes() -> Answer<u8> {
    Answer::Records { records: vec![7], alias_of: None, ttl: Duration::from_secs(60) }
}

fn nxdomain(ttl: Option<u64>) -> Answer<u8> {
    Answer::NoSuchName { ttl: ttl.map(Duration::from_secs) }
}

fn no_data(ttl: Option<u64>) -> Answer<u8> {
    Answer::NoData { alias_of: None, ttl: ttl.map(Duration::from_secs) }
}

fn servfail() -> DnsFailure {
    DnsFailure::ServerFailure("SERVFAIL".into())
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_turns_to_the_next_server_and_is_not_asked_again() {
    let servers = Servers::new(vec![Some(Err(servfail())), Some(Ok(yes()))]);
    let failover = servers.failover();
    assert_eq!(servers.ask(&failover).await, Ok(yes()));
    assert_eq!(servers.ask(&failover).await, Ok(yes()));
    assert_eq!(servers.asked(), [0, 1, 0, 1], "a broken domain is not the server's fault");

    let servers = Servers::new(vec![Some(Err(servfail()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Err(servfail()));
    assert_eq!(servers.asked(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_last_until_it_has_rested() {
    let servers = Servers::new(vec![None, Some(Ok(yes()))]);
    let failover = servers.failover();
    assert_eq!(servers.ask(&failover).await, Ok(yes()));
    assert_eq!(servers.asked(), [0, 1]);
    assert_eq!(servers.ask(&failover).await, Ok(yes()));
    assert_eq!(servers.asked(), [1]);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(servers.ask(&failover).await, Ok(yes()));
    assert_eq!(servers.asked(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_timeout_after_all_attempts() {
    let servers = Servers::new(vec![None]);
    let failover = servers.failover();
    let before = failover.clock.now();
    assert_eq!(servers.ask(&failover).await, Err(DnsFailure::Timeout));
    assert_eq!(servers.asked(), [0, 0]);
    assert_eq!(failover.clock.now().duration_since(before).unwrap(), Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_server_for_which_we_had_no_room_is_asked_again_and_does_not_rest() {
    let failover = Failover::new(2, &Config::default(), Clock::start());
    let asked = Mutex::new(Vec::new());
    let found = failover
        .ask(|server, silences| {
            let is_full = asked.lock().unwrap().len() < 2;
            asked.lock().unwrap().push((server, silences));
            async move {
                let failure = DnsFailure::Unreachable("no room".into());
                if is_full { Err(ServerError { failure, is_ours: true }) } else { Ok(yes()) }
            }
        })
        .await;
    assert_eq!(found, Ok(yes()));
    assert_eq!(asked.into_inner().unwrap(), [(0, 0), (1, 0), (0, 0)]);
    assert_eq!(failover.order(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_the_question_however_many_servers_are_silent() {
    let servers = Servers::new(vec![None; 20]);
    let failover = servers.failover();
    let before = failover.clock.now();
    assert_eq!(servers.ask(&failover).await, Err(DnsFailure::Timeout));
    assert_eq!(failover.clock.now().duration_since(before).unwrap(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_the_deadline_cut_short_is_not_called_silent() {
    let servers = Servers::new(vec![None; 4]);
    let failover = servers.failover();
    assert_eq!(servers.ask(&failover).await, Err(DnsFailure::Timeout));
    assert_eq!(servers.asked(), [0, 1, 2, 3]);
    // The last had one second of its three. The others rest, so that it is asked first.
    assert_eq!(failover.order(), [3, 0, 1, 2]);

    let config = Config { deadline: Config::default().timeout, ..Config::default() };
    let failover = Failover::new(2, &config, Clock::start());
    let servers = Servers::new(vec![None, None]);
    assert_eq!(servers.ask(&failover).await, Err(DnsFailure::Timeout));
    assert_eq!(failover.order(), [1, 0], "the first had all of its time");
}

#[tokio::test(start_paused = true)]
async fn an_nxdomain_without_an_soa_needs_a_second_opinion() {
    let servers = Servers::new(vec![Some(Ok(nxdomain(None))), Some(Ok(yes()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(yes()));

    let servers = Servers::new(vec![Some(Ok(nxdomain(None))), Some(Ok(nxdomain(None)))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(nxdomain(None)));
    assert_eq!(servers.asked(), [0, 1]);

    let servers = Servers::new(vec![Some(Ok(nxdomain(None))), Some(Err(servfail()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(nxdomain(None)));
}

#[tokio::test(start_paused = true)]
async fn no_data_without_an_soa_needs_a_second_opinion_and_with_one_is_final() {
    let servers = Servers::new(vec![Some(Ok(no_data(None))), Some(Ok(yes()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(yes()));

    let servers = Servers::new(vec![Some(Ok(no_data(None))), Some(Ok(no_data(None)))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(no_data(None)));
    assert_eq!(servers.asked(), [0, 1]);

    let servers = Servers::new(vec![Some(Ok(no_data(Some(60)))), Some(Ok(yes()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(no_data(Some(60))));
    assert_eq!(servers.asked(), [0]);
}

#[tokio::test(start_paused = true)]
async fn of_two_negative_answers_without_an_soa_the_one_that_knows_the_name_counts() {
    for answers in [[no_data(None), nxdomain(None)], [nxdomain(None), no_data(None)]] {
        let servers = Servers::new(answers.map(|answer| Some(Ok(answer))).into());
        assert_eq!(servers.ask(&servers.failover()).await, Ok(no_data(None)));
        assert_eq!(servers.asked(), [0, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_at_rest_is_asked_for_a_second_opinion_on_no_data_and_hardly_waited_for() {
    let servers = Servers::new(vec![Some(Ok(no_data(None))), None]);
    let failover = servers.failover();
    let waits = async || {
        let before = failover.clock.now();
        assert_eq!(servers.ask(&failover).await, Ok(no_data(None)));
        assert_eq!(servers.asked(), [0, 1]);
        failover.clock.now().duration_since(before).unwrap()
    };
    assert_eq!(waits().await, Duration::from_secs(3));
    assert_eq!(waits().await, Duration::from_millis(300));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(waits().await, Duration::from_secs(3), "it may be back");
}

#[tokio::test(start_paused = true)]
async fn an_nxdomain_with_an_soa_is_final() {
    let servers = Servers::new(vec![Some(Ok(nxdomain(Some(60)))), Some(Ok(yes()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Ok(nxdomain(Some(60))));
    assert_eq!(servers.asked(), [0]);
}

#[tokio::test(start_paused = true)]
async fn the_failure_told_is_the_most_telling() {
    let unreachable = DnsFailure::Unreachable("no route".into());
    let servers = Servers::new(vec![None, Some(Err(servfail())), Some(Err(unreachable.clone()))]);
    assert_eq!(servers.ask(&servers.failover()).await, Err(servfail()));
    let servers = Servers::new(vec![Some(Err(unreachable)), None]);
    assert_eq!(servers.ask(&servers.failover()).await, Err(DnsFailure::Timeout));
}
