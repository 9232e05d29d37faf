//! Forms of a stream: lines of JSON (NDJSON), events (Server-Sent Events), CSV.

use prost::Message as _;
use prost_reflect::MessageDescriptor;

use super::csv;
use super::routes::HttpRoute;
use crate::proto::StreamBatchResultsResponse;
use crate::proto::json::{self, JsonError};

/// The form of the messages of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerForm {
    /// One JSON object a line.
    Lines,
    /// One event a message, as browsers read them (`EventSource`).
    Events,
    /// Results as a table.
    Csv,
}

impl AnswerForm {
    /// The form in which `route` answers a request that accepts these media types: the first one
    /// that is known; else events for a `:watch`, lines for the others.
    pub(super) fn choose(route: &HttpRoute, accepted: &[impl AsRef<str>]) -> Self {
        let has_table = route.output().full_name() == "mailvet.v1.StreamBatchResultsResponse";
        let known = accepted.iter().find_map(|media_type| match media_type.as_ref() {
            "text/csv" if has_table => Some(Self::Csv),
            "text/event-stream" => Some(Self::Events),
            "application/x-ndjson" => Some(Self::Lines),
            _ => None,
        });
        let is_watch = route.template.verb() == Some("watch");
        known.unwrap_or(if is_watch { Self::Events } else { Self::Lines })
    }

    /// The media type, without parameters.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
            Self::Csv => "text/csv",
        }
    }

    /// The media type as an answer names it.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Lines | Self::Events => self.media_type(),
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// The text before the first message.
    pub(super) fn opening(self) -> Option<String> {
        (self == Self::Csv).then(csv::header)
    }

    /// One message.
    pub(super) fn message(
        self,
        of: &MessageDescriptor,
        octets: &[u8],
    ) -> Result<Vec<u8>, JsonError> {
        let json = || json::from_octets(of.clone(), octets);
        Ok(match self {
            Self::Lines => [&json()?[..], b"\n"].concat(),
            Self::Events => event(None, &json()?),
            Self::Csv => csv::rows(&StreamBatchResultsResponse::decode(octets)?.results).into(),
        })
    }

    /// The text after the last message. An `EventSource` would connect again, and needs to be told.
    pub(super) fn ending(self) -> Vec<u8> {
        match self {
            Self::Events => event(Some("end"), b"{}"),
            Self::Lines | Self::Csv => Vec::new(),
        }
    }

    /// An error after the first message, given `google.rpc.Status` as JSON.
    pub(super) fn error(self, status: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Lines => Some([br#"{"error":"#, status, b"}\n"].concat()),
            // `error` is the name of an EventSource's own.
            Self::Events => Some(event(Some("failure"), status)),
            Self::Csv => None,
        }
    }
}

/// An event (the HTML standard, "Server-sent events"). JSON holds no line breaks.
fn event(name: Option<&str>, data: &[u8]) -> Vec<u8> {
    let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
    [name.as_bytes(), b"data: ", data, b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::http::routes::RouteTable;

    #[test]
    fn the_accepted_media_types_choose_the_form() {
        let table = RouteTable::new(json::descriptors());
        let choose = |path, accepted: &[&str]| {
            AnswerForm::choose(&table.find(&Method::GET, path).unwrap().route, accepted)
        };
        let (watch, results) = ("/v1/batches/x:watch", "/v1/batches/x/results");
        assert_eq!(choose(watch, &["*/*"]), AnswerForm::Events);
        assert_eq!(choose(watch, &["application/x-ndjson"]), AnswerForm::Lines);
        assert_eq!(choose(watch, &["text/csv"]), AnswerForm::Events);
        assert_eq!(choose(results, &[]), AnswerForm::Lines);
        assert_eq!(choose(results, &["text/html", "text/csv"]), AnswerForm::Csv);
        assert_eq!(choose(results, &["text/event-stream"]), AnswerForm::Events);
    }

    #[test]
    fn events_have_the_form_that_browsers_read() {
        assert_eq!(event(None, b"{}"), b"data: {}\n\n");
        assert_eq!(AnswerForm::Events.ending(), b"event: end\ndata: {}\n\n");
        let failed = AnswerForm::Events.error(b"{}").unwrap();
        assert_eq!(failed, b"event: failure\ndata: {}\n\n");
        assert_eq!(AnswerForm::Lines.error(b"{}").unwrap(), b"{\"error\":{}}\n");
    }
}
