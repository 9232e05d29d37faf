//! Answers of registries about a domain (RFC 9083). Pure.
//!
//! Of the entities in an answer only the registrar's name is read.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::facts::RegistrationFacts;
use crate::address::DomainName;

/// Statuses kept of an answer.
const STATUSES: usize = 20;

/// Longest status or name of a registrar, in characters; the rest is cut off.
const LONGEST: usize = 80;

/// A domain object, as far as it is read.
#[derive(Deserialize)]
struct DomainObject {
    #[serde(rename = "objectClassName")]
    class: String,
    #[serde(rename = "ldhName")]
    ldh_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    events: Vec<EventObject>,
    #[serde(default, deserialize_with = "or_default")]
    status: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    entities: Vec<EntityObject>,
}

#[derive(Deserialize)]
struct EventObject {
    #[serde(rename = "eventAction", default, deserialize_with = "or_default")]
    action: String,
    #[serde(rename = "eventDate", default, deserialize_with = "or_default")]
    date: String,
}

#[derive(Deserialize)]
struct EntityObject {
    #[serde(default, deserialize_with = "or_default")]
    roles: Vec<String>,
    #[serde(rename = "vcardArray", default)]
    card: Value,
}

/// Reads a member that some services write as `null` where they have nothing to say, and others
/// leave out.
fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// The fault of an answer that is not one about the domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not the JSON of a domain.
    #[error("not an answer about a domain: {0}")]
    NotOne(String),
    /// It is about another domain.
    #[error("an answer about another domain")]
    OtherDomain,
}

/// Reads the answer about `domain`.
///
/// # Errors
/// [`AnswerError`].
pub fn read_answer(body: &[u8], domain: &DomainName) -> Result<RegistrationFacts, AnswerError> {
    let object: DomainObject =
        serde_json::from_slice(body).map_err(|error| AnswerError::NotOne(error.to_string()))?;
    if object.class != "domain" {
        return Err(AnswerError::NotOne("its objectClassName is not domain".to_owned()));
    }
    let named = object.ldh_name.as_deref().map(|name| name.trim_end_matches('.'));
    if named.is_some_and(|name| !name.eq_ignore_ascii_case(domain.as_str())) {
        return Err(AnswerError::OtherDomain);
    }
    let latest = |actions: &[&str]| {
        let events = object.events.iter();
        let these = events.filter(|event| actions.contains(&event.action.as_str()));
        these.filter_map(|event| time(&event.date)).max()
    };
    let statuses = object.status.iter().filter_map(|status| line(status));
    Ok(RegistrationFacts {
        registered_at: latest(&["registration", "reregistration"]),
        changed_at: latest(&["last changed"]),
        expires_at: latest(&["expiration"]),
        statuses: statuses.map(|status| status.to_lowercase().into()).take(STATUSES).collect(),
        registrar: object.entities.iter().find_map(registrar),
    })
}

/// The name of an entity that is the registrar, and nothing else.
fn registrar(entity: &EntityObject) -> Option<Box<str>> {
    if !matches!(entity.roles.as_slice(), [role] if role == "registrar") {
        return None;
    }
    // jCard (RFC 7095): ["vcard", [["fn", {}, "text", "Example Registrar"], ...]].
    let properties = entity.card.get(1)?.as_array()?;
    let name = |wanted: &str| {
        let property = properties.iter().find(|property| property[0] == wanted)?;
        line(property.get(3)?.as_str()?)
    };
    name("fn").or_else(|| name("org")).map(Into::into)
}

/// A text on one line, no longer than what is kept; `None` if nothing is left.
fn line(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// A time of RFC 3339; some registries leave out the zone, or the time of day.
fn time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let forms = [text.to_owned(), format!("{text}Z"), format!("{text}T00:00:00Z")];
    let at = forms.iter().find_map(|form| form.parse::<Timestamp>().ok())?;
    SystemTime::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::facts::date;

    fn domain() -> DomainName {
        DomainName::from_ascii("acme.example")
    }

    fn read(text: &str) -> Result<RegistrationFacts, AnswerError> {
        read_answer(text.as_bytes(), &domain())
    }

    #[test]
    fn an_answer_is_read_and_its_holder_is_not() {
        let facts = read(
            r#"{
              "objectClassName": "domain", "handle": "1_DOM", "ldhName": "ACME.EXAMPLE.",
              "status": ["Active", "client transfer prohibited"],
              "events": [
                {"eventAction": "registration", "eventDate": "2003-05-01T10:00:00Z"},
                {"eventAction": "reregistration", "eventDate": "2019-08-02T12:00:00+02:00"},
                {"eventAction": "last changed", "eventDate": "2025-01-02T03:04:05.678Z"},
                {"eventAction": "expiration", "eventDate": "2027-05-01"},
                {"eventAction": "last update of RDAP database", "eventDate": "2030-01-01T00:00:00Z"}
              ],
              "entities": [
                {"roles": ["registrant"], "vcardArray": ["vcard", [["fn", {}, "text", "Jane Doe"]]]},
                {"roles": ["registrar", "registrant"],
                 "vcardArray": ["vcard", [["fn", {}, "text", "Jane Doe"]]]},
                {"roles": ["registrar"],
                 "vcardArray": ["vcard", [["version", {}, "text", "4.0"],
                                          ["fn", {}, "text", "Example\r\nRegistrar"]]],
                 "entities": [{"roles": ["abuse"]}]}
              ]
            }"#,
        )
        .unwrap();
        let day = |at: Option<SystemTime>| at.map(date).unwrap_or_default();
        assert_eq!(day(facts.registered_at), "2019-08-02");
        assert_eq!(day(facts.changed_at), "2025-01-02");
        assert_eq!(day(facts.expires_at), "2027-05-01");
        assert!(facts.has_status("active") && facts.has_status("client transfer prohibited"));
        assert_eq!(facts.registrar.as_deref(), Some("ExampleRegistrar"));
        assert!(!format!("{facts:?}").contains("Jane"));
    }

    #[test]
    fn an_answer_with_little_in_it_is_one_and_what_is_no_date_is_left_out() {
        let facts = read(
            r#"{"objectClassName": "domain", "events": [
                {"eventAction": "registration", "eventDate": "soon"}, {}, {"eventDate": "2020-01-01"}
            ], "status": ["", "\u0007"], "entities": [{"roles": ["registrar"]}]}"#,
        );
        assert_eq!(facts, Ok(RegistrationFacts::default()));
        let local = read(
            r#"{"objectClassName": "domain", "events":
               [{"eventAction": "registration", "eventDate": "2020-01-01T05:00:00"}]}"#,
        );
        assert_eq!(local.unwrap().registered_at.map(date).as_deref(), Some("2020-01-01"));
    }

    #[test]
    fn a_member_that_is_null_says_nothing_and_spoils_nothing() {
        let facts = read(
            r#"{"objectClassName": "domain", "ldhName": null, "status": null, "entities": [
                {"roles": null, "vcardArray": null}
            ], "events": [
                {"eventAction": "registration", "eventDate": "2020-01-01"},
                {"eventAction": "expiration", "eventDate": null},
                {"eventAction": null, "eventDate": "2021-01-01"}
            ]}"#,
        )
        .unwrap();
        assert_eq!(facts.registered_at.map(date).as_deref(), Some("2020-01-01"));
        assert_eq!((facts.changed_at, facts.expires_at), (None, None));
        let none = read(r#"{"objectClassName": "domain", "events": null, "entities": null}"#);
        assert_eq!(none, Ok(RegistrationFacts::default()));
    }

    #[test]
    fn a_status_is_known_in_the_spelling_of_rdap_and_in_that_of_epp() {
        for status in ["client hold", "Client Hold", "clientHold", "CLIENT_HOLD", "client-hold"] {
            let text = format!(r#"{{"objectClassName": "domain", "status": ["{status}"]}}"#);
            let facts = read(&text).unwrap();
            assert!(facts.has_status("client hold"), "{status}");
            assert!(!facts.has_status("server hold"), "{status}");
        }
    }

    #[test]
    fn statuses_and_names_are_bounded() {
        let status = format!("\"{}\"", "x".repeat(1000));
        let many = vec![status; 100].join(",");
        let facts = read(&format!(r#"{{"objectClassName": "domain", "status": [{many}]}}"#));
        let facts = facts.unwrap();
        assert_eq!((facts.statuses.len(), facts.statuses[0].len()), (STATUSES, LONGEST));
    }

    #[test]
    fn what_is_not_about_the_domain_is_an_error() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"objectClassName": "nameserver"}"#,
            r#"{"objectClassName": "domain", "status": "active"}"#,
            r#"{"objectClassName": "domain", "ldhName": "acme.exa"#,
        ] {
            assert!(matches!(read(text), Err(AnswerError::NotOne(_))), "{text}");
        }
        let other = read(r#"{"objectClassName": "domain", "ldhName": "other.example"}"#);
        assert_eq!(other, Err(AnswerError::OtherDomain));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).is_err());
    }
}
