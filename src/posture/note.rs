//! Remarks on a posture: mail of strict senders that does not arrive. Pure.

use std::fmt;

use crate::address::DomainName;

/// The standard by which a receiver asks for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsDemand {
    /// A policy in the mode `enforce` (RFC 8461).
    MtaSts,
    /// TLSA records in a signed zone (RFC 7672).
    Dane,
}

impl TlsDemand {
    /// The clause of what asks for TLS.
    fn words(self) -> &'static str {
        match self {
            Self::MtaSts => "the domain's MTA-STS policy asks for",
            Self::Dane => "its TLSA records (DANE) ask for",
        }
    }

    fn senders(self) -> &'static str {
        match self {
            Self::MtaSts => "senders that honour MTA-STS",
            Self::Dane => "senders that honour DANE",
        }
    }
}

/// A remark on a posture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostureNote {
    /// The domain's MTA-STS policy is enforced and names none of its exchangers.
    NoExchangerNamed,
    /// The policy is enforced and does not name this exchanger.
    ExchangerNotNamed(DomainName),
    /// An exchanger that is to have TLS does not offer it.
    TlsNotOffered {
        /// The exchanger.
        host: DomainName,
        /// The standard that asks for it.
        demand: TlsDemand,
    },
    /// An exchanger that is to have TLS offers it, and it does not begin.
    TlsFails {
        /// The exchanger.
        host: DomainName,
        /// The standard that asks for it.
        demand: TlsDemand,
        /// The cause in words.
        cause: String,
    },
    /// The policy is enforced and the certificate of an exchanger that it names is not good.
    CertificateFault {
        /// The exchanger.
        host: DomainName,
        /// The cause in words.
        cause: String,
    },
    /// The certificate of an exchanger is none that its TLSA records mean.
    TlsaMismatch(DomainName),
    /// DNS did not tell whether an exchanger has TLSA records (RFC 7672 section 2.1.3).
    TlsaNotTold {
        /// The exchanger.
        host: DomainName,
        /// The cause in words.
        cause: String,
    },
}

impl PostureNote {
    /// The exchanger it is about, if it is about one.
    #[must_use]
    pub fn host(&self) -> Option<&DomainName> {
        match self {
            Self::NoExchangerNamed => None,
            Self::ExchangerNotNamed(host)
            | Self::TlsaMismatch(host)
            | Self::TlsNotOffered { host, .. }
            | Self::TlsFails { host, .. }
            | Self::CertificateFault { host, .. }
            | Self::TlsaNotTold { host, .. } => Some(host),
        }
    }

    /// Its kind, in lower snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoExchangerNamed => "no_exchanger_named",
            Self::ExchangerNotNamed(_) => "exchanger_not_named",
            Self::TlsNotOffered { .. } => "tls_not_offered",
            Self::TlsFails { .. } => "tls_fails",
            Self::CertificateFault { .. } => "certificate_fault",
            Self::TlsaMismatch(_) => "tlsa_mismatch",
            Self::TlsaNotTold { .. } => "tlsa_not_told",
        }
    }
}

impl fmt::Display for PostureNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoExchangerNamed => f.write_str(
                "the domain's MTA-STS policy is enforced and names none of its exchangers: \
                 senders that honour MTA-STS deliver nothing",
            ),
            Self::ExchangerNotNamed(host) => write!(
                f,
                "the domain's MTA-STS policy is enforced and does not name {host}: senders that \
                 honour MTA-STS do not deliver there"
            ),
            Self::TlsNotOffered { host, demand } => write!(
                f,
                "{host} does not offer STARTTLS, which {}: {} do not deliver there",
                demand.words(),
                demand.senders()
            ),
            Self::TlsFails { host, demand, cause } => write!(
                f,
                "TLS, which {}, does not begin at {host} ({cause}): {} do not deliver \
                 there",
                demand.words(),
                demand.senders()
            ),
            Self::CertificateFault { host, cause } => write!(
                f,
                "the domain's MTA-STS policy is enforced and the certificate of {host} is not good \
                 ({cause}): senders that honour MTA-STS do not deliver there"
            ),
            Self::TlsaMismatch(host) => write!(
                f,
                "the certificate of {host} is none that its TLSA records mean: senders that honour \
                 DANE do not deliver there"
            ),
            Self::TlsaNotTold { host, cause } => write!(
                f,
                "DNS did not tell whether {host} has TLSA records ({cause}): where its zone is \
                 signed, senders that honour DANE put mail off until it does"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_policy_asks_for_tls_and_several_records_ask_for_it() {
        let told = |demand| {
            let host = DomainName::parse("mx.acme.test").unwrap();
            PostureNote::TlsNotOffered { host, demand }.to_string()
        };
        assert!(told(TlsDemand::MtaSts).contains("MTA-STS policy asks for: senders"));
        assert!(told(TlsDemand::Dane).contains("TLSA records (DANE) ask for: senders"));
    }
}
