//! `mailvet serve` where others can reach it, keys made for it, and secrets that stay secret.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::command_line::{mailvet_with, text};

/// Starts the service with these arguments, and stops it once it says that it serves.
fn serves(args: &[&str], environment: &[(&str, String)]) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailvet"))
        .args(["serve", "--sandbox"])
        .args(args)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let served = lines.any(|line| {
        said.push(line);
        said.last().is_some_and(|line| line.contains("serving"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(served, "{said:?}");
}

#[test]
fn beyond_loopback_serve_refuses_to_start_and_names_three_remedies() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let output = mailvet_with(&["serve", "--sandbox", "--listen", listen], &[]);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        for part in ["other machines", "server.api_keys", "client_ca", "--allow-anonymous"] {
            assert!(said.contains(part), "{said}");
        }
    }
    let tls_alone = [
        ("MAILVET_SERVER__LISTEN", "0.0.0.0:0".to_owned()),
        ("MAILVET_SERVER__TLS__CERTIFICATE", "c.pem".to_owned()),
        ("MAILVET_SERVER__TLS__KEY", "k.pem".to_owned()),
    ];
    let output = mailvet_with(&["serve", "--sandbox"], &tls_alone);
    assert_eq!(output.status.code(), Some(2), "TLS alone asks nobody who they are");
    assert!(text(&output.stderr).contains("client_ca"), "{}", text(&output.stderr));
}

#[test]
fn beyond_loopback_serve_starts_once_somebody_has_decided_who_may_call() {
    serves(&["--listen", "127.0.0.1:0"], &[]);
    serves(&["--listen", "0.0.0.0:0", "--allow-anonymous"], &[]);
    let allowed = ("MAILVET_SERVER__ALLOW_ANONYMOUS", "true".to_owned());
    serves(&["--listen", "0.0.0.0:0"], &[allowed]);
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    keys.write_all(mailvet::access::issue("crm", [1; 32], None).unwrap().entry.as_bytes()).unwrap();
    let keys = ("MAILVET_SERVER__API_KEYS", keys.path().display().to_string());
    serves(&["--listen", "0.0.0.0:0"], &[keys]);
}

#[test]
fn a_file_of_keys_that_cannot_be_used_is_named() {
    let missing = ("MAILVET_SERVER__API_KEYS", "/nowhere/keys.toml".to_owned());
    let output = mailvet_with(&["serve", "--sandbox", "--listen", "127.0.0.1:0"], &[missing]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nowhere/keys.toml"), "{}", text(&output.stderr));
}

#[test]
fn a_new_key_is_printed_once_with_an_entry_that_the_service_takes() {
    let make = || text(&mailvet_with(&["api-key", "new", "crm"], &[]).stdout);
    let (first, second) = (make(), make());
    assert_ne!(first, second);
    let (key, entry) = first.split_once("\n\n").unwrap();
    assert_eq!(key.len(), "mailvet_".len() + 64, "256 bits: {key}");
    let keys = mailvet::access::Keys::parse(entry).unwrap();
    assert_eq!(keys.len(), 1);
    assert!(!entry.contains(key), "{entry}");
    let output = mailvet_with(&["api-key", "new", "c r m"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("c r m"), "{}", text(&output.stderr));
    let output = mailvet_with(&["api-key", "new", "--expires-in", "90days", "crm"], &[]);
    assert!(text(&output.stdout).contains("expires = \"20"), "{}", text(&output.stdout));
}

#[test]
fn config_shows_no_secret_and_says_which_are_set() {
    let environment = [
        ("MAILVET_PROBER__CONTROL_SECRET", "hush-hush".to_owned()),
        ("MAILVET_API_KEY", "mailvet_0123".to_owned()),
    ];
    let output = mailvet_with(&["config"], &environment);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!shown.contains("hush-hush") && !shown.contains("mailvet_0123"), "{shown}");
    assert!(shown.contains("# prober.control_secret is set"), "{shown}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(shown.as_bytes()).unwrap();
    let path = file.path().display().to_string();
    let again = mailvet_with(&["config", "--config", &path], &environment);
    assert_eq!(text(&again.stdout), shown, "what is printed can be read back");
}
