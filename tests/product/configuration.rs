//! `mailvet config`, what it finds wrong, and how the commands say what is wrong.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::command_line::{mailvet_with, text};
use crate::process;

fn run(folder: &Path, args: &[&str]) -> Output {
    process::run(folder, args, b"")
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// What a command that fails says.
fn error(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_its_name_if_it_is_ours() {
    let run = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailvet"));
        let value = OsStr::from_bytes(b"secret\xe9");
        command.arg("config").env_clear().env(name, value).output().unwrap()
    };
    assert_eq!(run("OLDPWD").status.code(), Some(0));
    let refused = run("MAILVET_SMTP__HELO_NAME");
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("MAILVET_SMTP__HELO_NAME") && said.contains("not UTF-8"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn an_error_says_its_message_once() {
    let folder = folder(&[
        ("unknown.toml", "[smtp]\nprot = 25\n"),
        ("type.toml", "[smtp]\nport = \"many\"\n"),
        ("broken.toml", "[smtp\n"),
        ("keys.toml", "[[key]]\nname = \"a\"\nhash = \"x\"\n"),
        ("rules.toml", "[[rule]]\nnam = \"a\"\n"),
        ("not.pem", "nothing\n"),
        ("trace.toml", "[trace]\nendpoint = \"ftp://a\"\n"),
        ("tls.toml", "[server.tls]\ncertificate = \"not.pem\"\nkey = \"not.pem\"\n"),
        ("missing.toml", "[server.tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n"),
        ("key.toml", "[server]\napi_keys = \"keys.toml\"\n"),
        ("nokey.toml", "[server]\napi_keys = \"none.toml\"\n"),
        ("lists.toml", "[lists]\ndir = \"none\"\n"),
        ("dns.toml", "[dns]\nattempts = 0\n"),
    ]);
    let serve = ["serve", "--sandbox", "--listen", "127.0.0.1:0"];
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["config", "--config", "none.toml"],
        vec!["config", "--config", "unknown.toml"],
        vec!["config", "--config", "type.toml"],
        vec!["config", "--config", "broken.toml"],
        vec!["explain", "550 no", "--reply-rules", "rules.toml"],
        vec!["explain", "550 no", "--reply-rules", "none.toml"],
        vec!["lists", "--lists-dir", "none"],
        vec!["list", "."],
        vec!["list", "none.csv"],
        vec!["list", "not.pem", "--server", "http://127.0.0.1:1"],
        vec!["verify", "a@b.test", "--log", "loud"],
    ];
    for file in ["trace", "tls", "missing", "key", "nokey", "lists", "dns"] {
        let file: &str = Box::leak(format!("{file}.toml").into_boxed_str());
        commands.push([&serve[..], &["--config", file]].concat());
    }
    for command in commands {
        let said = error(folder.path(), &command);
        let parts: Vec<&str> = said.split(": ").map(str::trim).filter(|p| p.len() > 8).collect();
        let different: BTreeSet<&&str> = parts.iter().collect();
        assert_eq!(parts.len(), different.len(), "{command:?}: {said}");
        assert!(!said.contains("ready"), "{command:?}: {said}");
    }
}

#[test]
fn a_mistake_beside_a_secret_prints_no_secret() {
    let socks5 = "[[prober.identities]]\nname = \"a\"\nsocks5 = { address = \"192.0.2.1:1080\", \
                  user = \"u\", passwort = \"TOPSECRET\" }\n";
    let folder = folder(&[
        ("a.toml", socks5),
        ("b.toml", "[prober]\ncontrol_secret = [\"TOPSECRET\"]\n"),
        ("c.toml", "[trace]\nendpoint = \"ftp://u:TOPSECRET@h\"\n"),
        ("d.toml", "[trace]\nendpoint = \"http://u:TOPSECRET@127.0.0.1:4317\"\n"),
        ("e.toml", "[prober]\ncontrol_secret = \"TOPSECRET\"\n"),
    ]);
    for file in ["a.toml", "b.toml", "c.toml", "d.toml", "e.toml"] {
        for command in [&["config"][..], &["config", "--check"], &["serve", "--listen", "x"]] {
            let output = run(folder.path(), &[command, &["--config", file]].concat());
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(!said.contains("TOPSECRET"), "{file}, {command:?}: {said}");
        }
    }
    let said = error(folder.path(), &["config", "--config", "a.toml"]);
    assert!(said.contains("line 3") && said.contains("passwort"), "{said}");
}

#[test]
fn a_check_reads_the_secret_and_the_certificates_that_replicas_show_each_other() {
    let cluster = |more: &str| {
        format!(
            "[store]\nurl = \"postgres://mailvet@127.0.0.1/mailvet\"\n\
             [cluster]\nlisten = \"127.0.0.1:50052\"\n{more}"
        )
    };
    let folder = folder(&[
        ("change_me", "change me"),
        ("good", "a secret of all replicas\n"),
        ("short.toml", &cluster("secret_file = \"change_me\"\n")),
        ("none.toml", &cluster("secret_file = \"none\"\n")),
        ("address.toml", &cluster("secret_file = \"good\"\naddress = \"10.1.2.3\"\n")),
        ("pem.toml", &cluster("certificate = \"good\"\nkey = \"good\"\nca = \"good\"\n")),
        ("good.toml", &cluster("secret_file = \"good\"\naddress = \"10.1.2.3:50052\"\n")),
    ]);
    for (file, named) in [
        ("short.toml", "cluster.secret_file"),
        ("none.toml", "cluster.secret_file"),
        ("address.toml", "cluster.address"),
        ("pem.toml", "cluster.certificate"),
    ] {
        let output = run(folder.path(), &["config", "--check", "--config", file]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{file}: {said}");
    }
    let output = run(folder.path(), &["config", "--check", "--config", "good.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_check_finds_everything_for_which_the_service_would_refuse() {
    let folder = folder(&[
        (
            "all.toml",
            "[server]\nlisten = \"0.0.0.0:50051\"\napi_keys = \"none.toml\"\n\
             [server.tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"\n[server.limits]\ncalls = 0\n\
             [dns]\nattempts = 0\n[cache]\nlookups_at_once = 0\n[lists]\ndir = \"none\"\n\
             [replies]\nrules = \"none.toml\"\n[preflight]\nhealthy = 20\n\
             [smtp]\nport = 0\n[prober.pacing]\nsession_age = \"0s\"\n\
             [metrics]\nlisten = \"0.0.0.0:9464\"\n[log]\nlevel = \"loud\"\n\
             [trace]\nsample_ratio = 2.0\n",
        ),
        (
            "names.toml",
            "[[prober.identities]]\nname = \"a\"\n[[prober.identities]]\nname = \"a\"\n",
        ),
        ("good.toml", "[smtp]\nhelo_name = \"a.example.com\"\n"),
    ]);
    let check = |file| run(folder.path(), &["config", "--check", "--config", file]);
    let output = check("all.toml");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let found = text(&output.stdout);
    for key in [
        "none.toml",
        "none.pem",
        "server.limits.calls",
        "dns.attempts",
        "cache.lookups_at_once",
        "smtp.port",
        "prober.pacing.session_age",
        "none",
        "healthy",
        "metrics.listen",
        "loud",
        "trace.sample_ratio",
    ] {
        assert!(found.lines().any(|line| line.contains(key)), "{key}: {found}");
    }
    let output = check("names.toml");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let output = check("good.toml");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn every_key_is_printed_and_what_is_printed_is_a_configuration() {
    let folder = folder(&[]);
    let printed = text(&run(folder.path(), &["config", "--smtp-port", "2525"]).stdout);
    for line in ["[server.tls]", "# api_keys =", "# helo_name =", "# data_dir =", "port = 2525"] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(printed.contains("# The TCP port of exchangers."), "{printed}");
    std::fs::write(folder.path().join("again.toml"), &printed).unwrap();
    let again = text(&run(folder.path(), &["config", "--config", "again.toml"]).stdout);
    assert_eq!(again, printed);
}

#[test]
fn a_key_may_go_straight_into_the_file_and_only_the_key_is_printed() {
    let folder = folder(&[]);
    let new = |name: &str| {
        let output = run(folder.path(), &["api-key", "new", name, "--append", "keys.toml"]);
        (output.status.code(), text(&output.stdout))
    };
    let keys: Vec<String> = ["crm", "erp"]
        .map(|name| {
            let (status, printed) = new(name);
            assert_eq!(status, Some(0), "{printed}");
            assert!(printed.starts_with("mailvet_") && printed.lines().count() == 1, "{printed}");
            printed.trim().to_owned()
        })
        .into();
    let file = folder.path().join("keys.toml");
    let entries = std::fs::read_to_string(&file).unwrap();
    assert_eq!(mailvet::access::Keys::parse(&entries).unwrap().len(), 2);
    assert!(!keys.iter().any(|key| entries.contains(key)), "the file never holds a key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(new("crm").0, Some(2), "a name is given once");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), entries);
}

#[test]
fn a_url_without_its_scheme_is_a_usage_error_that_says_what_is_missing() {
    let folder = folder(&[("list.csv", "mail\na@b.test\n")]);
    for command in [&["health"][..], &["list", "list.csv"]] {
        let said = error(folder.path(), &[command, &["--server", "localhost:50051"]].concat());
        assert!(said.contains("give http:// or https://"), "{said}");
    }
}

#[tokio::test]
async fn the_sandbox_never_works_on_a_configured_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let file = folder.path().join("mailvet.toml");
    std::fs::write(&file, format!("[batch]\ndata_dir = \"{data}\"\n")).unwrap();
    let file = file.display().to_string();
    let variable = ("MAILVET_BATCH__DATA_DIR", data.clone());
    for (args, variables) in [(vec!["--config", &*file], vec![]), (vec![], vec![variable])] {
        let args = [&["--sandbox"][..], &args].concat();
        let mut service = process::Service::start(&args, &variables).await;
        let open = service.said("the batches are open").await;
        assert_ne!(open["fields"]["data_dir"].as_str(), Some(&*data));
        let log = service.stop().await;
        assert!(!Path::new(&data).exists());
        assert!(!log.iter().any(|line| line.contains("entered by other users")), "{log:#?}");
    }
    for (key, variable, value) in [
        ("store.url", "MAILVET_STORE__URL", "postgres://m@127.0.0.1:1/m"),
        ("cluster.listen", "MAILVET_CLUSTER__LISTEN", "127.0.0.1:0"),
    ] {
        let serve = ["serve", "--sandbox", "--listen", "127.0.0.1:0"];
        let output = mailvet_with(&serve, &[(variable, value.to_owned())]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(key) && said.contains("--sandbox"), "{said}");
    }
}

#[tokio::test]
async fn file_descriptors_are_raised_to_the_hard_limit_and_callers_leave_some_free() {
    for (soft, hard, connections) in [(256, 512, Some(256)), (256, 8192, None)] {
        let limits = format!("ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$0\" \"$@\"");
        let mut service = process::Service::start_by(&["sh", "-c", &limits], &["--sandbox"]).await;
        service.address().await;
        let scrape = service.scrape().await;
        assert!(scrape.contains(&format!("\nprocess_max_fds {hard}\n")), "{scrape}");
        let log = service.stop().await;
        let warning = log.iter().find(|line| line.contains("too few file descriptors"));
        let told = warning.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        assert_eq!(told.map(|line| line["fields"]["connections"].as_u64()), connections.map(Some));
    }
}

#[test]
fn where_nobody_is_reached_the_host_is_named_and_not_the_recipients() {
    let addresses = ["jane@timeout.test", "jane@no-connection.test", "jane@dns-failure.test"];
    let folder = folder(&[("list.csv", &format!("mail\n{}\n", addresses.join("\n")))]);
    let verify = [&["verify", "--sandbox"][..], &addresses].concat();
    let output = run(folder.path(), &verify);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("mailvet doctor"), "{}", text(&output.stderr));
    let list = ["list", "list.csv", "--sandbox", "--retry-window", "0s", "--report", "report.html"];
    let said = text(&run(folder.path(), &list).stdout);
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("None of 3 addresses was reached.") && said.contains("mailvet doctor"),
        "{said}"
    );
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("mailvet doctor"), "{page}");
    let output = run(folder.path(), &["verify", "--sandbox", "jane.doe@acme.test", addresses[0]]);
    assert!(!text(&output.stderr).contains("mailvet doctor"), "{}", text(&output.stderr));
}

#[test]
fn the_help_of_a_command_begins_with_its_own_flags() {
    let help = text(&run(Path::new("."), &["list", "--help"]).stdout);
    let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
    assert!(at("--output") < at("Configuration, the same for every command:"), "{help}");
    assert!(at("--output") < at("The service to ask:"), "{help}");
    assert!(at("Configuration, the same for every command:") < at("--nameserver"), "{help}");
}

#[test]
fn the_unit_of_systemd_gives_the_service_the_time_that_it_takes() {
    let unit = include_str!("../../deploy/mailvet.service");
    let all = |key: &str| -> Vec<&str> {
        let setting = |line: &'static str| line.strip_prefix(key)?.strip_prefix('=');
        unit.lines().filter_map(setting).collect()
    };
    let drain = mailvet::grpc::Config::default().drain_timeout.as_secs();
    let stop: u64 = all("TimeoutStopSec")[0].parse().unwrap();
    assert!(stop > drain + 5, "{stop}");
    assert_eq!(all("StateDirectory"), ["mailvet"]);
    assert_eq!(all("NoNewPrivileges"), ["yes"]);
    assert_eq!(all("CapabilityBoundingSet"), [""]);
    // Whatever ends it, a database that comes later than it among them, it is started again.
    assert_eq!(all("Restart"), ["on-failure"]);
    assert_eq!(all("RestartPreventExitStatus"), [""; 0]);
    assert_eq!(all("StartLimitIntervalSec"), ["0"]);
    let pause: u64 = all("RestartSec")[0].parse().unwrap();
    assert!((1..=10).contains(&pause), "{pause}");
    // The clock is read once.
    assert!(all("After")[0].contains("time-sync.target"));
    assert!(all("Wants")[0].contains("time-sync.target"));
    let variables: Vec<(&str, String)> = all("Environment")
        .into_iter()
        .filter(|variable| !variable.starts_with("MAILVET_CONFIG="))
        .map(|variable| variable.split_once('=').unwrap())
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let output = crate::command_line::mailvet_with(&["config"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("data_dir = \"/var/lib/mailvet\""));
}
