//! The files that deploy several services on one database.

use std::path::Path;

use serde_json::{Value, json};

use super::{compose, config_with, find, manifests, of_kind, ports, shutdown};
use crate::command_line::{mailvet_with, text};

/// Everything that deploys several services.
fn replicas() -> Vec<Value> {
    manifests("cluster")
}

/// The text of the files that the cluster mounts, and the configuration as the binary has it with
/// them and with the variables of the pod.
fn replica_config(dir: &Path) -> toml::Table {
    let all = replicas();
    let path = dir.join("mailvet.toml");
    let text_of = &find(&all, "ConfigMap")["data"]["mailvet.toml"];
    std::fs::write(&path, text_of.as_str().unwrap()).unwrap();
    let pod = &find(&all, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let mut variables = Vec::new();
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        if let Some(value) = variable["value"].as_str().filter(|_| name != "MAILVET_CONFIG") {
            variables.push((name, value.replace("$(POD_IP)", "10.1.2.3")));
        }
    }
    let output = mailvet_with(&["config", "--config", path.to_str().unwrap()], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    toml::from_str(&text(&output.stdout)).unwrap()
}

#[test]
fn replicas_are_one_deployment_that_is_replaced_one_by_one_without_a_volume_that_stays() {
    let all = replicas();
    let deployment = find(&all, "Deployment");
    let spec = &deployment["spec"];
    assert_eq!(spec["replicas"], 3);
    let rolling = json!({"maxSurge": 1, "maxUnavailable": 0});
    assert_eq!(spec["strategy"], json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!(spec["selector"]["matchLabels"], *labels);
    assert_eq!(find(&all, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], *labels);
    assert_eq!(find(&all, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    for service in all.iter().filter(|manifest| manifest["kind"] == "Service") {
        assert_eq!(service["spec"]["selector"], *labels);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], "grpc");
    }
    let (pod, single) =
        (&spec["template"]["spec"], &of_kind("StatefulSet")["spec"]["template"]["spec"]);
    for same in ["securityContext", "automountServiceAccountToken", "enableServiceLinks"] {
        assert_eq!(pod[same], single[same], "{same}");
    }
    let (container, one) = (&pod["containers"][0], &single["containers"][0]);
    for same in [
        "image",
        "securityContext",
        "resources",
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "lifecycle",
    ] {
        assert_eq!(container[same], one[same], "{same}");
    }
    assert!(
        pod["volumes"].as_array().unwrap().iter().all(|it| it["persistentVolumeClaim"].is_null())
    );
}

#[test]
fn replicas_reach_each_other_and_the_database_and_nobody_else_reaches_their_port() {
    let dir = tempfile::tempdir().unwrap();
    let (all, config) = (replicas(), replica_config(dir.path()));
    let cluster = &config["cluster"];
    assert_eq!(cluster["address"].as_str(), Some("10.1.2.3:50052"));
    let listen: std::net::SocketAddr = cluster["listen"].as_str().unwrap().parse().unwrap();
    let pod = &find(&all, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["ports"][1]["containerPort"], listen.port());
    let network = &find(&all, "NetworkPolicy")["spec"];
    assert_eq!(ports(&network["ingress"]), [json!(50051), json!(listen.port())]);
    assert_eq!(network["ingress"][1]["from"], json!([{"podSelector": network["podSelector"]}]));
    let single = &of_kind("NetworkPolicy")["spec"];
    let (egress, alone) = (network["egress"].as_array().unwrap(), single["egress"].as_array());
    let (same, more) = egress.split_at(alone.unwrap().len());
    assert_eq!(same, alone.unwrap());
    assert_eq!(ports(&json!(more)), [json!(listen.port()), json!(5432)]);
    assert_eq!(more[0]["to"], json!([{"podSelector": network["podSelector"]}]));
    // Every file that the configuration names is one of the Secret, where it is mounted.
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let items = &pod["volumes"][0]["projected"]["sources"][1]["secret"]["items"];
    let secret = find(&all, "Secret");
    for (item, named) in items.as_array().unwrap().iter().zip([
        &config["server"]["api_keys"],
        &config["store"]["password_file"],
        &cluster["secret_file"],
    ]) {
        assert_eq!(named.as_str().unwrap(), format!("{mount}/{}", item["path"].as_str().unwrap()));
        assert!(secret["stringData"][item["key"].as_str().unwrap()].is_string(), "{item}");
    }
    let drain = shutdown(config["server"]["drain_timeout"].as_str().unwrap());
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > drain + 5);
}

#[test]
fn the_replicas_of_the_compose_file_differ_in_their_address_alone() {
    let file = compose("compose.cluster.yaml");
    let single = compose("compose.yaml");
    for name in ["one", "two", "three"] {
        let service = &file["services"][name];
        for same in ["read_only", "cap_drop", "security_opt", "stop_grace_period", "image"] {
            assert_eq!(service[same], single["services"]["mailvet"][same], "{name} {same}");
        }
        assert!(service["ports"][0].as_str().unwrap().starts_with("127.0.0.1:"));
        let config = config_with(&service["environment"]);
        assert!(config.contains(&format!("address = \"{name}:50052\"")));
        for secret in service["secrets"].as_array().unwrap() {
            assert!(file["secrets"][secret.as_str().unwrap()].is_object(), "{secret}");
        }
    }
    let volumes = &file["services"]["database"]["volumes"];
    assert!(volumes[1].as_str().unwrap().starts_with("socket:"), "{volumes}");
}
