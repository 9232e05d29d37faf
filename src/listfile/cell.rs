//! Recognises cells that hold an address, to find their column.

use crate::address::Address;
use crate::address::clean::clean;

/// `true` if `cell` holds what its owner took for an address, valid or not, or several. A cell of
/// more than that is a line that is not divided yet: words count only beside brackets.
pub(super) fn looks_like_address(cell: &str) -> bool {
    if !cell.contains(['@', '\u{ff20}']) {
        return false;
    }
    let cleaned = clean(cell);
    if cleaned.had_words {
        return cell.trim_end_matches([' ', ',', ';', '"', '\'']).ends_with(['>', ')', ']']);
    }
    let text = &cleaned.address;
    let Some((local, domain)) = text.rsplit_once('@') else { return cleaned.likely.is_some() };
    let is_whole = Address::parse(text).is_ok()
        || !text.contains("://")
            && !text.contains(|c: char| c.is_whitespace() || "/,;|\"".contains(c));
    is_whole && !local.is_empty() && !domain.is_empty()
}

/// `true` if `cell` names an address among words and is none itself.
pub(super) fn mentions_address(cell: &str) -> bool {
    if !cell.contains('@') {
        return false;
    }
    let cleaned = clean(cell);
    match Address::parse(&cleaned.address) {
        Ok(_) => cleaned.had_words,
        Err(_) => cleaned.likely.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_address_still_looks_like_one_and_prose_does_not() {
        for cell in [
            "jane@@acme.test",
            "jane..d@acme.test",
            "Jane <jane@acme>",
            "Jane Doe (jane@acme.test)",
            "jane@acme.test (Jane)",
            "a@b.test, c@d.test",
        ] {
            assert!(looks_like_address(cell), "{cell}");
        }
        for cell in [
            "",
            "jane",
            "@jane",
            "jane@",
            "call jane @ noon",
            "https://x.test/@jane",
            "1,jane@acme.test",
            "jane@acme.test\tJane, Dr.",
            "jane doe@acme.test",
        ] {
            assert!(!looks_like_address(cell), "{cell}");
        }
    }
}
