//! The OpenAPI document (version 3.1), written from the descriptors of the protos: their comments
//! are its descriptions.

mod comments;
mod operation;
mod schema;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use self::schema::Schemas;
use super::hook_call::HOOK_PATH;
use super::routes::{DOWNLOAD_PATH, RouteTable, UPLOAD_PATH};
use crate::proto::json::descriptors;

/// The path of the document.
pub(super) const PATH: &str = "/openapi.json";

/// The tag of the document's own operation.
const TAG: &str = "OpenAPI";

/// The description at the head of the document.
const ABOUT: &str = "Vets e-mail addresses before they are sent to, and never sends a message. \
    The JSON form of the gRPC API `mailvet.v1`: names, times, durations and enums by the proto3 JSON \
    mapping; fields with their default value are left out of answers, and unknown fields of requests \
    are refused. Errors are `google.rpc.Status`. No address ever stands in a URL.";

/// The document.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // Plain values are always written.
        let text = serde_json::to_string_pretty(&document()).unwrap_or_default();
        text + "\n"
    });
    &TEXT
}

fn document() -> Value {
    let table = RouteTable::new(descriptors());
    let mut schemas = Schemas::default();
    let mut paths: Map<String, Value> = Map::new();
    let mut tags = vec![json!({ "name": TAG, "description": "This document." })];
    for route in table.iter() {
        let service = route.rpc.parent_service();
        let tag = json!({
            "name": service.name(),
            "description": comments::of(&service.parent_file(), service.path()),
        });
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let operation = operation::of(route, &mut schemas);
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    paths.insert(UPLOAD_PATH.to_owned(), json!({ "post": operation::upload(&mut schemas) }));
    paths.insert(DOWNLOAD_PATH.to_owned(), json!({ "get": operation::download() }));
    paths.insert(HOOK_PATH.to_owned(), json!({ "post": operation::hook(&mut schemas) }));
    paths.insert(PATH.to_owned(), json!({ "get": own_operation() }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mailvet",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The service that gave out this document." }],
        "security": [{ "apiKey": [] }],
        "tags": tags,
        "paths": paths,
        "components": components(schemas),
    })
}

/// The operation that answers with the document.
fn own_operation() -> Value {
    json!({
        "operationId": "getOpenApi",
        "summary": "This document",
        "tags": [TAG],
        "responses": {
            "200": {
                "description": "The document.",
                "content": { "application/json": { "schema": { "type": "object" } } },
            },
            "4XX": operation::error(),
            "5XX": operation::error(),
        },
    })
}

fn components(mut schemas: Schemas) -> Value {
    let status = descriptors().get_message_by_name("google.rpc.Status");
    let status = status.map_or_else(|| json!({}), |status| schemas.reference(&status));
    json!({
        "securitySchemes": {
            "apiKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key (`mailvet api-key new`). Not needed where the service \
                                admits callers without one.",
            },
        },
        "parameters": {
            "serverTimeout": {
                "name": "X-Server-Timeout",
                "in": "header",
                "description": "The caller's time limit in seconds, as `grpc-timeout` is in gRPC: \
                                shortly before it ends the answer is what was learned; a stream \
                                ends with DEADLINE_EXCEEDED.",
                "schema": { "type": "number", "minimum": 0, "maximum": 86400 },
            },
        },
        "responses": {
            "Error": {
                "description": "An error, as `google.rpc.Status`. With `Retry-After` where waiting \
                                helps.",
                "headers": {
                    "Retry-After": {
                        "description": "Seconds after which to try again.",
                        "schema": { "type": "integer" },
                    },
                },
                "content": { "application/json": { "schema": status } },
            },
        },
        "schemas": schemas.into_json(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_has_its_schema_and_no_schema_is_left_over() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            let reference = format!("\"#/components/schemas/{name}\"");
            assert!(text.contains(&reference), "{name} is not used");
        }
        let used = text.split("\"#/components/schemas/").skip(1);
        for name in used.map(|rest| rest.split('"').next().unwrap()) {
            assert!(schemas.contains_key(name), "{name} is not there");
        }
    }

    #[test]
    fn comments_are_descriptions_and_path_fields_are_not_in_bodies() {
        let document = document();
        let verify = &document["paths"]["/v1/addresses:verify"]["post"];
        assert_eq!(verify["operationId"], "verifyAddress");
        assert_eq!(verify["summary"], "Verifies one address");
        let seal = &document["components"]["schemas"]["SealBatchRequest"];
        assert!(seal["properties"]["batchId"].is_null(), "{seal}");
        assert_eq!(seal["properties"]["rows"]["format"], "int64");
        let batch = &document["components"]["schemas"]["Batch"]["properties"];
        assert_eq!(batch["createTime"]["format"], "date-time");
        assert_eq!(batch["state"]["readOnly"], true);
    }
}
