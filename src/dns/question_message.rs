//! Questions as name servers get them (RFC 1035 section 4.1, RFC 6891 section 6.1.2).
//!
//! Hickory's encoder compresses names and grows with its message. One name has nothing to be
//! compressed with, and its length is known, so that a question is written here, in one piece.

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::{DEFAULT_MAX_PAYLOAD_LEN, Message, Query};
use hickory_resolver::proto::rr::{DNSClass, Name, RecordType};

/// The form of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With EDNS (RFC 6891).
    Edns,
    Plain,
    /// With EDNS, and with the AD bit: the wish to hear whether the answer is authentic (RFC 6840
    /// section 5.7).
    Vouching,
}

/// The octets of a message before its question: an identifier, two octets of flags, four counts.
const HEADER: usize = 12;
/// The octets of a type and a class.
const TYPE_AND_CLASS: usize = 4;
/// The octets of an OPT record without options (RFC 6891 section 6.1.2).
const OPT: usize = 11;
/// The longest label (RFC 1035 section 2.3.4). Longer ones would read as something else.
const LONGEST_LABEL: usize = 63;
/// Flags in the third and the fourth octet: RD, and AD.
const RECURSION_DESIRED: u8 = 0x01;
const AUTHENTIC_DATA: u8 = 0x20;

/// One question, and the message that carries it.
pub(super) struct QuestionMessage {
    id: u16,
    query: Query,
    octets: Vec<u8>,
}

impl QuestionMessage {
    /// Writes the question for the records of `name`, with an identifier drawn at random (RFC 5452
    /// section 9.2).
    pub(super) fn new(name: &Name, record_type: RecordType, form: Form) -> Result<Self, NetError> {
        let is_edns = form != Form::Plain;
        // A name is as long on the wire as its text with a dot after each label, and a zero.
        let mut octets = Vec::with_capacity(HEADER + name.len() + 1 + TYPE_AND_CLASS + OPT);
        let id = Message::query().id;
        octets.extend_from_slice(&id.to_be_bytes());
        let wish = if form == Form::Vouching { AUTHENTIC_DATA } else { 0 };
        octets.extend_from_slice(&[RECURSION_DESIRED, wish]);
        // One question; of the records, the OPT record at most, among the additional ones.
        octets.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, is_edns.into()]);
        for label in name {
            let length = u8::try_from(label.len()).ok().filter(|_| label.len() <= LONGEST_LABEL);
            octets.push(length.ok_or(NetError::Message("a label is too long"))?);
            octets.extend_from_slice(label);
        }
        octets.push(0);
        octets.extend_from_slice(&u16::from(record_type).to_be_bytes());
        octets.extend_from_slice(&u16::from(DNSClass::IN).to_be_bytes());
        if is_edns {
            // The root, then where a class and a TTL would be the longest payload that is taken,
            // and version 0 without flags; no options.
            octets.push(0);
            octets.extend_from_slice(&u16::from(RecordType::OPT).to_be_bytes());
            octets.extend_from_slice(&DEFAULT_MAX_PAYLOAD_LEN.to_be_bytes());
            octets.extend_from_slice(&[0; 6]);
        }
        Ok(Self { id, query: Query::query(name.clone(), record_type), octets })
    }

    /// The identifier.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    /// Gives it another identifier.
    pub(super) fn set_id(&mut self, id: u16) {
        self.id = id;
        if let Some(first) = self.octets.first_chunk_mut() {
            *first = id.to_be_bytes();
        }
    }

    /// The question itself.
    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// The whole message.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions};

    use super::*;

    /// What hickory's encoder makes of the same question.
    fn encoded(name: &Name, record_type: RecordType, form: Form, id: u16) -> Vec<u8> {
        let mut options = DnsRequestOptions::default();
        options.use_edns = form != Form::Plain;
        let mut request = DnsRequest::from_query(Query::query(name.clone(), record_type), options);
        request.metadata.authentic_data = form == Form::Vouching;
        request.metadata.id = id;
        request.to_vec().unwrap()
    }

    #[test]
    fn a_question_is_octet_for_octet_what_the_encoder_of_the_library_writes() {
        let longest_label = "x".repeat(LONGEST_LABEL);
        let longest = format!("{0}.{0}.{0}.{1}.", longest_label, "y".repeat(61));
        let names = [
            ".",
            "test.",
            "a.a.a.test.",
            "Mixed.Case.Example.",
            "_25._tcp.mx.a.test.",
            "a-name-longer-than-the-room-that-names-have-in-place.example.",
            "1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.1.2.ip6.arpa.",
            &longest,
        ];
        let types = [
            RecordType::MX,
            RecordType::A,
            RecordType::AAAA,
            RecordType::NS,
            RecordType::CNAME,
            RecordType::PTR,
            RecordType::TXT,
            RecordType::TLSA,
        ];
        let mut names = names.map(|name| Name::from_ascii(name).unwrap()).to_vec();
        names.push(Name::from_labels([&b"a.b \x00\xff\\"[..], b"test"]).unwrap());
        for name in names {
            for record_type in types {
                for form in [Form::Edns, Form::Plain, Form::Vouching] {
                    let mut question = QuestionMessage::new(&name, record_type, form).unwrap();
                    let theirs = encoded(&name, record_type, form, question.id());
                    assert_eq!(question.octets(), theirs, "{name} {record_type} {form:?}");
                    question.set_id(0x1234);
                    let theirs = encoded(&name, record_type, form, 0x1234);
                    assert_eq!(question.octets(), theirs, "{name} {record_type} {form:?}");
                    assert_eq!(*question.query(), Query::query(name.clone(), record_type));
                }
            }
        }
    }

    #[test]
    fn a_question_is_written_without_growing() {
        let name = Name::from_ascii("a.test.").unwrap();
        for (name, form) in [(&Name::root(), Form::Plain), (&name, Form::Edns)] {
            let question = QuestionMessage::new(name, RecordType::MX, form).unwrap();
            let most = HEADER + name.len() + 1 + TYPE_AND_CLASS + OPT;
            assert!(question.octets.len() <= most, "{name}");
        }
    }

    #[test]
    fn identifiers_are_drawn_at_random() {
        let id = |_| QuestionMessage::new(&Name::root(), RecordType::NS, Form::Edns).unwrap().id();
        let ids: HashSet<u16> = (0..1_000).map(id).collect();
        // As many as 8 of a thousand are drawn twice; a hundred are not.
        assert!(ids.len() > 900, "{}", ids.len());
        let halves = ids.iter().filter(|id| **id < 0x8000).count();
        assert!((ids.len() / 4..ids.len() * 3 / 4).contains(&halves), "{halves}");
    }
}
