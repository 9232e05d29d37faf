//! Receivers that no one here wrote: the libraries of Standard Webhooks take our signatures.

use std::path::PathBuf;
use std::process::Command;

use super::receiver::Receiver;
use super::{Calling, SECRETS};
use crate::examples::told;

const PYTHON: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook
secret, headers, body = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
print(Webhook(secret).verify(body, headers)['type'])
try:
    Webhook(secret).verify(body + ' ', headers)
except Exception as error:
    print(type(error).__name__)
";

const NODE: &str = "
const { Webhook } = require('standardwebhooks');
const [secret, headers, body] = process.argv.slice(1);
console.log(new Webhook(secret).verify(body, JSON.parse(headers)).type);
try { new Webhook(secret).verify(body + ' ', JSON.parse(headers)); }
catch (error) { console.log(error.constructor.name); }
";

#[tokio::test]
async fn the_libraries_of_standard_webhooks_take_our_signatures() {
    let calling = Calling::start().await;
    let mut receiver = Receiver::start().await;
    receiver.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert!(calling.test(&receiver.url).await.unwrap().delivered);
    let received = receiver.next().await;
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers = names.map(|name| (name, received.header(name)));
    let headers = serde_json::json!(std::collections::BTreeMap::from(headers)).to_string();
    let packages = PathBuf::from(told("TEST_MAILVET_HTTP_CLIENTS"));
    for secret in SECRETS {
        let programs =
            [(told("TEST_MAILVET_PYTHON"), ["-c", PYTHON]), ("node".into(), ["-e", NODE])];
        for (program, script) in programs {
            let mut command = Command::new(&program);
            command.args(script).args([secret, &headers, &received.body]);
            command.env("NODE_PATH", &packages);
            let output =
                tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = printed.lines().collect();
            assert_eq!(lines, ["mailvet.test", "WebhookVerificationError"], "{program}: {errors}");
        }
    }
    calling.stop().await;
}
