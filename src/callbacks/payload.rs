//! The body of a callback: how a batch stands, in counts. No address and no name that the owner
//! gave is in it. Pure.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::campaign::preflight::Thresholds;
use crate::campaign::{Batch, BatchEvent, Preflight};
use crate::verdict::Verdict;

/// The body that tells this event, of this time, of this batch. Links begin with `service_url`.
pub(super) fn body(
    (event, at): (BatchEvent, SystemTime),
    batch: &Batch,
    thresholds: &Thresholds,
    service_url: &str,
) -> String {
    let progress = &batch.progress;
    let preflight =
        Preflight::of(progress, batch.state, batch.spec.options.send_policy, thresholds);
    let verdicts: BTreeMap<&str, u64> =
        Verdict::ALL.map(|verdict| (verdict.name(), progress.with_verdict(verdict))).into();
    let reasons: BTreeMap<&str, u64> =
        progress.finished.iter().map(|(reason, rows)| (reason.name(), *rows)).collect();
    let link = format!("{}/v1/batches/{}", service_url.trim_end_matches('/'), batch.id);
    let data = json!({
        "batchId": batch.id.as_str(),
        "state": batch.state.name(),
        "rows": progress.rows,
        "finishedRows": progress.finished_rows(),
        "waitingRows": progress.waiting_rows(),
        "verdicts": verdicts,
        "reasons": reasons,
        "preflight": {
            "decision": preflight.decision().name(),
            "headline": preflight.headline(),
        },
        "links": { "batch": link, "results": format!("{link}/results") },
    });
    envelope(event.name(), at, &data)
}

/// The body of a trial.
pub(super) fn trial(now: SystemTime) -> String {
    envelope("mailvet.test", now, &json!({}))
}

/// Type, time and data, as Standard Webhooks has them.
fn envelope(kind: &str, at: SystemTime, data: &Value) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    json!({ "type": kind, "timestamp": at.to_string(), "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{BatchId, BatchOptions, Progress, Spec, State};
    use crate::verdict::Reason;

    #[test]
    fn a_body_holds_counts_and_links_and_nothing_that_somebody_named() {
        let at = SystemTime::UNIX_EPOCH;
        let batch = Batch {
            id: BatchId::new(at),
            spec: Spec {
                owner: "jane@acme.test".to_owned(),
                request_id: Some("for jane@acme.test".to_owned()),
                display_name: "jane@acme.test.csv".to_owned(),
                options: BatchOptions::default(),
                callback: None,
            },
            state: State::Finished,
            created_at: at,
            sealed_at: Some(at),
            ended_at: Some(at),
            progress: Progress {
                rows: 3,
                mailboxes: 3,
                finished: [(Reason::MailboxAccepted, 2), (Reason::CatchAll, 1)].into(),
                ..Progress::default()
            },
        };
        let service = "https://mailvet.example.com/";
        let body = body((BatchEvent::Finished, at), &batch, &Thresholds::default(), service);
        assert!(!body.contains('@'), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "batch.finished");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00Z");
        let data = &body["data"];
        assert_eq!((&data["rows"], &data["verdicts"]["deliverable"]), (&json!(3), &json!(2)));
        assert_eq!(data["reasons"]["catch_all"], 1);
        assert!(data["preflight"]["decision"].is_string());
        let link = format!("https://mailvet.example.com/v1/batches/{}", batch.id);
        assert_eq!(data["links"]["batch"], link);
    }
}
