//! The dashboard in `deploy/grafana` asks for what there is.

use std::collections::BTreeSet;

use mailvet::proto::VerifyAddressRequest;
use regex::Regex;
use serde_json::Value;

use crate::process::Service;

fn dashboard() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/mailvet.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every value under this key, wherever it stands.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key));
            map.values().for_each(|value| under(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_metric_and_label_of_the_dashboard_is_in_a_scrape() {
    let mut service = Service::start(&["--sandbox"], &[]).await;
    let request = VerifyAddressRequest { address: "jane.doe@acme.test".to_owned(), options: None };
    service.client().await.verify_address(request).await.unwrap();
    let text = service.scrape().await;
    let names: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let dashboard = dashboard();
    let mut queries = Vec::new();
    under(&dashboard, "expr", &mut queries);
    assert!(queries.len() >= 15, "{}", queries.len());
    let metric = Regex::new(r"\b(?:mailvet|process)_[a-z_]+").unwrap();
    let label = Regex::new(r#"\b([a-z_]+)(?:=~?|!=)"([a-z_|]*)""#).unwrap();
    let by = Regex::new(r"by \(([a-z_, ]+)\)").unwrap();
    for query in queries {
        let query = query.as_str().unwrap();
        assert!(metric.is_match(query), "{query}");
        for name in metric.find_iter(query) {
            assert!(names.contains(name.as_str()), "{query}: there is no {}", name.as_str());
        }
        for matched in label.captures_iter(query) {
            for value in matched[2].split('|') {
                let pair = format!("{}=\"{value}\"", &matched[1]);
                assert!(text.contains(&pair), "{query}: there is no {pair}");
            }
        }
        for matched in by.captures_iter(query) {
            for label in matched[1].split(", ") {
                assert!(text.contains(&format!("{label}=\"")), "{query}: there is no {label}");
            }
        }
    }
    service.stop().await;
}

#[test]
fn every_panel_asks_the_source_that_whoever_imports_it_chooses() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let source = variables.iter().find(|variable| variable["type"] == "datasource").unwrap();
    assert_eq!(source["query"], "prometheus");
    let mut sources = Vec::new();
    under(&dashboard["panels"], "datasource", &mut sources);
    assert!(!sources.is_empty());
    let wanted = format!("${{{}}}", source["name"].as_str().unwrap());
    assert!(sources.iter().all(|source| source["uid"] == *wanted), "{sources:?}");
    let mut ids = Vec::new();
    under(&dashboard["panels"], "id", &mut ids);
    let different: BTreeSet<_> = ids.iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(different.len(), ids.len(), "panels have numbers of their own");
}
