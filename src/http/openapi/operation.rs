//! Operations: an RPC with its parameters, body and answers.

use prost_reflect::MessageDescriptor;
use serde_json::{Value, json};

use super::comments;
use super::schema::Schemas;
use crate::http::form::AnswerForm;
use crate::http::query;
use crate::http::routes::HttpRoute;

/// The operation of a route.
pub(super) fn of(route: &HttpRoute, schemas: &mut Schemas) -> Value {
    let rpc = &route.rpc;
    let comment = comments::of(&rpc.parent_service().parent_file(), rpc.path());
    let mut operation = json!({
        "operationId": lower_first(rpc.name()),
        "summary": comments::first_sentence(&comment),
        "description": comment,
        "tags": [rpc.parent_service().name()],
        "parameters": parameters(route, schemas),
        "responses": {
            "200": { "description": answer_comment(route), "content": content(route, schemas) },
            "4XX": error(),
            "5XX": error(),
        },
    });
    if route.has_body {
        let in_path: Vec<&str> = route.template.fields().collect();
        let schema = schemas.reference_without(&route.input(), &in_path);
        close(&route.input(), schemas);
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        });
    }
    operation
}

/// A reference to the answer of every error.
pub(super) fn error() -> Value {
    json!({ "$ref": "#/components/responses/Error" })
}

/// Closes the schemas of the messages that only requests hold.
fn close(message: &MessageDescriptor, schemas: &mut Schemas) {
    schemas.close(message);
    for field in message.fields() {
        let kind = field.kind();
        if let Some(part) = kind.as_message()
            && !part.full_name().starts_with("google.")
            // An answer holds it too, and may hold more one day.
            && part.name() != "BatchOptions"
        {
            close(part, schemas);
        }
    }
}

fn parameters(route: &HttpRoute, schemas: &mut Schemas) -> Vec<Value> {
    let in_path: Vec<&str> = route.template.fields().collect();
    let mut parameters = Vec::new();
    for field in route.input().fields().filter(query::is_parameter) {
        let is_in_path = in_path.contains(&field.name());
        if !is_in_path && route.has_body {
            continue;
        }
        let mut schema = schemas.field(&field);
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // The template has the field's own name.
        let name = if is_in_path { field.name() } else { field.json_name() };
        parameters.push(json!({
            "name": name,
            "in": if is_in_path { "path" } else { "query" },
            "required": is_in_path,
            "description": description,
            "schema": schema,
        }));
    }
    parameters.push(json!({ "$ref": "#/components/parameters/serverTimeout" }));
    parameters
}

fn answer_comment(route: &HttpRoute) -> String {
    let output = route.output();
    comments::of(&output.parent_file(), output.path())
}

/// The content of a good answer, form by form.
fn content(route: &HttpRoute, schemas: &mut Schemas) -> Value {
    let schema = schemas.reference(&route.output());
    if !route.rpc.is_server_streaming() {
        return json!({ "application/json": { "schema": schema } });
    }
    let mut content = json!({});
    for form in [AnswerForm::Lines, AnswerForm::Events, AnswerForm::Csv] {
        let media_type = form.media_type();
        if AnswerForm::choose(route, media_type) == form {
            let is_table = form == AnswerForm::Csv;
            let schema = if is_table { json!({ "type": "string" }) } else { schema.clone() };
            content[media_type] = json!({ "schema": schema });
        }
    }
    content
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
