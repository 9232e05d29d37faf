//! JSON over HTTP, and gRPC-Web, on the listener of the gRPC service.
//!
//! A request is translated into a gRPC request by the `google.api.http` rules of the protos and
//! sent through the very services and layers that a gRPC call passes: keys, quotas, limits, logs.
//! Nothing here decides; nothing is answered that gRPC would refuse.

pub mod config;

mod accept;
mod answer;
mod answer_plan;
mod bad_request;
mod body;
mod body_survey;
mod browser_guard;
mod cors;
mod csv;
mod download;
mod field_names;
mod form;
mod frames;
mod hook_call;
mod layer;
mod local;
mod octet_budget;
mod openapi;
mod own_call;
mod query;
mod request;
mod response;
mod routes;
mod template;
mod timeout;
mod translation;
mod upload;

pub use body::BodyLimits;
pub use browser_guard::BrowserGuard;
pub use config::{BadEntry, Config};
pub use cors::cors;
pub(crate) use download::{ListDownload, RowSelection};
pub use layer::HttpLayer;
pub use local::LocalAnswers;
pub(crate) use own_call::{AdmittedCall, CallOrigin, DecodedStream, OwnServices};
pub(crate) use upload::{
    ArrivedList, ColumnQuestion, FormHead, ListExclusion, ListFault, ListUploads, NO_FOLDER,
    excluded_rows, rows_without_address, sent_address,
};

pub(crate) use answer::http_status;
pub(crate) use body::{BodyReader, RequestForm};
pub(crate) use frames::frame;
pub(crate) use hook_call::{HOOK_RPC, HookCall};
pub(crate) use octet_budget::{BodyOwner, OctetBudget, OctetOwner, OctetRoom};

/// The OpenAPI document that `/openapi.json` answers with.
#[must_use]
pub fn openapi() -> &'static str {
    openapi::text()
}
