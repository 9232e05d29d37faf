//! The generated gRPC code. Named only in `grpc/`, `http/` and in the command line's remote
//! mode.

#![expect(
    clippy::large_enum_variant,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the .proto files carry the documentation"
)]

pub mod from_message;
pub mod json;
pub mod names;

mod codec;

pub use codec::{LARGEST_PAGE_ROWS, MessageCodec, MessageDecoder};

tonic::include_proto!("mailvet.v1");

/// The descriptors of every message and service, with their comments and HTTP routes.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mailvet.v1.bin"));
