//! Single questions, for callers that want records and not a route. Each may fail by itself, and a
//! negative answer is an answer here too.

use std::net::IpAddr;

use hickory_resolver::proto::rr::rdata::{NS, PTR};
use hickory_resolver::proto::rr::{RData, RecordType};

use super::answer::{Answer, AuthenticAnswer, MxRecord, TlsaRecord};
use super::facts::DnsFailure;
use super::resolver::{Resolver, read_address, read_mx};
use super::{reverse, upstream};
use crate::address::DomainName;

impl Resolver {
    /// The A records of `name`.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn ipv4(&self, name: &DomainName) -> Result<Answer<IpAddr>, DnsFailure> {
        self.ask(name, RecordType::A, read_address).await
    }

    /// The AAAA records of `name`.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn ipv6(&self, name: &DomainName) -> Result<Answer<IpAddr>, DnsFailure> {
        self.ask(name, RecordType::AAAA, read_address).await
    }

    /// The MX records of `name`, as they are.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn mx(&self, name: &DomainName) -> Result<Answer<MxRecord>, DnsFailure> {
        self.ask(name, RecordType::MX, read_mx).await
    }

    /// The TXT records of `name`: the strings of each joined without anything between them
    /// (RFC 7208 section 3.3), octets outside UTF-8 replaced.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn texts(&self, name: &DomainName) -> Result<Answer<String>, DnsFailure> {
        self.ask(name, RecordType::TXT, read_text).await
    }

    /// The name servers of `name`, as the zone names them: the NS records.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn name_servers(&self, name: &DomainName) -> Result<Answer<DomainName>, DnsFailure> {
        self.ask(name, RecordType::NS, read_name).await
    }

    /// The MX records of `name`, and whether they are authentic.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn authentic_mx(
        &self,
        name: &DomainName,
    ) -> Result<AuthenticAnswer<MxRecord>, DnsFailure> {
        self.ask_authentic(name, RecordType::MX, read_mx).await
    }

    /// The TLSA records of `name`, such as `_25._tcp.mx.example` (RFC 6698 section 3), and whether
    /// they are authentic.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn tlsa(&self, name: &DomainName) -> Result<AuthenticAnswer<TlsaRecord>, DnsFailure> {
        self.ask_authentic(name, RecordType::TLSA, read_tlsa).await
    }

    /// The names of `address`: the PTR records in the reverse tree.
    ///
    /// # Errors
    /// No name server could tell.
    pub async fn names(&self, address: IpAddr) -> Result<Answer<DomainName>, DnsFailure> {
        self.ask(&reverse::name(address), RecordType::PTR, read_name).await
    }
}

fn read_text(data: &RData) -> Option<String> {
    match data {
        RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
        _ => None,
    }
}

fn read_name(data: &RData) -> Option<DomainName> {
    match data {
        RData::PTR(PTR(name)) | RData::NS(NS(name)) => Some(upstream::from_wire(name)),
        _ => None,
    }
}

fn read_tlsa(data: &RData) -> Option<TlsaRecord> {
    match data {
        RData::TLSA(tlsa) => Some(TlsaRecord {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_server::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector, TLSA};
    use hickory_server::proto::rr::rdata::{PTR, TXT};
    use hickory_server::proto::rr::{Name, RData as Data, Record};

    use super::*;
    use crate::clock::Clock;
    use crate::dns::Config;
    use crate::dns::test_server::{
        AnswerTable, NODATA, NXDOMAIN, NameServer, SERVFAIL, Says, address,
    };

    fn record(owner: &str, data: Data) -> Says {
        Says::Records(vec![Record::from_rdata(Name::from_ascii(owner).unwrap(), 60, data)])
    }

    async fn resolver(table: AnswerTable) -> (Resolver, NameServer) {
        let server = NameServer::start(table).await;
        let config = Config {
            nameservers: vec![server.address],
            timeout: Duration::from_secs(5),
            ..Config::default()
        };
        (Resolver::new(config, Clock::start()).unwrap(), server)
    }

    #[tokio::test]
    async fn the_strings_of_a_text_record_are_one_text() {
        let text = TXT::new(vec!["v=spf1 ip4:192.0.".into(), "2.1 -all".into()]);
        let table = AnswerTable::default().with(
            "a.test",
            RecordType::TXT,
            record("a.test.", Data::TXT(text)),
        );
        let (resolver, _server) = resolver(table).await;
        let texts = resolver.texts(&DomainName::from_ascii("a.test")).await.unwrap();
        assert_eq!(texts.records(), ["v=spf1 ip4:192.0.2.1 -all"]);
    }

    #[tokio::test]
    async fn an_address_leads_to_its_names_in_the_reverse_tree() {
        let (v4, v6) =
            ("25.2.0.192.in-addr.arpa", format!("5.2.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(22)));
        let ptr = |owner: &str| {
            let host = Name::from_ascii("host.a.test.").unwrap();
            record(&format!("{owner}."), Data::PTR(PTR(host)))
        };
        let table = AnswerTable::default()
            .with(v4, RecordType::PTR, ptr(v4))
            .with(&v6, RecordType::PTR, ptr(&v6))
            .otherwise(NXDOMAIN);
        let (resolver, _server) = resolver(table).await;
        for address in ["192.0.2.25", "2001:db8::25"] {
            let names = resolver.names(address.parse().unwrap()).await.unwrap();
            assert_eq!(names.records(), [DomainName::from_ascii("host.a.test")], "{address}");
        }
        assert!(!resolver.names([192, 0, 2, 26].into()).await.unwrap().exists());
    }

    #[tokio::test]
    async fn a_single_question_tells_no_from_nobody_knows() {
        let name = DomainName::from_ascii("a.test");
        let table = AnswerTable::default()
            .with("a.test", RecordType::A, Says::Records(vec![address("a.test", 60, "192.0.2.1")]))
            .with("a.test", RecordType::AAAA, NODATA)
            .with("a.test", RecordType::MX, SERVFAIL);
        let (resolver, _server) = resolver(table).await;
        assert_eq!(resolver.ipv4(&name).await.unwrap().records().len(), 1);
        assert!(resolver.ipv6(&name).await.unwrap().exists());
        assert!(resolver.ipv6(&name).await.unwrap().records().is_empty());
        let failed = resolver.mx(&name).await;
        assert_eq!(failed, Err(DnsFailure::ServerFailure("SERVFAIL".into())));
    }

    #[tokio::test]
    async fn a_name_server_that_checks_signatures_is_asked_whether_an_answer_is_authentic() {
        let name = DomainName::from_ascii("_25._tcp.mx.a.test");
        let tlsa = TLSA::new(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, vec![7; 32]);
        let says = record("_25._tcp.mx.a.test.", Data::TLSA(tlsa));
        let table = || {
            AnswerTable::default().with(name.as_str(), RecordType::TLSA, says.clone()).with(
                "a.test",
                RecordType::MX,
                Says::Records(crate::dns::test_server::mx("a.test", 60, &[(10, "mx.a.test")])),
            )
        };
        for is_signed in [true, false] {
            let table = if is_signed { table().vouching() } else { table() };
            let (resolver, _server) = resolver(table).await;
            let found = resolver.tlsa(&name).await.unwrap();
            assert_eq!(found.is_authentic, is_signed);
            let TlsaRecord { usage, selector, matching, data } = &found.answer.records()[0];
            assert_eq!((*usage, *selector, *matching, data.len()), (3, 1, 1, 32));
            let mx = resolver.authentic_mx(&DomainName::from_ascii("a.test")).await.unwrap();
            assert_eq!((mx.is_authentic, mx.answer.records().len()), (is_signed, 1));
        }
        // Nobody asked for it: a name server that sets the bit unasked would be an old one.
        let (resolver, server) = resolver(table().vouching()).await;
        assert!(resolver.mx(&DomainName::from_ascii("a.test")).await.is_ok());
        assert_eq!(server.asked_for_authenticity(), 0);
    }
}
