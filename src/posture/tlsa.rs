//! TLSA records and the certificates that they mean (RFC 6698, RFC 7672). Pure.

use sha2::{Digest as _, Sha256, Sha512};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::address::DomainName;
use crate::dns::answer::TlsaRecord;

/// The usage that means an authority of the exchanger's own (DANE-TA).
pub(super) const DANE_TA: u8 = 2;

/// The usage that means the exchanger's certificate or key itself (DANE-EE).
pub(super) const DANE_EE: u8 = 3;

/// The name of the records about mail to `exchanger` (RFC 7672 section 2.2.3).
pub(super) fn record_name(exchanger: &DomainName) -> DomainName {
    DomainName::from_ascii(&format!("_25._tcp.{exchanger}"))
}

/// Returns whether senders use the record for mail (RFC 7672 section 3.1.3 leaves out the usages
/// that rely on public authorities), and understand it.
pub(super) fn is_usable(record: &TlsaRecord) -> bool {
    let length = record.data.len();
    let has_length = match record.matching {
        0 => length > 0,
        1 => length == 32,
        2 => length == 64,
        _ => false,
    };
    matches!(record.usage, DANE_TA | DANE_EE) && record.selector <= 1 && has_length
}

/// Returns whether the record means this certificate, in DER.
pub(super) fn is_match(record: &TlsaRecord, certificate: &[u8]) -> bool {
    let key;
    let part = match record.selector {
        0 => certificate,
        1 => match X509Certificate::from_der(certificate) {
            Ok((_, parsed)) => {
                key = parsed.tbs_certificate.subject_pki.raw.to_vec();
                &key
            }
            Err(_) => return false,
        },
        _ => return false,
    };
    match record.matching {
        0 => part == record.data,
        1 => Sha256::digest(part)[..] == record.data,
        2 => Sha512::digest(part)[..] == record.data,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["mx.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.der().to_vec(), rcgen::PublicKeyData::subject_public_key_info(&key))
    }

    fn record(usage: u8, selector: u8, matching: u8, part: &[u8]) -> TlsaRecord {
        let data = match matching {
            1 => Sha256::digest(part).to_vec(),
            2 => Sha512::digest(part).to_vec(),
            _ => part.to_vec(),
        };
        TlsaRecord { usage, selector, matching, data }
    }

    #[test]
    fn every_selector_and_form_finds_its_certificate_and_no_other() {
        let ((own, own_key), (other, _)) = (certificate(), certificate());
        for usage in [DANE_TA, DANE_EE] {
            for matching in 0..=2 {
                for (selector, part) in [(0, &own), (1, &own_key)] {
                    let record = record(usage, selector, matching, part);
                    let shape = (usage, selector, matching);
                    assert!(is_usable(&record), "{shape:?}");
                    assert!(is_match(&record, &own), "{shape:?}");
                    assert!(!is_match(&record, &other), "{shape:?}");
                }
            }
        }
        assert!(!is_match(&record(3, 1, 1, &own_key), b"no certificate"));
    }

    #[test]
    fn records_that_senders_of_mail_do_not_use_are_left_out() {
        let unusable = [
            record(0, 1, 1, b"x"),
            record(1, 1, 1, b"x"),
            record(3, 2, 1, b"x"),
            record(3, 1, 3, b"x"),
            record(3, 1, 0, b""),
            TlsaRecord { usage: 3, selector: 1, matching: 1, data: vec![0; 31] },
        ];
        for record in unusable {
            assert!(!is_usable(&record), "{record:?}");
        }
    }

    #[test]
    fn the_records_stand_below_the_port_of_the_exchanger() {
        let name = record_name(&DomainName::from_ascii("mx.example"));
        assert_eq!(name.as_str(), "_25._tcp.mx.example");
    }
}
