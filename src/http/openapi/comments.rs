//! Comments of the protos.

use prost_reflect::FileDescriptor;

/// The comment above the declaration at `path`; empty if it has none.
pub(super) fn of(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let locations = info.map(|info| info.location.as_slice()).unwrap_or_default();
    let location = locations.iter().find(|location| location.path == path);
    let comment = location.and_then(|location| location.leading_comments.as_deref());
    let lines: Vec<&str> = comment.unwrap_or_default().lines().map(str::trim).collect();
    lines.join("\n").trim().to_owned()
}

/// The first sentence of a comment, on one line and without its full stop.
pub(super) fn first_sentence(comment: &str) -> String {
    let line = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let sentence = line.split(". ").next().unwrap_or_default();
    sentence.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json::descriptors;

    #[test]
    fn a_declaration_has_the_comment_above_it() {
        let message = descriptors().get_message_by_name("mailvet.v1.BatchTally").unwrap();
        let of_message = of(&message.parent_file(), message.path());
        assert_eq!(of_message, "The counts of one domain, or of one mail provider.");
        let field = message.get_field_by_name("rows").unwrap();
        assert_eq!(of(&message.parent_file(), field.path()), "Number of its rows.");
        assert_eq!(of(&message.parent_file(), &[99]), "");
    }

    #[test]
    fn the_first_sentence_is_a_summary() {
        assert_eq!(first_sentence("Creates\nit. And more.\n\nMore."), "Creates it");
        assert_eq!(first_sentence(""), "");
    }
}
