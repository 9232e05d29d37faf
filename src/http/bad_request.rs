//! The error of a request that cannot be taken.

/// Most characters of a field's path and of a fault: both may repeat what the caller sent.
const LONGEST: usize = 1000;

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
        Self { field: cut(field.into()), message: cut(message.into()) }
    }

    /// The fault in one sentence.
    pub(super) fn sentence(&self) -> String {
        match self.field.as_str() {
            "" => self.message.clone(),
            field => format!("{field}: {}", self.message),
        }
    }
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_repeats_no_more_than_the_beginning_of_what_was_sent() {
        let long = "ä".repeat(1 << 20);
        let bad = BadRequest::new(long.clone(), long);
        assert_eq!((bad.field.chars().count(), bad.message.chars().count()), (LONGEST, LONGEST));
        let short = BadRequest::new("rows", "holds too many");
        assert_eq!(short.sentence(), "rows: holds too many");
    }
}
