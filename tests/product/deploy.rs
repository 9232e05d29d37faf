//! The files that people deploy by: what their schemas say, what they must hold, and that the
//! binary takes the configuration in them.

mod replicas;

use std::path::{Path, PathBuf};
use std::process::Command;

use mailvet::grpc;
use mailvet::sandbox::{Sandbox, World};
use serde_json::{Value, json};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::command_line::{mailvet_with, text};
use crate::examples::told;
use crate::process::Service;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The documents that hold what their schema says.
fn checked(arguments: &[&str], files: &[PathBuf]) -> Vec<Value> {
    let output = Command::new(told("TEST_MAILVET_PYTHON"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/manifests.py"))
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn manifests(folder: &str) -> Vec<Value> {
    let files = std::fs::read_dir(deploy().join("kubernetes").join(folder)).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    checked(&["kubernetes"], &files)
}

fn find(manifests: &[Value], kind: &str) -> Value {
    let mut found = manifests.iter().filter(|manifest| manifest["kind"] == kind);
    let manifest = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    manifest.clone()
}

/// Of those that deploy one service.
fn of_kind(kind: &str) -> Value {
    find(&manifests("single"), kind)
}

fn compose(file: &str) -> Value {
    let schema = told("TEST_MAILVET_COMPOSE_SCHEMA");
    checked(&["compose", &schema], &[deploy().join(file)]).swap_remove(0)
}

/// The configuration that the binary has with the variables of a compose file's service, as it
/// prints it. The name that a user has to give is `probe.example.com`.
fn config_with(environment: &Value) -> String {
    let variables: Vec<_> = environment
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().unwrap();
            let asked_for = value.starts_with("${HELO_NAME:?");
            (name.as_str(), if asked_for { "probe.example.com" } else { value }.to_owned())
        })
        .collect();
    let output = mailvet_with(&["config"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The ports of the rules of a network policy.
fn ports(rules: &Value) -> Vec<Value> {
    let rules = rules.as_array().unwrap().iter();
    rules.flat_map(|rule| rule["ports"].as_array().unwrap()).map(|p| p["port"].clone()).collect()
}

/// How long a shutdown takes at most, in seconds, if the calls in flight may take `drain`.
fn shutdown(drain: &str) -> u64 {
    humantime::parse_duration(drain).unwrap().as_secs() + 5
}

/// The configuration file of the ConfigMap.
fn config_file(dir: &Path) -> PathBuf {
    let path = dir.join("mailvet.toml");
    let config = of_kind("ConfigMap");
    std::fs::write(&path, config["data"]["mailvet.toml"].as_str().unwrap()).unwrap();
    path
}

#[test]
fn what_a_schema_does_not_know_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("service.yaml");
    let service = std::fs::read_to_string(deploy().join("kubernetes/single/service.yaml")).unwrap();
    std::fs::write(&path, service.replace("  selector:", "  selektor:")).unwrap();
    let output = Command::new(told("TEST_MAILVET_PYTHON"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/manifests.py"))
        .arg("kubernetes")
        .arg(&path)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("selektor"), "{}", text(&output.stderr));
}

#[test]
fn every_selector_finds_the_pod_and_every_port_is_the_one_that_it_listens_on() {
    let set = of_kind("StatefulSet");
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(set["spec"]["selector"]["matchLabels"], *labels);
    assert_eq!(of_kind("Service")["spec"]["selector"], *labels);
    assert_eq!(of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], *labels);
    let network = of_kind("NetworkPolicy");
    assert_eq!(network["spec"]["podSelector"]["matchLabels"], *labels);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let port = grpc::Config::default().listen.port();
    assert_eq!(container["ports"], json!([{"name": "grpc", "containerPort": port}]));
    assert_eq!(of_kind("Service")["spec"]["ports"][0]["targetPort"], "grpc");
    assert_eq!(ports(&network["spec"]["ingress"]), [json!(port)]);
    assert_eq!(ports(&network["spec"]["egress"]), [json!(53), json!(53), json!(25)]);
}

#[test]
fn the_pod_reaches_what_mailvet_itself_would_dial_and_the_resolver_of_the_cluster() {
    let network = of_kind("NetworkPolicy");
    let [resolver, exchangers] = &network["spec"]["egress"].as_array().unwrap()[..] else {
        panic!("two rules: {network}");
    };
    assert_eq!(resolver["to"].as_array().unwrap().len(), 1);
    assert!(resolver["to"][0]["podSelector"].is_object(), "not every name server");
    let networks = |text: &Value| text.as_str().unwrap().parse::<ipnet::IpNet>().unwrap();
    let blocks: Vec<(ipnet::IpNet, Vec<ipnet::IpNet>)> = exchangers["to"]
        .as_array()
        .unwrap()
        .iter()
        .map(|to| &to["ipBlock"])
        .map(|block| {
            let except = block["except"].as_array().unwrap().iter().map(networks);
            (networks(&block["cidr"]), except.collect())
        })
        .collect();
    let is_open = |address: std::net::IpAddr| {
        blocks.iter().any(|(network, except)| {
            network.contains(&address) && !except.iter().any(|except| except.contains(&address))
        })
    };
    // The ends of every block, their neighbours, and what lies in no block.
    let mut addresses: Vec<std::net::IpAddr> = [
        "1.1.1.1",
        "8.8.8.8",
        "192.0.1.1",
        "::",
        "::1",
        "fc00::1",
        "fe80::1",
        "ff02::1",
        "2a00::1",
    ]
    .map(|address| address.parse().unwrap())
    .into();
    for network in blocks.iter().flat_map(|(network, except)| except.iter().chain([network])) {
        addresses.extend([network.network(), network.broadcast()]);
        match (network.network(), network.broadcast()) {
            (std::net::IpAddr::V4(first), std::net::IpAddr::V4(last)) => {
                addresses.push(first.to_bits().wrapping_sub(1).to_be_bytes().into());
                addresses.push(last.to_bits().wrapping_add(1).to_be_bytes().into());
            }
            (std::net::IpAddr::V6(first), std::net::IpAddr::V6(last)) => {
                addresses.push(first.to_bits().wrapping_sub(1).to_be_bytes().into());
                addresses.push(last.to_bits().wrapping_add(1).to_be_bytes().into());
            }
            _ => unreachable!("a network has one family"),
        }
    }
    for address in addresses {
        let dialled = mailvet::smtp::target::is_global_unicast(address);
        let is_6to4 = address.to_string().starts_with("2002:");
        assert_eq!(is_open(address), dialled && !is_6to4, "{address}");
    }
}

#[test]
fn the_pod_may_do_nothing_it_does_not_need() {
    let set = of_kind("StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1);
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["enableServiceLinks"], false, "else MAILVET_PORT is set, which is no key");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    let rights = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(container["securityContext"], rights);
    assert!(container["resources"]["limits"]["memory"].is_string());
}

#[test]
fn the_binary_takes_the_configuration_of_the_cluster_and_the_cluster_waits_for_its_drain() {
    let dir = tempfile::tempdir().unwrap();
    let file = config_file(dir.path());
    let output = mailvet_with(&["config", "--config", file.to_str().unwrap()], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let config: toml::Table = toml::from_str(&text(&output.stdout)).unwrap();
    let pod = &of_kind("StatefulSet")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let drain = pause + shutdown(config["server"]["drain_timeout"].as_str().unwrap());
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > drain);
    // The configuration names a file of the Secret by where it is mounted.
    let keys = config["server"]["api_keys"].as_str().unwrap();
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let secret = &pod["volumes"][0]["projected"]["sources"][1]["secret"];
    let path = secret["items"][0]["path"].as_str().unwrap();
    assert_eq!(format!("{mount}/{path}"), keys);
    let named = &container["env"][0];
    assert_eq!(*named, json!({"name": "MAILVET_CONFIG", "value": format!("{mount}/mailvet.toml")}));
}

#[test]
fn the_address_that_the_pod_listens_on_is_set_where_it_counts_and_may_be_of_ipv6() {
    for (folder, kind, file) in [
        ("single", "StatefulSet", "statefulset.yaml"),
        ("cluster", "Deployment", "deployment.yaml"),
    ] {
        let container =
            find(&manifests(folder), kind)["spec"]["template"]["spec"]["containers"][0].clone();
        let variables = container["env"].as_array().unwrap();
        let listen = variables.iter().find(|it| it["name"] == "MAILVET_SERVER__LISTEN").unwrap();
        let listen: std::net::SocketAddr = listen["value"].as_str().unwrap().parse().unwrap();
        assert_eq!(container["ports"][0]["containerPort"], listen.port());
        let path = deploy().join("kubernetes").join(folder).join(file);
        let written = std::fs::read_to_string(path).unwrap();
        let advice = format!("[::]:{}", listen.port());
        assert!(written.contains(&advice), "{file}");
        let output = mailvet_with(&["config"], &[("MAILVET_SERVER__LISTEN", advice.clone())]);
        assert!(text(&output.stdout).contains(&format!("listen = \"{advice}\"")), "{file}");
    }
}

/// The command lines that a manifest names for the probes of a service with TLS: startup,
/// liveness, readiness.
fn probe_commands(folder: &str, file: &str) -> Vec<Vec<String>> {
    let path = deploy().join("kubernetes").join(folder).join(file);
    let written = std::fs::read_to_string(path).unwrap();
    let named = |line: &str| {
        let (_, command) = line.split_once("exec: {command: [")?;
        let (command, _) = command.split_once(']')?;
        Some(command.split(", ").skip(1).map(str::to_owned).collect())
    };
    written.lines().filter_map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_ends_in_a_restart_asks_whether_the_service_lives_and_not_whether_dns_does() {
    // A name server that never answers.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nameserver = silent.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let args = ["--nameserver", &nameserver, "--data-dir", dir.path().to_str().unwrap()];
    let mut service = Service::start(&args, &[]).await;
    let own = [("MAILVET_SERVER__LISTEN", service.address().await)];
    for (folder, file) in [("single", "statefulset.yaml"), ("cluster", "deployment.yaml")] {
        let commands = probe_commands(folder, file);
        let statuses: Vec<_> = commands
            .iter()
            .map(|command| {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                mailvet_with(&command, &own).status.code().unwrap()
            })
            .collect();
        assert_eq!(statuses, [0, 0, 1], "{commands:?}");
    }
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_starts_with_the_files_of_the_cluster_and_answers_its_probes() {
    let dir = tempfile::tempdir().unwrap();
    let secret = of_kind("Secret");
    let keys = dir.path().join("api_keys.toml");
    std::fs::write(&keys, secret["stringData"]["api_keys.toml"].as_str().unwrap()).unwrap();
    let sandbox = Sandbox::start(World::built_in().unwrap()).await.unwrap();
    let file = config_file(dir.path());
    let variables = [
        ("MAILVET_CONFIG", file.to_str().unwrap()),
        ("MAILVET_SERVER__API_KEYS", keys.to_str().unwrap()),
    ];
    let mut service = Service::on(&sandbox, &dir.path().join("batches"), &variables).await;
    let set = of_kind("StatefulSet");
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let name = container[probe]["grpc"]["service"].as_str().unwrap_or_default().to_owned();
        let mut client = HealthClient::new(service.channel().await);
        let serving = async {
            // It may take a moment to be ready.
            while client
                .check(HealthCheckRequest { service: name.clone() })
                .await
                .unwrap_or_else(|status| panic!("{probe}: {status}"))
                .into_inner()
                .status
                != tonic_health::ServingStatus::Serving as i32
            {}
        };
        let serving = tokio::time::timeout(std::time::Duration::from_secs(60), serving).await;
        serving.unwrap_or_else(|_| panic!("{probe} never says that it serves"));
    }
    service.kill().await;
    sandbox.shutdown().await;
}

#[test]
fn the_compose_file_holds_its_schema_and_gives_the_container_nothing_it_does_not_need() {
    let file = compose("compose.yaml");
    let service = &file["services"]["mailvet"];
    assert_eq!(service["read_only"], true);
    assert_eq!(service["cap_drop"], json!(["ALL"]));
    assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]));
    for port in service["ports"].as_array().unwrap() {
        assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{port}");
    }
    let environment = &service["environment"];
    let drain = shutdown(environment["MAILVET_SERVER__DRAIN_TIMEOUT"].as_str().unwrap());
    let grace = humantime::parse_duration(service["stop_grace_period"].as_str().unwrap()).unwrap();
    assert!(grace.as_secs() >= drain);
    assert_eq!(environment["MAILVET_SERVER__API_KEYS"], "/run/secrets/api_keys");
    assert!(file["secrets"]["api_keys"].is_object() && file["volumes"]["batches"].is_object());
    let config = config_with(environment);
    assert!(config.contains("helo_name = \"probe.example.com\""));
}

#[test]
fn the_image_says_what_it_holds_and_admits_nobody_by_itself() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile");
    let text = std::fs::read_to_string(path).unwrap();
    let label = |name: &str, value: &str| format!("org.opencontainers.image.{name}=\"{value}\"");
    assert!(text.contains(&label("version", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains(&label("description", env!("CARGO_PKG_DESCRIPTION"))));
    assert!(text.contains("\nUSER 10001:10001\n") && text.contains("\nHEALTHCHECK "));
    // The data directory of the image is its volume.
    assert!(text.contains("MAILVET_BATCH__DATA_DIR=/var/lib/mailvet\n"));
    assert!(text.contains("\nVOLUME /var/lib/mailvet\n"));
    let set: Vec<_> = text.lines().filter(|line| line.contains("ALLOW_ANONYMOUS")).collect();
    assert!(set.is_empty(), "{set:?}");
    let image = &of_kind("StatefulSet")["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, concat!("mailvet:", env!("CARGO_PKG_VERSION")));
}

/// Cargo reads a manifest only if every target that it names has a file, built or not.
#[test]
fn what_the_image_is_built_from_has_a_file_for_every_target_of_the_manifest() {
    let (root, context) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let ignored = std::fs::read_to_string(root.join(".dockerignore")).unwrap();
    let kept: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(kept.contains(&"src"), "{ignored}");
    for path in kept {
        let copy = context.path().join(path);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-r").arg(root.join(path)).arg(copy).status().unwrap();
        assert!(copied.success(), "{path}");
    }
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let read = Command::new(env!("CARGO"))
        .args(["fetch", "--offline", "--locked", "--target", &target])
        .current_dir(context.path())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", text(&read.stderr));
}
