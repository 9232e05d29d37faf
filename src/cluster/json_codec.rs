//! The call between replicas: its path, and its codec, JSON. Replicas are of one version or of two
//! that follow each other, and fields that one of them does not know are passed over.

use std::marker::PhantomData;

use bytes::{Buf as _, BufMut as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The path of the method.
pub(super) const PATH: &str = "/mailvet.replica.v1.Replicas/Ask";

/// Sends `E` and receives `D`.
pub(super) struct JsonCodec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for JsonCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Codec for JsonCodec<E, D>
where
    E: Serialize + Send + 'static,
    D: DeserializeOwned + Send + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = JsonEncoder<E>;
    type Decoder = JsonDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        JsonEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        JsonDecoder(PhantomData)
    }
}

/// Writes a message.
pub(super) struct JsonEncoder<E>(PhantomData<E>);

impl<E: Serialize> Encoder for JsonEncoder<E> {
    type Item = E;
    type Error = Status;

    fn encode(&mut self, item: E, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        serde_json::to_writer(to.writer(), &item)
            .map_err(|_| Status::internal("a message cannot be written"))
    }
}

/// Reads a message.
pub(super) struct JsonDecoder<D>(PhantomData<D>);

impl<D: DeserializeOwned> Decoder for JsonDecoder<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        // The words of the parser would repeat an address.
        serde_json::from_reader(from.reader())
            .map(Some)
            .map_err(|_| Status::invalid_argument("a message is not understood"))
    }
}
