//! The codec of the services: prost's, which makes no more rows of a page than a page may hold.
//!
//! A row may take two octets on the wire and takes 48 in memory, so that a page of 4 MiB would
//! become 100 MB before its rows could be counted.

use std::any::TypeId;
use std::marker::PhantomData;

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{AppendBatchRowsRequest, ReportOutcomesRequest, UploadBatchRequest};

/// The most rows of one page of a batch, and outcomes of one page.
pub const LARGEST_PAGE_ROWS: usize = 10_000;

/// The codec of a method that takes `U` and returns `T`.
#[derive(Debug)]
pub struct MessageCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for MessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        let inner = ProstCodec::<T, U>::raw_decoder(BufferSettings::default());
        MessageDecoder { inner, rows: RowsPath::of::<U>() }
    }
}

/// Decodes messages, pages of rows only up to their bound.
#[derive(Debug)]
pub struct MessageDecoder<U> {
    inner: ProstDecoder<U>,
    rows: Option<RowsPath>,
}

impl<U: Message + Default> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, octets: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        use prost::bytes::Buf as _;
        if let Some(rows) = self.rows {
            // One piece: a message is decoded from where it was collected.
            let many = count(octets.chunk(), rows.tags);
            if many > LARGEST_PAGE_ROWS {
                return Err(rows.refuse(many));
            }
        }
        self.inner.decode(octets)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.inner.buffer_settings()
    }
}

/// The way to the rows in a message.
#[derive(Clone, Copy, Debug)]
struct RowsPath {
    /// The tags of the fields that lead to a row.
    tags: &'static [u32],
    /// The same in words.
    field: &'static str,
}

impl RowsPath {
    fn of<U: 'static>() -> Option<Self> {
        let message = TypeId::of::<U>();
        if message == TypeId::of::<UploadBatchRequest>() {
            Some(Self { tags: &[2, 1], field: "page.addresses" })
        } else if message == TypeId::of::<AppendBatchRowsRequest>() {
            Some(Self { tags: &[3], field: "rows" })
        } else if message == TypeId::of::<ReportOutcomesRequest>() {
            Some(Self { tags: &[1], field: "outcomes" })
        } else {
            None
        }
    }

    fn refuse(self, many: usize) -> Status {
        let message = format!("holds {many} rows; send at most {LARGEST_PAGE_ROWS} a page");
        let details = ErrorDetails::with_bad_request_violation(self.field, message.clone());
        let message = format!("{}: {message}", self.field);
        Status::with_error_details(Code::InvalidArgument, message, details)
    }
}

/// Number of fields at the end of `tags` in a message. Octets that are no message are left to the
/// decoder: what follows them is not counted.
fn count(mut octets: &[u8], tags: &[u32]) -> usize {
    let Some((first, inner)) = tags.split_first() else { return 1 };
    let mut many = 0;
    while !octets.is_empty() {
        let Ok((tag, wire_type)) = decode_key(&mut octets) else { break };
        if tag == *first && wire_type == WireType::LengthDelimited {
            let length = decode_varint(&mut octets).ok().and_then(|it| usize::try_from(it).ok());
            let Some((field, rest)) = length.and_then(|it| octets.split_at_checked(it)) else {
                break;
            };
            many += count(field, inner);
            octets = rest;
        } else if skip_field(wire_type, tag, &mut octets, DecodeContext::default()).is_err() {
            break;
        }
    }
    many
}

#[cfg(test)]
mod tests {
    use super::super::upload_batch_request::Part;
    use super::super::{BatchAddress, BatchEnd, BatchPage};
    use super::*;

    fn rows(many: usize) -> Vec<BatchAddress> {
        vec![
            BatchAddress {
                address: "a@b.example".to_owned(),
                row_id: "1".to_owned(),
                consent_time: None
            };
            many
        ]
    }

    #[test]
    fn rows_are_counted_before_they_are_decoded() {
        let tags = RowsPath::of::<UploadBatchRequest>().unwrap().tags;
        let page = |part| UploadBatchRequest { part: Some(part) }.encode_to_vec();
        let three = page(Part::Page(BatchPage { addresses: rows(3) }));
        assert_eq!(count(&three, tags), 3);
        assert_eq!(count(&[three.clone(), three].concat(), tags), 6, "pages in pieces are one");
        assert_eq!(count(&page(Part::End(BatchEnd { rows: 70_000 })), tags), 0);
        let tags = RowsPath::of::<AppendBatchRowsRequest>().unwrap().tags;
        let append =
            AppendBatchRowsRequest { batch_id: "b".to_owned(), first_row: 9, rows: rows(2) };
        assert_eq!(count(&append.encode_to_vec(), tags), 2);
        assert_eq!(count(&[0x1a, 0, 0x1a, 0, 0x1a, 9], tags), 2, "what is cut off is not counted");
        assert!(RowsPath::of::<BatchPage>().is_none());
    }
}
