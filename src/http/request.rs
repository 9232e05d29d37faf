//! Requests: JSON, a query and the fields of a path to a protobuf message.

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use serde::Deserializer;

use super::bad_request::BadRequest;
use super::body_survey::BodySurvey;
use super::query;
use super::routes::{HttpRoute, RouteMatch};
use crate::proto::LARGEST_PAGE_ROWS;

/// The request message for `matched`, encoded: its fields come from the path and from the body, or
/// from the path and the query where the route has no body.
pub(super) fn encode(
    matched: &RouteMatch,
    query: &str,
    body: &[u8],
) -> Result<Vec<u8>, BadRequest> {
    let route = &matched.route;
    let mut message = if route.has_body {
        if !query.is_empty() {
            let remedy =
                "this call takes no parameters in its URL; send its fields as JSON in the body";
            return Err(BadRequest::new("", remedy));
        }
        from_body(route.input(), body)?
    } else {
        if !body.is_empty() {
            let remedy = "this call takes no body; give its fields as parameters in the URL";
            return Err(BadRequest::new("", remedy));
        }
        from_query(route, query)?
    };
    for (name, value) in route.template.fields().zip(&matched.values) {
        let Some(field) = route.input().get_field_by_name(name) else { continue };
        let given = message.get_field(&field).into_owned();
        if given != Value::String(String::new()) && given.as_str() != Some(value) {
            let message = "differs from the one in the path; leave it out";
            return Err(BadRequest::new(field.json_name(), message));
        }
        message.set_field(&field, Value::String(value.clone()));
    }
    Ok(message.encode_to_vec())
}

/// The request messages for `matched`, whose caller streams, encoded: one a line.
pub(super) fn encode_lines(
    matched: &RouteMatch,
    query: &str,
    body: &[u8],
) -> Result<Vec<Vec<u8>>, BadRequest> {
    let lines = body.split(|octet| *octet == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let many = lines.clone().count();
    if many > LARGEST_PAGE_ROWS {
        let message = format!("the body has {many} lines; send at most {LARGEST_PAGE_ROWS}");
        return Err(BadRequest::new("", message));
    }
    let message = |(number, line): (usize, &[u8])| {
        encode(matched, query, line).map_err(|bad| {
            // Each line is read as a body of its own, in which it is the first.
            let fault = bad.message.replace(" at line 1 column ", " at column ");
            BadRequest::new(bad.field, format!("{fault} (line {})", number + 1))
        })
    };
    lines.map(message).collect()
}

fn from_body(of: MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, BadRequest> {
    // A byte order mark, which some write before UTF-8, may be passed over (RFC 8259 section 8.1).
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.is_empty() {
        return Ok(DynamicMessage::new(of));
    }
    let BodySurvey { longest_list, elements, doubled } = BodySurvey::of(&of, body);
    if elements > LARGEST_PAGE_ROWS {
        // As the codec says it of a page that comes by gRPC.
        let message = format!("holds {elements} rows; send at most {LARGEST_PAGE_ROWS} a page");
        return Err(BadRequest::new(longest_list, message));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let message = deserialize(of, &mut reader)?;
    let end = reader.end();
    end.map_err(|_| {
        BadRequest::new("", "the body goes on after its JSON object; send one object")
    })?;
    match doubled {
        Some(path) => Err(BadRequest::new(path, "is given more than once; give it once")),
        None => Ok(message),
    }
}

fn from_query(route: &HttpRoute, query: &str) -> Result<DynamicMessage, BadRequest> {
    deserialize(route.input(), query::object(&route.input(), query)?)
}

/// Reads a message; an error names the field by its path.
pub(super) fn deserialize<'de, D>(
    of: MessageDescriptor,
    reader: D,
) -> Result<DynamicMessage, BadRequest>
where
    D: Deserializer<'de, Error = serde_json::Error>,
{
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(reader, &mut track);
    DynamicMessage::deserialize(of.clone(), reader).map_err(|error| {
        let path = track.path().to_string();
        let path = if path == "." { "" } else { &path };
        fault(&of, path, &error)
    })
}

/// The fault, in words that name the field.
fn fault(of: &MessageDescriptor, path: &str, error: &serde_json::Error) -> BadRequest {
    let text = error.to_string();
    if error.is_syntax() && ["surrogate", "hex escape"].iter().any(|words| text.contains(words)) {
        // A program that cuts a text by UTF-16 units leaves half of a character, and writes it as
        // an escape: JSON by its grammar, but no text (RFC 8259 section 8.2).
        let remedy = "half of a character, such as \\ud83d alone; send whole characters";
        return BadRequest::new(path, format!("holds {remedy} ({text})"));
    }
    if error.is_syntax() || error.is_eof() {
        return BadRequest::new("", format!("the body is not JSON: {text}"));
    }
    // The place is the path; lines and columns are of use to people alone, and follow the text.
    let unknown =
        text.strip_prefix("unrecognized field name '").and_then(|rest| rest.split_once('\''));
    match unknown {
        Some((name, _)) => {
            let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            BadRequest::new(field, "there is no such field; see /openapi.json for those there are")
        }
        None if path.is_empty() => BadRequest::new("", format!("{text}; send one JSON object")),
        None => match field_at(of, path) {
            Some(field) if field.is_list() && !path.ends_with(']') => {
                BadRequest::new(path, format!("{text}; give a list"))
            }
            Some(field) => BadRequest::new(path, format!("{text}; give {}", wanted(&field.kind()))),
            None => BadRequest::new(path, text),
        },
    }
}

/// The field at that path.
fn field_at(of: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let (mut of, mut found) = (Some(of.clone()), None);
    for name in path.split('.') {
        let name = name.split('[').next().unwrap_or(name);
        let message = of?;
        let field = message.get_field_by_json_name(name);
        let field = field.or_else(|| message.get_field_by_name(name))?;
        of = field.kind().as_message().cloned();
        found = Some(field);
    }
    found
}

/// The values that a field of this kind takes, in words.
fn wanted(kind: &Kind) -> String {
    let text = match kind {
        Kind::Enum(of) => return choices(of),
        Kind::Bool => "true or false",
        Kind::String | Kind::Bytes => "a string",
        Kind::Float | Kind::Double => "a number",
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => {
            "a whole number, zero or more"
        }
        Kind::Int32
        | Kind::Int64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Sfixed32
        | Kind::Sfixed64 => "a whole number",
        Kind::Message(of) => match of.full_name() {
            "google.protobuf.Duration" => "seconds, such as \"1.5s\"",
            "google.protobuf.Timestamp" => "a time, such as \"2027-01-31T09:30:00Z\"",
            _ => "an object",
        },
    };
    text.to_owned()
}

/// `A, B or C`: the names of an enum's values, without the one that says nothing.
fn choices(of: &EnumDescriptor) -> String {
    let names: Vec<String> = of
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| value.name().to_owned())
        .collect();
    match names.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::http::routes::RouteTable;
    use crate::proto::json::{descriptors, from_octets};

    fn encoded(method: Method, url: &str, body: &str) -> Result<String, BadRequest> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let matched = RouteTable::new(descriptors()).find(&method, path).unwrap();
        let octets = encode(&matched, query, body.as_bytes())?;
        let json = from_octets(matched.route.input(), &octets).unwrap();
        Ok(String::from_utf8(json).unwrap())
    }

    fn verified(body: &str) -> Result<String, BadRequest> {
        encoded(Method::POST, "/v1/addresses:verify", body)
    }

    #[test]
    fn a_body_is_read_by_the_proto3_json_mapping() {
        let body = r#"{"address":"a@b.test","options":{"depth":"DEPTH_DOMAIN","maxAge":"3.5s"}}"#;
        let expected = body.replace("3.5s", "3.500s");
        assert_eq!(verified(body).unwrap(), expected);
        let proto_names = r#"{"address":"a@b.test","options":{"depth":2,"max_age":"3.500s"}}"#;
        assert_eq!(verified(proto_names).unwrap(), expected);
        assert_eq!(verified("").unwrap(), "{}");
        assert_eq!(verified(&format!("\u{feff}{body}")).unwrap(), expected);
    }

    #[test]
    fn a_field_that_cannot_be_taken_is_named_by_its_path() {
        let field = |body| verified(body).unwrap_err().field;
        assert_eq!(field(r#"{"adress":"a@b.test"}"#), "adress");
        assert_eq!(field(r#"{"options":{"deph":1}}"#), "options.deph");
        assert_eq!(field(r#"{"options":{"depth":"DEEP"}}"#), "options.depth");
        assert_eq!(field(r#"{"options":{"maxAge":3}}"#), "options.maxAge");
        assert_eq!(field(r#"{"address":3}"#), "address");
        let append = |body| encoded(Method::POST, "/v1/batches/x:append", body).unwrap_err().field;
        assert_eq!(append(r#"{"rows":[{"address":"a"},{"addres":"b"}]}"#), "rows[1].addres");
    }

    #[test]
    fn half_of_a_character_is_told_with_the_row_that_holds_it() {
        let append = |body: &str| encoded(Method::POST, "/v1/batches/x:append", body);
        for half in ["\\ud83d", "\\ude00", "\\ud83d\\ud83d", "\\ud83dx"] {
            let body = format!(r#"{{"rows":[{{"address":"a"}},{{"address":"{half}"}}]}}"#);
            let bad = append(&body).unwrap_err();
            assert_eq!(bad.field, "rows[1].address", "{half}");
            assert!(bad.message.contains("half of a character"), "{half}: {}", bad.message);
        }
        assert!(append(r#"{"rows":[{"address":"\ud83d\ude00"}]}"#).is_ok());
    }

    #[test]
    fn a_value_that_an_enum_has_not_is_answered_with_those_it_has() {
        let refused = |method, url, body| encoded(method, url, body).unwrap_err().message;
        let depths = "give DEPTH_SYNTAX, DEPTH_DOMAIN or DEPTH_MAILBOX";
        let body = r#"{"address":"a@b.test","options":{"depth":"domain"}}"#;
        let message = refused(Method::POST, "/v1/addresses:verify", body);
        assert!(message.contains("'domain'") && message.ends_with(depths), "{message}");
        let body = r#"{"outcomes":[{},{"kind":"BOUNCED"}]}"#;
        let message = refused(Method::POST, "/v1/outcomes:report", body);
        assert!(message.contains("OUTCOME_KIND_BOUNCED"), "{message}");
        let message = refused(Method::GET, "/v1/batches/x/results?verdicts=RISKY", "");
        assert!(message.contains("VERDICT_RISKY"), "{message}");
    }

    #[test]
    fn a_value_of_another_kind_is_answered_with_what_the_field_takes() {
        let refused = |method, url, body| encoded(method, url, body).unwrap_err().sentence();
        let verify = |body| refused(Method::POST, "/v1/addresses:verify", body);
        for (body, field, remedy) in [
            (r#"{"options":{"maxAge":"1 day"}}"#, "options.maxAge", "seconds, such as \"1.5s\""),
            (r#"{"options":{"includeTranscript":"yes"}}"#, "options.", "true or false"),
            (r#"{"address":7}"#, "address", "a string"),
            (r#"{"options":[]}"#, "options", "an object"),
            ("[]", "", "send one JSON object"),
        ] {
            let sentence = verify(body);
            assert!(sentence.starts_with(field) && sentence.ends_with(remedy), "{sentence}");
        }
        let size = refused(Method::GET, "/v1/batches?pageSize=many", "");
        assert!(
            size.starts_with("pageSize: ") && size.ends_with("; give a whole number"),
            "{size}"
        );
        let rows = refused(Method::POST, "/v1/batches/x:append", r#"{"rows":{}}"#);
        assert!(rows.starts_with("rows: ") && rows.ends_with("; give a list"), "{rows}");
    }

    #[test]
    fn a_body_that_is_not_one_json_object_is_refused() {
        for body in ["{", "[]", "nothing", "{} {}", "null", "3", "\"x\"", "{\"address\":\"\u{1}\"}"]
        {
            let error = verified(body).unwrap_err();
            assert!(!error.sentence().is_empty(), "{body}");
        }
        assert!(verified("{").unwrap_err().message.contains("not JSON"));
    }

    #[test]
    fn a_field_that_is_given_twice_is_refused_and_neither_is_taken_for_it() {
        let refused = verified(r#"{"address":"a@b.test","address":"c@b.test"}"#).unwrap_err();
        assert_eq!(refused.sentence(), "address: is given more than once; give it once");
        let rows = r#"{"rows":[{"address":"a"}],"rows":[{"address":"b"}]}"#;
        let refused = encoded(Method::POST, "/v1/batches/x:append", rows).unwrap_err();
        assert_eq!(refused.field, "rows");
        let line = r#"{"outcomes":[],"outcomes":[]}"#;
        let matched = RouteTable::new(descriptors()).find(&Method::POST, "/v1/outcomes:report");
        let refused = encode_lines(&matched.unwrap(), "", line.as_bytes()).unwrap_err();
        assert!(refused.message.ends_with("give it once (line 1)"), "{refused:?}");
    }

    #[test]
    fn rows_of_a_page_are_bounded_before_a_message_is_made_of_them() {
        let page = |rows: usize, end: &str| {
            let rows = vec![r#"{"rowId":"a"}"#; rows].join(",");
            let body = format!(r#"{{"rows":[{rows}{end}"#);
            encoded(Method::POST, "/v1/batches/x:append", &body)
        };
        assert!(page(LARGEST_PAGE_ROWS, "]}").is_ok());
        // What is not JSON would show only after all its rows.
        for end in ["]}", "] nothing"] {
            let refused = page(LARGEST_PAGE_ROWS + 1, end).unwrap_err();
            let sentence = "rows: holds 10001 rows; send at most 10000 a page";
            assert_eq!((refused.sentence().as_str(), refused.field.as_str()), (sentence, "rows"));
        }
    }

    #[test]
    fn lines_are_bounded_before_messages_are_made_of_them() {
        let lines = |many: usize| {
            let table = RouteTable::new(descriptors());
            let matched = table.find(&Method::POST, "/v1/outcomes:report").unwrap();
            encode_lines(&matched, "", "{}\n\n".repeat(many).as_bytes())
        };
        assert_eq!(lines(LARGEST_PAGE_ROWS).unwrap().len(), LARGEST_PAGE_ROWS);
        let refused = lines(LARGEST_PAGE_ROWS + 1).unwrap_err();
        assert!(refused.message.contains("has 10001 lines; send at most 10000"), "{refused:?}");
    }

    #[test]
    fn a_fault_in_a_line_names_that_line_and_no_other() {
        let table = RouteTable::new(descriptors());
        let matched = table.find(&Method::POST, "/v1/outcomes:report").unwrap();
        for line in [r#"{"outcomes":[{"kind":"GONE"}]}"#, r#"{"outcomes":"#] {
            let body = format!("{{}}\n\n{line}\n");
            let refused = encode_lines(&matched, "", body.as_bytes()).unwrap_err();
            let message = refused.message;
            assert!(message.contains(" at column ") && message.ends_with(" (line 3)"), "{message}");
            assert!(!message.contains("line 1"), "{message}");
        }
    }

    #[test]
    fn the_path_and_the_query_give_fields() {
        let body = r#"{"rows":"3"}"#;
        let sealed = encoded(Method::POST, "/v1/batches/x:seal", body).unwrap();
        assert_eq!(sealed, r#"{"batchId":"x","rows":"3"}"#);
        let listed = encoded(Method::GET, "/v1/batches?pageSize=3", "").unwrap();
        assert_eq!(listed, r#"{"pageSize":3}"#);
        let wrong = |method, url, body| encoded(method, url, body).unwrap_err().field;
        assert_eq!(wrong(Method::POST, "/v1/batches/x:seal", r#"{"batchId":"y"}"#), "batchId");
        assert_eq!(wrong(Method::GET, "/v1/batches?pageSize=x", ""), "pageSize");
        assert_eq!(wrong(Method::GET, "/v1/batches", "{}"), "");
        assert_eq!(wrong(Method::POST, "/v1/addresses:verify?address=a", "{}"), "");
    }
}
