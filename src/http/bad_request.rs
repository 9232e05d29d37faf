//! The error of a request that cannot be taken.

/// A request that cannot be taken, with the path of the field that is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadRequest {
    /// The field's path, such as `options.maxAge`; empty for the body as a whole.
    pub(super) field: String,
    /// The fault and the remedy.
    pub(super) message: String,
}

impl BadRequest {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// The fault in one sentence.
    pub(super) fn sentence(&self) -> String {
        match self.field.as_str() {
            "" => self.message.clone(),
            field => format!("{field}: {}", self.message),
        }
    }
}
