//! Certificates of exchangers, held against authorities and against TLSA records.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::tlsa::{self, DANE_EE, DANE_TA};
use crate::address::DomainName;
use crate::dns::answer::TlsaRecord;
use crate::pem_faults;

/// The longest fault of a certificate, in characters: it is remembered, and shown.
const LONGEST_FAULT: usize = 300;

/// The authorities whose certificates exchangers and hosts of policies may have.
pub(super) fn authorities(
    file: Option<&Path>,
    further: Option<&[u8]>,
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = file {
        let wrong = |error: &dyn std::fmt::Display| {
            format!("posture.ca: {} cannot be used: {error}", file.display())
        };
        let unread = |error: pem::Error| wrong(&pem_faults::describe(&error));
        for certificate in CertificateDer::pem_file_iter(file).map_err(unread)? {
            let certificate = certificate.map_err(unread)?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    if let Some(authority) = further {
        roots.add(authority.to_vec().into()).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

/// Checks the chains of certificates that exchangers show.
pub(super) struct CertificateChecker {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
}

impl CertificateChecker {
    pub(super) fn new(roots: RootCertStore) -> Self {
        Self { provider: Arc::new(ring::default_provider()), roots: Arc::new(roots) }
    }

    /// The fault of a chain for `host` at `now`, by the authorities; `None` if it has none.
    pub(super) fn find_fault(
        &self,
        chain: &[CertificateDer<'_>],
        host: &DomainName,
        now: SystemTime,
    ) -> Option<String> {
        self.verify(chain, host, Arc::clone(&self.roots), now).err()
    }

    /// Returns whether one of the TLSA records means the chain (RFC 7672 section 3.1). A record of
    /// the exchanger's own certificate is enough by itself; one of an authority asks for a chain
    /// to it, for the exchanger's name or that of the mail's domain.
    pub(super) fn matches_tlsa(
        &self,
        records: &[TlsaRecord],
        chain: &[CertificateDer<'_>],
        names: [&DomainName; 2],
        now: SystemTime,
    ) -> bool {
        let usable = records.iter().filter(|record| tlsa::is_usable(record));
        usable.into_iter().any(|record| match record.usage {
            DANE_EE => chain.first().is_some_and(|own| tlsa::is_match(record, own)),
            DANE_TA => self.anchors(record, chain).any(|anchor| {
                names.iter().any(|name| self.verify_below(&anchor, chain, name, now))
            }),
            _ => false,
        })
    }

    /// The certificates that a record of an authority means: those shown, and one that stands in
    /// the record whole.
    fn anchors<'a>(
        &self,
        record: &'a TlsaRecord,
        chain: &'a [CertificateDer<'_>],
    ) -> impl Iterator<Item = CertificateDer<'a>> {
        let is_whole = record.selector == 0 && record.matching == 0;
        let whole = is_whole.then(|| CertificateDer::from(record.data.as_slice()));
        let shown = chain.iter().filter(|shown| tlsa::is_match(record, shown));
        shown.map(|shown| CertificateDer::from(shown.as_ref())).chain(whole)
    }

    fn verify_below(
        &self,
        anchor: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &DomainName,
        now: SystemTime,
    ) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone().into_owned()).is_ok()
            && self.verify(chain, name, Arc::new(roots), now).is_ok()
    }

    fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        host: &DomainName,
        roots: Arc<RootCertStore>,
        now: SystemTime,
    ) -> Result<(), String> {
        let (own, others) = chain.split_first().ok_or("no certificate was shown")?;
        let name = ServerName::try_from(host.as_str()).map_err(|error| error.to_string())?;
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| error.to_string())?;
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let at = UnixTime::since_unix_epoch(since_1970);
        let verified = verifier.verify_server_cert(own, others, &name, &[], at);
        verified.map(drop).map_err(|error| words(&error))
    }
}

/// The fault of a certificate, cut off: one for other names has all of them in its words, and may
/// have thousands.
fn words(error: &rustls::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(LONGEST_FAULT) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use sha2::{Digest as _, Sha256};

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn signed(authority: &Authority, name: &str) -> CertificateDer<'static> {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap().der().clone()
    }

    fn checker(trusted: &[&Authority]) -> CertificateChecker {
        let mut roots = RootCertStore::empty();
        for authority in trusted {
            roots.add(authority.der().clone()).unwrap();
        }
        CertificateChecker::new(roots)
    }

    fn host(name: &str) -> DomainName {
        DomainName::from_ascii(name)
    }

    fn now() -> SystemTime {
        crate::clock::Clock::start().now()
    }

    fn sha256(usage: u8, certificate: &[u8]) -> TlsaRecord {
        let data = Sha256::digest(certificate).to_vec();
        TlsaRecord { usage, selector: 0, matching: 1, data }
    }

    #[test]
    fn a_chain_is_good_for_its_own_name_under_an_authority_that_is_trusted() {
        let (ours, other) = (authority(), authority());
        let chain = [signed(&ours, "mx.example")];
        assert_eq!(checker(&[&ours]).find_fault(&chain, &host("mx.example"), now()), None);
        for (checker, name) in
            [(checker(&[&ours]), "mx2.example"), (checker(&[&other]), "mx.example")]
        {
            assert!(checker.find_fault(&chain, &host(name), now()).is_some(), "{name}");
        }
        let late = now() + Duration::from_secs(4000 * 365 * 86_400);
        assert!(checker(&[&ours]).find_fault(&chain, &host("mx.example"), late).is_some());
        assert!(checker(&[&ours]).find_fault(&[], &host("mx.example"), now()).is_some());
    }

    #[test]
    fn the_names_of_a_certificate_for_many_others_are_told_within_bounds() {
        let ours = authority();
        let names: Vec<String> = (0..200).map(|n| format!("host-{n}.shared.example")).collect();
        let params = CertificateParams::new(names).unwrap();
        let signed = params.signed_by(&KeyPair::generate().unwrap(), &ours).unwrap();
        let chain = [signed.der().clone()];
        let fault = checker(&[&ours]).find_fault(&chain, &host("mx.example"), now()).unwrap();
        assert!(fault.contains("mx.example") && fault.contains("shared.example"), "{fault}");
        assert!(fault.ends_with(" ...") && fault.len() == LONGEST_FAULT + 4, "{fault}");
    }

    #[test]
    fn a_record_of_the_certificate_itself_needs_no_name_and_no_authority() {
        let authority = authority();
        let chain = [signed(&authority, "elsewhere.example")];
        let names = [&host("mx.example"), &host("example")];
        let checker = checker(&[]);
        let matches = |records: &[TlsaRecord]| checker.matches_tlsa(records, &chain, names, now());
        assert!(matches(&[sha256(DANE_EE, b"another"), sha256(DANE_EE, &chain[0])]));
        assert!(!matches(&[sha256(DANE_EE, b"another")]));
        assert!(!matches(&[sha256(1, &chain[0])]), "a usage that mail does not have");
        assert!(!checker.matches_tlsa(&[sha256(DANE_EE, b"x")], &[], names, now()));
    }

    #[test]
    fn a_record_of_an_authority_needs_a_chain_to_it_and_the_name() {
        let (ours, other) = (authority(), authority());
        let own = signed(&ours, "mx.example");
        let alone = [own.clone()];
        let chain = [own.clone(), ours.der().clone()];
        let names = ["mx.example", "example"];
        let checker = checker(&[]);
        let matches = |record: TlsaRecord, chain: &[CertificateDer<'_>], names: [&str; 2]| {
            let [host, domain] = names.map(host);
            checker.matches_tlsa(&[record], chain, [&host, &domain], now())
        };
        let of_ours = || sha256(DANE_TA, ours.der());
        assert!(matches(of_ours(), &chain, names));
        assert!(!matches(of_ours(), &chain, ["mx2.example", "b.example"]));
        assert!(matches(of_ours(), &chain, ["mx2.example", "mx.example"]));
        assert!(!matches(sha256(DANE_TA, other.der()), &chain, names));
        assert!(!matches(of_ours(), &alone, names), "the authority is not shown");
        let whole = |data: &[u8]| TlsaRecord {
            usage: DANE_TA,
            selector: 0,
            matching: 0,
            data: data.to_vec(),
        };
        assert!(matches(whole(ours.der()), &alone, names), "it stands in the record");
        // Shown and meant, and it has signed nothing of this.
        let stranger = [own, other.der().clone()];
        assert!(!matches(sha256(DANE_TA, other.der()), &stranger, names));
    }
}
