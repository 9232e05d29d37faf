//! Mail that is accepted and bounces later: what comes back changes the next list.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Dialogue, Dns, Postfix};

/// Addresses of each list.
const MANY: usize = 40;

/// Those of them whose mail comes back.
const GONE: [&str; 3] = ["u0@a.test", "u1@a.test", "u2@a.test"];

/// Runs mailvet in this folder; what it says, on one line.
fn mailvet(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mailvet"))
        .args(args)
        .args(["--config", "mailvet.toml"])
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{args:?}: {said}{errors}");
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Vets a list, with all that is risky to be sent to; what is said of it, and its rows.
fn vet(folder: &Path, list: &str, addresses: &[String]) -> (String, String) {
    let rows = addresses.iter().map(|address| format!("{address}\n")).collect::<String>();
    std::fs::write(folder.join(list), format!("address\n{rows}")).unwrap();
    let args = ["list", list, "--send-to", "deliverable-and-risky", "-o", "out.csv", "--force"];
    let said = mailvet(folder, &args);
    (said, std::fs::read_to_string(folder.join("out.csv")).unwrap())
}

/// Sends a message to each address, from an address of its own that names the recipient by a token.
async fn send(folder: &Path, server: SocketAddr, addresses: &[String]) {
    let args: Vec<&str> =
        ["outcomes", "token"].into_iter().chain(addresses.iter().map(String::as_str)).collect();
    let tokens = mailvet(folder, &args);
    let (mut sending, greeting) = Dialogue::open(server).await;
    assert_eq!(greeting.code, 220, "{greeting:?}");
    sending.say("EHLO app.sender.test").await;
    for (address, token) in addresses.iter().zip(tokens.split(' ')) {
        let sender = sending.say(&format!("MAIL FROM:<bounces+{token}@sender.test>")).await;
        assert_eq!(sender.code, 250, "{sender:?}");
        let accepted = sending.rcpt(address).await;
        assert_eq!(accepted.code, 250, "{address} is accepted: {accepted:?}");
        assert_eq!(sending.say("DATA").await.code, 354);
        for line in ["From: News <news@sender.test>", "Subject: Hello", "", "Hello."] {
            sending.tell(line).await;
        }
        assert_eq!(sending.say(".").await.code, 250);
    }
    sending.say("QUIT").await;
}

/// Rows of addresses whose domain accepts everything.
fn risky(rows: &str) -> usize {
    rows.lines().filter(|row| row.contains(",risky,")).count()
}

/// The ends of the range behind `Expected of … are` in percent.
fn expected(said: &str) -> (f64, f64) {
    let (_, range) = said.split_once(" addresses are ").unwrap_or_else(|| panic!("{said}"));
    let (range, _) = range.split_once(" % hard bounces").unwrap();
    let (low, high) = range.split_once(" to ").unwrap();
    (low.parse().unwrap(), high.parse().unwrap())
}

#[tokio::test]
async fn what_a_postfix_accepts_and_bounces_later_is_suppressed_in_the_next_list() {
    // It accepts everybody, and learns from the next server who is not there.
    let next = Postfix::builder().mailbox("ok@a.test").start().await;
    let server = Postfix::builder().catch_all("a.test").swallows("a.test");
    let server = GONE.iter().fold(server, |server, gone| server.hands_on(gone, next.address));
    let server = server.keeps_mail_for("bounces@sender.test").start().await;
    let dns = Dns::builder().mail("a.test", server.address);
    let dns = dns.start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[outcomes]\nfile = \"outcomes.db\"\n\n[dns]\nnameservers = [\"{}\"]\n\n[smtp]\n\
         port = {}\nallow_networks = [\"127.0.0.0/8\"]\nhelo_name = \"client.mailvet.test\"\n",
        dns.address,
        server.address.port()
    );
    std::fs::write(folder.path().join("mailvet.toml"), config).unwrap();
    let addresses = |letter: char| (0..MANY).map(move |n| format!("{letter}{n}@a.test"));

    let first: Vec<String> = addresses('u').collect();
    let vetting = {
        let (folder, first) = (folder.path().to_owned(), first.clone());
        tokio::task::spawn_blocking(move || vet(&folder, "first.csv", &first))
    };
    let (said, rows) = vetting.await.unwrap();
    assert_eq!(risky(&rows), MANY, "{rows}");
    assert!(said.contains("Nothing is known of earlier sends"), "{said}");
    assert!(said.contains("up to 100 % may bounce"), "{said}");

    send(folder.path(), server.address, &first).await;
    server.has_logged_times("(delivered to maildir)", GONE.len()).await;
    let sent = mailvet(folder.path(), &["outcomes", "add", "--json", "first.csv"]);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["kinds"]["sent"], MANY, "{sent}");
    let maildir = server.maildir();
    let args = ["outcomes", "add", "--json", maildir.to_str().unwrap()];
    let added: Value = serde_json::from_str(&mailvet(folder.path(), &args)).unwrap();
    assert_eq!((&added["taken"], &added["kinds"]["gone"]), (&3.into(), &3.into()), "{added}");

    let second: Vec<String> = addresses('v').chain(GONE.map(str::to_owned)).collect();
    let vetting = {
        let folder = folder.path().to_owned();
        tokio::task::spawn_blocking(move || vet(&folder, "second.csv", &second))
    };
    let (said, rows) = vetting.await.unwrap();
    for address in GONE {
        let row = rows.lines().find(|row| row.starts_with(address)).unwrap();
        assert!(row.contains("bounced_before") && row.contains("suppress"), "{row}");
    }
    let verification = mailvet(folder.path(), &["verify", "--json", GONE[0]]);
    assert!(verification.contains("address rejected"), "its own words: {verification}");
    assert_eq!(risky(&rows), MANY, "{rows}");
    assert!(said.contains("from 40 of your sends"), "{said}");
    assert!(said.contains("up to 100 % may bounce"), "the bounds stay: {said}");
    let (low, high) = expected(&said);
    assert!(low < 7.5 && 7.5 < high && high < 50.0, "3 of 40 came back: {said}");
    let figures: Value =
        serde_json::from_str(&mailvet(folder.path(), &["accuracy", "--json"])).unwrap();
    let row = &figures["kinds"][0];
    assert_eq!((&row["mails"], &row["gone"]), (&MANY.into(), &GONE.len().into()), "{figures}");
}
