//! DMARC records (RFC 7489 section 6.3): which of a name's texts are some.

/// Returns whether a TXT record is a DMARC record: its first tag is the version.
#[must_use]
pub fn is_dmarc(text: &str) -> bool {
    let version = text.split(';').next().unwrap_or_default();
    version
        .split_once('=')
        .is_some_and(|(tag, value)| tag.trim() == "v" && value.trim() == "DMARC1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_first_and_in_full() {
        for text in ["v=DMARC1; p=none", "v = DMARC1 ;p=none", "v=DMARC1"] {
            assert!(is_dmarc(text), "{text}");
        }
        for text in ["p=none; v=DMARC1", "v=DMARC10; p=none", "v=dmarc1", "DMARC1", ""] {
            assert!(!is_dmarc(text), "{text}");
        }
    }
}
