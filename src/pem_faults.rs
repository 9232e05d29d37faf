//! The faults of PEM files (RFC 7468), in words that quote nothing of the text: a line of such a
//! file may hold a private key, and all of it where the line breaks were lost on the way.

use tokio_rustls::rustls::pki_types::pem::Error;

/// The fault and the remedy. The reader's own words quote the line at which it stopped.
#[must_use]
pub fn describe(error: &Error) -> String {
    let words = match error {
        Error::Io(error) => return error.to_string(),
        Error::MissingSectionEnd { .. } => {
            "a section has no END line of its own: the file breaks off, or has lost its line breaks"
        }
        Error::IllegalSectionStart { .. } => {
            "a BEGIN line is damaged, or more stands on it: give back the file its line breaks"
        }
        Error::Base64Decode(_) => "what a section holds is not base64",
        Error::NoItemsFound => {
            "it holds no private key in PEM; one that is encrypted has to be decrypted first"
        }
        Error::SectionTooLarge => "a section is too large",
        _ => "it is not PEM",
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn a_key_that_cannot_be_read_is_quoted_in_no_form() {
        let key =
            "-----BEGIN PRIVATE KEY-----\nMIGHsecret\nAgEAsecret\n-----END PRIVATE KEY-----\n";
        let secret = format!("{:?}", "secret".as_bytes());
        let secret = secret.trim_matches(['[', ']']);
        for broken in [
            key.replace('\n', ""),
            key.replace('\n', "\\n"),
            key.replace('\n', " "),
            key.replace("KEY-----\nMI", "KEY\nMI"),
            key.replace("KEY-----\nMI", "KEYMI"),
            key.replace("-----END PRIVATE KEY-----\n", ""),
            key.replace("MIGH", "MIG!"),
            key.replace("PRIVATE", "ENCRYPTED PRIVATE"),
            "nothing".to_owned(),
        ] {
            let error = PrivateKeyDer::from_pem_slice(broken.as_bytes()).unwrap_err();
            let words = describe(&error);
            assert!(!words.contains("secret") && !words.contains(secret), "{broken}: {words}");
            assert!(!words.is_empty() && !words.contains('['), "{broken}: {words}");
        }
    }

    #[test]
    fn an_encrypted_key_is_told_with_the_remedy() {
        let key =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGH\n-----END ENCRYPTED PRIVATE KEY-----";
        let error = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap_err();
        assert!(describe(&error).contains("decrypted"), "{}", describe(&error));
    }
}
