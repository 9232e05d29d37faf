//! Registration data on the command line.

use mailvet::sandbox::{Sandbox, World};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::process;

/// A registry that answers nothing before the sandbox's servers were asked about a recipient.
async fn answer_after_the_servers(registry: &TcpListener, sandbox: &Sandbox) {
    loop {
        let (stream, _) = registry.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|octets| octets > 2) {
            line.clear();
        }
        while sandbox.counts().total().rcpt == 0 {
            tokio::task::yield_now().await;
        }
        let body = "{\"errorCode\":404,\"title\":\"an error\"}";
        let answer = format!(
            "HTTP/1.1 404 -\r\ncontent-type: application/rdap+json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let _unread = stream.write_all(answer.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_registry_takes_no_time_from_the_verdict_on_the_command_line() {
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let registry = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "[registration]\nbootstrap_refresh = \"0s\"\nservices = {{ test = \"http://{}/\" }}\n",
        registry.local_addr().unwrap()
    );
    std::fs::write(folder.path().join("mailvet.toml"), settings).unwrap();
    let place = [
        format!("--nameserver={}", sandbox.nameserver()),
        format!("--smtp-port={}", sandbox.smtp_port()),
    ];
    let path = folder.path().to_owned();
    let verifying = tokio::task::spawn_blocking(move || {
        let args = ["verify", "--config", "mailvet.toml", "--allow-network", "127.0.0.0/8"];
        let wish = ["--registration", "--timeout", "30s", "-"];
        let place = place.each_ref().map(String::as_str);
        process::run(&path, &[&args[..], &place, &wish].concat(), b"jane.doe@acme.test\n")
    });
    let output = tokio::select! {
        output = verifying => output.unwrap(),
        () = answer_after_the_servers(&registry, &sandbox) => unreachable!("it goes on"),
    };
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("mailbox_accepted"), "{said}");
    assert!(said.contains("registration: no such domain"), "the answer is waited for: {said}");
    sandbox.shutdown().await;
}

#[test]
fn an_exchanger_that_knows_owners_is_told_the_time_of_the_consent() {
    let folder = tempfile::tempdir().unwrap();
    let verify = |day: &str, address: &str| {
        let args = ["verify", "--sandbox", "--transcript", "--consented", day, address];
        String::from_utf8(process::run(folder.path(), &args, b"").stdout).unwrap()
    };
    let changed = verify("2025-01-01", "kim@owners.test");
    assert!(changed.contains("RCPT TO:<k***@owners.test> RRVS=2025-01-02T00:00:00Z"), "{changed}");
    assert!(changed.contains("policy_refusal") && changed.contains("-> review"), "{changed}");
    assert!(changed.contains("registered_after_consent"), "{changed}");
    for (day, address) in [("2025-06-01", "kim@owners.test"), ("2025-01-01", "jane@owners.test")] {
        let same = verify(day, address);
        assert!(same.contains("RRVS=") && same.contains("mailbox_accepted"), "{same}");
        assert!(!same.contains("registered_after_consent"), "{same}");
    }
    let refused = verify("2025-01-01", "kim@no-owners.test");
    assert!(refused.contains("555 5.5.4 Parameter not recognised"), "{refused}");
    assert!(refused.contains("mailbox_accepted"), "asked again without: {refused}");
}

#[test]
fn the_doctor_names_the_age_of_the_sender_s_own_domain() {
    let folder = tempfile::tempdir().unwrap();
    let found = |args: &[&str]| {
        let output = process::run(folder.path(), args, b"");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings.into_iter().filter(|f| f["id"] == "sender_registration").collect::<Vec<_>>()
    };
    assert!(found(&["doctor", "--sandbox", "--json"]).is_empty(), "nobody asked for it");
    let found = found(&["doctor", "--sandbox", "--json", "--registration"]);
    let [kept, neglected] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (&kept["status"], &kept["seen"]),
        (&"pass".into(), &"registered since 2018-04-01".into())
    );
    assert_eq!(
        (&neglected["subject"], &neglected["status"]),
        (&"neglected.test".into(), &"warn".into())
    );
    assert!(neglected["seen"].as_str().unwrap().contains("a new domain"), "{neglected}");
}

#[test]
fn the_command_line_shows_the_registration_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = process::run(folder.path(), args, b"");
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = run(&["domain", "--sandbox", "acme.test"]);
    assert!(!plain.contains("registration"), "{plain}");
    let shown = run(&["domain", "--sandbox", "--registration", "acme.test"]);
    let line = "registration: since 2004-03-01; until 2031-03-01; changed 2026-02-11; \
                at Sandbox Registrar; active; says 127.";
    assert!(shown.contains(line), "{shown}");
    let posture = run(&["domain", "--sandbox", "--posture", "sub.mailvet.test"]);
    assert!(posture.contains("spf: none") && posture.contains("dmarc: v=DMARC1"), "{posture}");
    assert!(posture.contains("(that of mailvet.test)"), "{posture}");
    let posture = run(&["domain", "--sandbox", "--posture", "--json", "acme.test"]);
    let posture: Value = serde_json::from_str(&posture).unwrap();
    assert_eq!(posture["posture"]["spf"]["record"], "v=spf1 mx -all");
    let json = run(&["domain", "--sandbox", "--registration", "--json", "client-hold.test"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["registration"]["state"], "registered");
    assert_eq!(json["registration"]["statuses"][0], "client hold");
    let note = json["registration"]["note"].as_str().unwrap();
    assert!(note.contains("is on hold"), "{note}");
    let verified = run(&["verify", "--sandbox", "--registration", "jane@no-such-domain.test"]);
    assert!(verified.contains("its registry's service knows no such domain"), "{verified}");
    let consented =
        run(&["verify", "--sandbox", "--consented", "2025-01-01", "lea.martin@northwind.test"]);
    assert!(consented.contains("-> review"), "{consented}");
    assert!(consented.contains("registered_after_consent"), "{consented}");
}
