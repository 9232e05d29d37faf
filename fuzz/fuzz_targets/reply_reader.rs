//! Octets of a server, cut anywhere, give the same replies; what a reply says is explained.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mailvet::smtp::wire::ReplyReader;
use mailvet::smtp::{Classifier, Reply, ReplyFault, ReplyLimits, ReplyView};

fn read(octets: &[u8], piece: usize) -> (Vec<Arc<Reply>>, Option<ReplyFault>) {
    let mut reader = ReplyReader::new(ReplyLimits::default());
    let (mut replies, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        let space = reader.space();
        let count = piece.min(rest.len()).min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        reader.filled(count);
        loop {
            match reader.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(fault) => return (replies, Some(fault)),
            }
        }
    }
    (replies, None)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, octets) = input;
    let (whole, fault) = read(octets, usize::MAX);
    let (pieces, other) = read(octets, usize::from(piece).max(1));
    assert_eq!(whole, pieces);
    assert_eq!(fault.is_some(), other.is_some());
    for reply in &whole {
        let text = reply.lines.join("\n");
        let view = ReplyView { code: Some(reply.code), ..ReplyView::from_text(&text) };
        let _explanation = Classifier::builtin().explain(&view);
    }
});
