//! Schemas of messages and enums, by the proto3 JSON mapping.

use std::collections::BTreeMap;

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    Value as Wire,
};
use serde_json::{Map, Value, json};

use super::comments;

/// `google.api.FieldBehavior`, as far as it is used.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;

/// The schemas in use, by name.
#[derive(Debug, Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// A reference to the schema of a message, which is made if it is not there yet.
    pub(super) fn reference(&mut self, message: &MessageDescriptor) -> Value {
        self.reference_without(message, &[])
    }

    /// The same, without these fields: those that come in the path.
    pub(super) fn reference_without(
        &mut self,
        message: &MessageDescriptor,
        left_out: &[&str],
    ) -> Value {
        let name = message.name();
        if !self.0.contains_key(name) {
            // A message may hold itself.
            self.0.insert(name.to_owned(), Value::Null);
            let schema = self.message(message, left_out);
            self.0.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Makes the schema of a request: fields that it does not know are refused.
    pub(super) fn close(&mut self, message: &MessageDescriptor) {
        if let Some(Value::Object(schema)) = self.0.get_mut(message.name()) {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }

    pub(super) fn into_json(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }

    fn message(&mut self, message: &MessageDescriptor, left_out: &[&str]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(|field| !left_out.contains(&field.name())) {
            properties.insert(field.json_name().to_owned(), self.field(&field));
            if behavior(&field).contains(&REQUIRED) {
                required.push(field.json_name().to_owned());
            }
        }
        let mut schema = json!({
            "type": "object",
            "description": comments::of(&message.parent_file(), message.path()),
            "properties": properties,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// The schema of a field, with its comment.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let one = self.kind(&field.kind());
        let mut schema =
            if field.is_list() { json!({ "type": "array", "items": one }) } else { one };
        let comment = comments::of(&field.parent_message().parent_file(), field.path());
        if !comment.is_empty() {
            schema["description"] = Value::String(comment);
        }
        if behavior(field).contains(&OUTPUT_ONLY) {
            schema["readOnly"] = Value::Bool(true);
        }
        schema
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({ "type": "number", "format": "double" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX })
            }
            // Numbers of 64 bits are strings: JavaScript's own hold 53.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => {
                json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]{1,18}$" })
            }
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Enum(of) => self.enumeration(of),
            Kind::Message(of) => match of.full_name() {
                "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
                "google.protobuf.Duration" => {
                    json!({ "type": "string", "pattern": "^-?[0-9]{1,12}([.][0-9]{1,9})?s$" })
                }
                "google.protobuf.Any" => json!({
                    "type": "object",
                    "properties": { "@type": { "type": "string" } },
                    "required": ["@type"],
                    "additionalProperties": true,
                }),
                _ => self.reference(of),
            },
        }
    }

    fn enumeration(&mut self, of: &EnumDescriptor) -> Value {
        let name = of.name();
        if !self.0.contains_key(name) {
            let file = of.parent_file();
            let mut description = comments::of(&file, of.path());
            let mut names = Vec::new();
            for value in of.values() {
                let comment = comments::of(&file, value.path()).replace('\n', " ");
                description += &format!("\n- `{}`: {comment}", value.name());
                names.push(value.name().to_owned());
            }
            let schema = json!({ "type": "string", "description": description, "enum": names });
            self.0.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

/// The field's `google.api.field_behavior`.
fn behavior(field: &FieldDescriptor) -> Vec<i32> {
    let pool: &DescriptorPool = field.parent_pool();
    let Some(extension) = pool.get_extension_by_name("google.api.field_behavior") else {
        return Vec::new();
    };
    let options: DynamicMessage = field.options();
    let value = options.get_extension(&extension);
    let list = value.as_list().unwrap_or_default();
    list.iter().filter_map(Wire::as_enum_number).collect()
}
