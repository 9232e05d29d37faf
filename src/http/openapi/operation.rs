//! Operations: an RPC with its parameters, body and answers.

use prost_reflect::MessageDescriptor;
use serde_json::{Value, json};

use super::comments;
use super::schema::Schemas;
use crate::http::form::AnswerForm;
use crate::http::query;
use crate::http::routes::HttpRoute;
use crate::proto::json::descriptors;

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
        let mut content = json!({ "application/json": { "schema": schema } });
        if rpc.is_client_streaming() {
            // One message a line.
            content[AnswerForm::Lines.media_type()] = json!({ "schema": { "type": "string" } });
        }
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// The operation that takes a list file.
pub(super) fn upload(schemas: &mut Schemas) -> Value {
    let message = |name: &str| descriptors().get_message_by_name(&format!("mailvet.v1.{name}"));
    let (Some(input), Some(output)) = (message("UploadListRequest"), message("UploadListResponse"))
    else {
        return json!({});
    };
    let mut parameters = Vec::new();
    let mut fields = json!({});
    for field in input.fields() {
        let mut schema = schemas.field(&field);
        fields[field.json_name()] = schema.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let name = field.json_name();
        parameters.push(json!({
            "name": name, "in": "query", "description": description, "schema": schema,
        }));
    }
    let file = json!({ "type": "string", "format": "binary" });
    fields["file"] = file.clone();
    json!({
        "operationId": "uploadList",
        "summary": "Makes a batch of a list file as it is",
        "description": UPLOAD,
        "tags": ["BatchService"],
        "parameters": parameters,
        "requestBody": {
            "required": true,
            "content": {
                "application/octet-stream": { "schema": file },
                "text/csv": { "schema": { "type": "string" } },
                "multipart/form-data": {
                    "schema": { "type": "object", "properties": fields, "required": ["file"] },
                },
            },
        },
        "responses": {
            "200": {
                "description": comments::of(&output.parent_file(), output.path()),
                "content": { "application/json": { "schema": schemas.reference(&output) } },
            },
            "4XX": error(),
            "5XX": error(),
        },
    })
}

/// The description of the operation that takes a list file.
const UPLOAD: &str = "The body is the file, or a form with the file as its last field. Whatever \
`mailvet list` reads is taken: CSV and its neighbours, JSON lines, XLSX, ODS, ZIP, vCard, LDIF, \
JSON, plain lists, in any encoding, gzip too. The batch is sealed when the answer comes; a file \
that breaks off leaves nothing.";

/// The operation that answers with the list and its results.
pub(super) fn download() -> Value {
    let text = json!({ "schema": { "type": "string" } });
    json!({
        "operationId": "downloadList",
        "summary": "The list that was uploaded, with the results beside its rows",
        "description": "The rows as they were, with columns appended, in the list's own format. A \
                        workbook comes as XLSX when its batch has ended, or as CSV where the header \
                        `accept` names `text/csv`; an archive comes as CSV. While the batch runs, \
                        rows of a table come with their results. RESOURCE_EXHAUSTED while eight \
                        workbooks are being made or sent. NOT_FOUND for a batch that was not uploaded as a file.",
        "tags": ["BatchService"],
        "parameters": [{
            "name": "batch_id",
            "in": "path",
            "required": true,
            "description": "The batch's id.",
            "schema": { "type": "string" },
        }],
        "responses": {
            "200": {
                "description": "The list.",
                "content": {
                    "text/csv": text,
                    "application/x-ndjson": text,
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
                        { "schema": { "type": "string", "format": "binary" } },
                },
            },
            "4XX": error(),
            "5XX": error(),
        },
    })
}

/// The operation that takes the posts of a mail service.
pub(super) fn hook(schemas: &mut Schemas) -> Value {
    let name = "mailvet.v1.ReportOutcomesResponse";
    let Some(counts) = descriptors().get_message_by_name(name) else { return json!({}) };
    json!({
        "operationId": "deliverToHook",
        "summary": "Takes the events of a mail service, signed as it signs",
        "description": HOOK,
        "tags": ["OutcomeService"],
        "security": [],
        "parameters": [{
            "name": "name",
            "in": "path",
            "required": true,
            "description": "The name of the hook, as `outcomes.hooks` has it.",
            "schema": { "type": "string" },
        }],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": {} }, "text/plain": { "schema": {} } },
        },
        "responses": {
            "200": {
                "description": "What became of the events.",
                "content": { "application/json": { "schema": schemas.reference(&counts) } },
            },
            "4XX": error(),
            "5XX": error(),
        },
    })
}

/// The description of the operation that takes the posts of a mail service.
const HOOK: &str = "For Amazon SES (by SNS), Brevo, KumoMTA, Mailgun, Mailjet, Postmark, Resend, \
SendGrid and SparkPost: the body is what the service posts. No API key is asked for: the post is \
verified by the signature of its service, or by the token or password of those that sign nothing. \
UNAUTHENTICATED if it is not the hook's own, and nothing is kept then.";

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
        if AnswerForm::choose(route, &[media_type]) == form {
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
