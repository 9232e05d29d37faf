//! What servers do that they should not.

use std::io::ErrorKind;

use super::*;

/// A sandbox whose exchanger deviates so.
async fn deviating(deviation: &str) -> Sandbox {
    one(&format!("deviations = [{{ {deviation} }}]")).await
}

#[tokio::test]
async fn a_silent_server_keeps_the_connection_and_says_nothing() {
    let sandbox = deviating("at = \"mail\", fault = \"silence\"").await;
    let mut client = Client::ready(&sandbox).await;
    client.send("MAIL FROM:<>\r\n").await;
    let short = Duration::from_millis(20);
    assert!(timeout(short, client.stream.read_buf(&mut client.buffer)).await.is_err());
}

#[tokio::test]
async fn a_server_may_close_instead_of_an_answer_or_in_the_middle_of_it() {
    let sandbox = deviating("at = \"quit\", fault = \"close\"").await;
    let mut client = Client::ready(&sandbox).await;
    client.send("QUIT\r\n").await;
    assert!(client.is_closed().await);

    let sandbox = deviating("at = \"rcpt\", fault = \"half_reply\"").await;
    let mut client = Client::ready(&sandbox).await;
    client.ask("MAIL FROM:<>").await;
    client.send("RCPT TO:<jane@a.test>\r\n").await;
    assert_eq!(client.line().await, "");
    assert!(client.buffer.starts_with(b"250 2."), "{:?}", client.buffer);
}

#[tokio::test]
async fn garbage_is_no_reply() {
    let sandbox = deviating("at = \"banner\", fault = \"garbage\"").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    client.more().await;
    assert!(client.buffer.starts_with(b"\x00\xff"));
}

#[tokio::test]
async fn a_flood_goes_on_for_as_long_as_somebody_reads() {
    let sandbox = deviating("at = \"banner\", fault = \"flood\"").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    let mut total = 0;
    while total < 1 << 20 {
        total += client.more().await;
        client.buffer.clear();
    }
    drop(client);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_long_line_is_as_long_as_it_says() {
    let sandbox = deviating("at = \"ehlo\", fault = \"long_line\", size = 1000000").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    client.reply().await;
    client.send("EHLO client.test\r\n").await;
    while !client.buffer.ends_with(b"\r\n") {
        client.more().await;
    }
    assert_eq!(client.buffer.len(), 1_000_002);
    assert!(client.buffer.starts_with(b"250 xxx"));
}

#[tokio::test]
async fn a_drip_comes_octet_by_octet() {
    let sandbox = deviating("at = \"banner\", fault = \"drip\", pace = \"1ms\"").await;
    let mut client = Client::open(&sandbox, "mx.a.test").await;
    assert_eq!(client.more().await, 1);
    assert_eq!(client.line().await, "220 mx.a.test ESMTP");
}

#[tokio::test]
async fn raw_octets_go_out_as_they_stand() {
    let sandbox = deviating("at = \"rcpt\", raw = \"250-a\\r\\n550 b\\r\\n\"").await;
    let mut client = Client::ready(&sandbox).await;
    client.ask("MAIL FROM:<>").await;
    assert_eq!(client.ask("RCPT TO:<jane@a.test>").await, "250-a\n550 b");
}

#[tokio::test]
async fn nothing_listens_where_the_world_says_so() {
    let sandbox = one("listens = false").await;
    let address = sandbox.exchanger("mx.a.test").unwrap();
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_banner_of_5yz_or_4yz_turns_away_and_closes() {
    for banner in ["554 5.7.1 blocked, see bl.test", "421 4.3.2 busy"] {
        let sandbox = one(&format!("words.banner = \"{banner}\"")).await;
        let mut client = Client::open(&sandbox, "mx.a.test").await;
        assert_eq!(client.reply().await, banner);
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn a_deviation_may_mean_some_clients_only() {
    let sandbox =
        deviating("at = \"mail\", clients = [\"127.0.0.9/32\"], reply = \"550 5.7.1 not you\"")
            .await;
    let address = sandbox.exchanger("mx.a.test").unwrap();
    for (source, expected) in [([127, 0, 0, 9], "550 5.7.1"), ([127, 0, 0, 8], "250 2.1.0")] {
        let mut client = Client::open_from(source, address).await;
        client.reply().await;
        client.ask("EHLO client.test").await;
        assert!(client.ask("MAIL FROM:<>").await.starts_with(expected), "{source:?}");
    }
}

#[tokio::test]
async fn a_deviation_may_mean_some_recipients_and_some_times_only() {
    let deviation =
        "at = \"rcpt\", recipient = \"j*\", after = 1, times = 1, reply = \"451 4.3.0 later\"";
    let sandbox = deviating(deviation).await;
    let mut client = Client::ready(&sandbox).await;
    let mut codes = Vec::new();
    for recipient in ["jane@a.test", "jane@a.test", "jane@a.test"] {
        codes.push(client.probe(recipient).await);
    }
    assert_eq!(codes, ["250 2.1.5", "451 4.3.0", "250 2.1.5"]);
    let mut other = Client::ready(&sandbox).await;
    other.probe("jane@a.test").await;
    assert_eq!(other.probe("x@a.test").await, "550 5.1.1");
}

#[tokio::test]
async fn a_deviation_may_mean_the_first_connections_only() {
    let deviation = "at = \"banner\", connections = 1, reply = \"421 4.3.2 come back\"";
    let sandbox = deviating(deviation).await;
    assert!(Client::open(&sandbox, "mx.a.test").await.reply().await.starts_with("421"));
    assert!(Client::open(&sandbox, "mx.a.test").await.reply().await.starts_with("220"));
}

#[tokio::test]
async fn a_deviation_may_close_after_its_answer_with_commands_unread() {
    let sandbox = deviating("at = \"rcpt\", reply = \"421 4.3.2 enough\", close = true").await;
    let mut client = Client::ready(&sandbox).await;
    client.send("MAIL FROM:<>\r\nRCPT TO:<jane@a.test>\r\nRCPT TO:<joe@a.test>\r\nRSET\r\n").await;
    assert!(client.reply().await.starts_with("250"));
    assert_eq!(client.reply().await, "421 4.3.2 enough");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn who_talks_before_a_held_back_banner_is_refused() {
    let held = "greet_delay = \"30ms\"\nteaser = \"wait\"\nearly_talker = \"521 5.5.1 too early\"";
    let sandbox = one(held).await;
    let mut early = Client::open(&sandbox, "mx.a.test").await;
    early.send("EHLO client.test\r\n").await;
    assert_eq!(early.line().await, "220-wait");
    assert_eq!(early.line().await, "521 5.5.1 too early");
    assert!(early.is_closed().await);
    let mut patient = Client::open(&sandbox, "mx.a.test").await;
    assert_eq!(patient.reply().await, "220-wait\n220 mx.a.test ESMTP");
    assert_eq!(sandbox.counts().total().early_talkers, 1);
}

#[tokio::test]
async fn a_command_line_without_end_is_not_put_up_with() {
    let sandbox = one("").await;
    let mut client = Client::ready(&sandbox).await;
    client.send(vec![b'x'; 5000]).await;
    assert!(client.reply().await.starts_with("501"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_silent_client_is_told_goodbye() {
    let sandbox = one("idle = \"20ms\"").await;
    let mut client = Client::ready(&sandbox).await;
    assert!(client.reply().await.starts_with("421 4.4.2"));
    assert!(client.is_closed().await);
}
