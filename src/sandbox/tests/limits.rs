//! What servers do not endure: too many, too fast, too early.

use super::*;

#[tokio::test]
async fn connections_at_the_same_time_are_limited_and_counted() {
    let sandbox = one("limits.parallel = 2").await;
    let first = Client::ready(&sandbox).await;
    let second = Client::ready(&sandbox).await;
    let mut third = Client::open(&sandbox, "mx.a.test").await;
    assert!(third.reply().await.starts_with("421 4.7.0"));
    assert!(third.is_closed().await);
    drop((first, second, third));
    // Once the server has seen the others go there is room again.
    let counts = || sandbox.counts().exchanger("mx.a.test");
    while counts().parallel > 0 {
        tokio::task::yield_now().await;
    }
    Client::ready(&sandbox).await;
    assert_eq!((counts().connections, counts().peak_parallel), (4, 3));
}

#[tokio::test]
async fn connections_in_a_window_are_limited() {
    let sandbox = one("limits = { connections = 1, window = \"1h\" }").await;
    Client::ready(&sandbox).await;
    let mut second = Client::open(&sandbox, "mx.a.test").await;
    assert!(second.reply().await.starts_with("421 4.7.0"));
    assert_eq!(sandbox.counts().total().peak_connections_in_window, 2);
}

#[tokio::test]
async fn recipients_in_a_window_are_limited_over_all_sessions() {
    let sandbox = one("limits = { recipients = 1, window = \"1h\" }").await;
    assert_eq!(Client::ready(&sandbox).await.probe("jane@a.test").await, "250 2.1.5");
    assert_eq!(Client::ready(&sandbox).await.probe("jane@a.test").await, "450 4.7.1");
}

#[tokio::test]
async fn recipients_of_a_transaction_and_of_a_session_are_limited() {
    let limits = "limits = { recipients_per_transaction = 1, recipients_per_session = 3 }";
    let sandbox = one(limits).await;
    let mut client = Client::ready(&sandbox).await;
    let rcpt = "RCPT TO:<jane@a.test>";
    let replies =
        client.all(&["MAIL FROM:<>", rcpt, rcpt, "RSET", "MAIL FROM:<>", rcpt, rcpt]).await;
    let codes: Vec<_> = replies.iter().map(|r| &r[..9]).collect();
    assert_eq!(codes[1..3], ["250 2.1.5", "452 4.5.3"]);
    assert_eq!(codes[5..], ["250 2.1.5", "421 4.7.0"]);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn one_transaction_may_take_one_domain_only() {
    let sandbox = sandbox(
        "names.\"a.test\".mx = [\"10 mx.a.test\"]\nnames.\"b.test\".mx = [\"10 mx.a.test\"]\n\
         [exchangers.\"mx.a.test\"]\nothers = \"accept\"\nlimits.one_domain = true\n",
    )
    .await;
    let mut client = Client::ready(&sandbox).await;
    let replies = client.all(&[
        "MAIL FROM:<>",
        "RCPT TO:<x@a.test>",
        "RCPT TO:<y@b.test>",
        "RCPT TO:<z@a.test>",
    ]);
    let replies = replies.await;
    assert!(replies[2].starts_with("451 4.3.0"), "{replies:?}");
    assert!(replies[3].starts_with("250"), "{replies:?}");
    client.ask("RSET").await;
    assert_eq!(client.probe("y@b.test").await, "250 2.1.5");
}

#[tokio::test]
async fn errors_and_commands_of_a_session_are_limited() {
    for (limit, commands) in [("errors = 2", 2), ("commands = 3", 2)] {
        let sandbox = one(&format!("limits.{limit}")).await;
        let mut client = Client::ready(&sandbox).await;
        for _ in 0..commands {
            assert!(client.ask("RCPT TO:<x@a.test>").await.starts_with("503"), "{limit}");
        }
        assert!(client.ask("NOOP").await.starts_with("421 4.7.0"), "{limit}");
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn greylisting_asks_newcomers_to_come_back() {
    let sandbox = one("greylist = { delay = \"1h\" }").await;
    let mut client = Client::ready(&sandbox).await;
    let replies =
        client.all(&["MAIL FROM:<>", "RCPT TO:<jane@a.test>", "RCPT TO:<x@a.test>"]).await;
    assert_eq!(replies[1], "450 4.2.0 <jane@a.test>: greylisted, come back in 3600 seconds");
    assert!(replies[2].starts_with("450"), "{replies:?}");
    let known = one("greylist = { delay = \"1h\", unknown_too = false }").await;
    assert_eq!(Client::ready(&known).await.probe("x@a.test").await, "550 5.1.1");
}

#[tokio::test]
async fn greylisting_lets_the_same_triplet_through_when_its_delay_is_over() {
    let sandbox = one("greylist = { delay = \"30ms\" }").await;
    let mut client = Client::ready(&sandbox).await;
    let clock = Clock::start();
    let first = clock.now();
    assert_eq!(client.probe("jane@a.test").await, "450 4.2.0");
    while client.probe("jane@a.test").await != "250 2.1.5" {}
    assert!(clock.now().duration_since(first).unwrap() >= Duration::from_millis(25));
    // Another sender is another triplet.
    let other = client.all(&["MAIL FROM:<a@b.test>", "RCPT TO:<jane@a.test>"]).await;
    assert!(other[1].starts_with("450"), "{other:?}");
}

#[tokio::test]
async fn a_tarpit_delays_refusals_and_what_comes_behind_them() {
    let sandbox = one("refusal_delay = \"20ms\"\nrefusal_delay_after = 1").await;
    let mut client = Client::ready(&sandbox).await;
    client.ask("MAIL FROM:<>").await;
    let clock = Clock::start();
    let start = clock.now();
    let mut took = Vec::new();
    client.send("RCPT TO:<x@a.test>\r\nRCPT TO:<y@a.test>\r\nRCPT TO:<jane@a.test>\r\n").await;
    for _ in 0..3 {
        client.reply().await;
        took.push(clock.now().duration_since(start).unwrap());
    }
    assert!(took[0] < Duration::from_millis(20), "{took:?}");
    assert!(took[1] >= Duration::from_millis(20), "{took:?}");
    assert!(took[2] >= took[1], "{took:?}");
}

#[tokio::test]
async fn counts_start_anew_when_asked() {
    let sandbox = one("").await;
    let client = Client::ready(&sandbox).await;
    sandbox.reset_counts();
    let counts = sandbox.counts().exchanger("mx.a.test");
    assert_eq!((counts.connections, counts.flights), (0, 0));
    assert_eq!((counts.parallel, counts.peak_parallel), (1, 1));
    drop(client);
}

#[tokio::test]
async fn a_sandbox_that_is_shut_down_closes_everything() {
    let sandbox = one("").await;
    let address = sandbox.exchanger("mx.a.test").unwrap();
    let mut client = Client::ready(&sandbox).await;
    timeout(PATIENCE, sandbox.shutdown()).await.unwrap();
    assert!(client.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
}
