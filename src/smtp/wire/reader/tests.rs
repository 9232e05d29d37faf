use proptest::prelude::*;

use super::*;

/// Feeds `bytes` in pieces of `piece` octets and gathers the replies.
fn read_in_pieces(bytes: &[u8], piece: usize) -> Result<Vec<Arc<Reply>>, ReplyFault> {
    let mut reader = ReplyReader::new(ReplyLimits::default());
    let mut replies = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = reader.space();
        let count = piece.min(rest.len()).min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        reader.filled(count);
        while let Some(reply) = reader.next_reply()? {
            replies.push(reply);
        }
    }
    Ok(replies)
}

fn read(bytes: &[u8]) -> Result<Vec<Arc<Reply>>, ReplyFault> {
    read_in_pieces(bytes, usize::MAX)
}

#[test]
fn replies_come_out_whole_however_they_arrive() {
    let bytes = b"220-wait\r\n220 mx ESMTP\r\n250 2.1.0 Ok\r\n550-5.1.1 No\r\n550 5.1.1 user\r\n";
    let all = read(bytes).unwrap();
    assert_eq!(all.iter().map(|r| r.code).collect::<Vec<_>>(), [220, 250, 550]);
    assert_eq!(all[0].lines, ["wait", "mx ESMTP"]);
    assert_eq!(all[2].enhanced.unwrap().to_string(), "5.1.1");
    for piece in 1..bytes.len() {
        assert_eq!(read_in_pieces(bytes, piece).unwrap(), all, "pieces of {piece}");
    }
}

#[test]
fn a_line_that_is_said_again_is_read_once_and_only_where_it_is_a_whole_reply() {
    let replies = read(b"250 2.1.0 Ok\r\n250-a\r\n250 2.1.0 Ok\r\n250 2.1.0 Ok\n").unwrap();
    assert_eq!(replies[0].lines, ["Ok"]);
    assert_eq!(replies[1].lines, ["a", "Ok"]);
    assert!(Arc::ptr_eq(&replies[0], &replies[2]));
    let begun = read(b"250-a\r\n250 b\r\n250 b\r\n550 b\r\n250-b\r\n250 c\r\n").unwrap();
    assert_eq!(begun[1].lines, ["b"]);
    assert_eq!((begun[2].code, &begun[2].lines), (550, &begun[1].lines));
    assert_eq!(begun[3].lines, ["b", "c"]);
}

#[test]
fn bare_line_feeds_and_bare_codes_are_read() {
    let replies = read(b"250-a\n250\n221\r\n").unwrap();
    assert_eq!(replies[0].lines, ["a", ""]);
    assert_eq!(replies[1].code, 221);
}

#[test]
fn two_codes_in_one_reply_are_a_fault() {
    assert_eq!(read(b"250-a\r\n550 b\r\n"), Err(ReplyFault::MixedCodes { first: 250, later: 550 }));
}

#[test]
fn a_refusal_behind_the_first_lines_of_a_banner_is_the_banner() {
    let read = |bytes: &[u8]| {
        let mut reader = ReplyReader::new(ReplyLimits::default());
        reader.space()[..bytes.len()].copy_from_slice(bytes);
        reader.filled(bytes.len());
        reader.next_banner()
    };
    for (bytes, code, lines) in [
        (&b"220-mx\r\n220 mx\r\n"[..], 220, ["mx", "mx"].as_slice()),
        (b"220-mx\r\n220-mx\r\n521 5.7.1 blocked\r\n", 521, &["blocked"]),
        (b"220-mx\r\n421-busy\r\n421 bye\r\n", 421, &["busy", "bye"]),
    ] {
        let reply = read(bytes).unwrap().unwrap();
        assert_eq!(reply.code, code);
        assert_eq!(reply.lines, lines);
    }
    for (bytes, first, later) in [
        (&b"220-mx\r\n250 mx\r\n"[..], 220, 250),
        (b"554-no\r\n220 mx\r\n", 554, 220),
        (b"220-mx\r\n421-busy\r\n220 mx\r\n", 421, 220),
    ] {
        assert_eq!(read(bytes), Err(ReplyFault::MixedCodes { first, later }));
    }
}

#[test]
fn garbage_is_a_fault_at_once() {
    for bytes in [&b"\r\n"[..], b"\x16\x03\x01\n", b"250-a\r\nb\r\n", b"999 x\r\n", b"000 x\r\n"] {
        assert!(matches!(read(bytes), Err(ReplyFault::NotSmtp(_))), "{bytes:?}");
    }
}

#[test]
fn an_endless_line_is_a_fault() {
    assert_eq!(read(&vec![b'2'; 10_000_000]), Err(ReplyFault::LineTooLong(4096)));
}

#[test]
fn endless_continuation_lines_are_a_fault_even_when_empty() {
    assert_eq!(read(&b"250-\r\n".repeat(2_000_000)), Err(ReplyFault::TooManyLines(200)));
    let line = [b"250-".as_slice(), &[b'x'; 1000], b"\r\n"].concat();
    assert_eq!(read(&line.repeat(10_000)), Err(ReplyFault::ReplyTooLong(16_384)));
}

#[test]
fn each_reply_has_the_whole_budget() {
    assert_eq!(read(&b"250 2.1.5 Ok\r\n".repeat(10_000)).unwrap().len(), 10_000);
}

#[test]
fn a_reader_never_holds_more_than_its_bounds() {
    let limits = ReplyLimits::default();
    // A broken octet becomes U+FFFD, which has three; a growing list may be half empty.
    let ceiling =
        limits.line_octets + 3 * limits.reply_octets + 2 * limits.lines * size_of::<String>();
    for piece in [&b"220-\r\n"[..], b"220-x\r\n", b"220", b"220-5.1.1 \xff\xff\xff\xff\xff\xff\r\n"]
    {
        let mut reader = ReplyReader::new(limits.clone());
        let mut fed = 0;
        while reader.next_reply().is_ok_and(|reply| reply.is_none()) {
            let space = reader.space();
            let count = piece.len().min(space.len());
            space[..count].copy_from_slice(&piece[..count]);
            reader.filled(count);
            fed += count;
            assert!(fed < 1_000_000, "a reply of a megabyte is still being read");
            let mut held = reader.buffer.len();
            if let Some(reply) = &reader.unfinished {
                held += reply.lines.iter().map(String::capacity).sum::<usize>();
                held += reply.lines.capacity() * size_of::<String>();
            }
            assert!(held <= ceiling, "{held} octets held");
        }
    }
}

proptest! {
    #[test]
    fn a_reply_is_read_alike_whatever_was_said_before(
        said in proptest::collection::vec(
            r"(250-[ab]\r\n)?250 2\.1\.[0-5] Ok|550 [a-c]{1,2}(x{70})?",
            1..40,
        ),
    ) {
        let whole: String = said.iter().map(|reply| format!("{reply}\r\n")).collect();
        let alone = said.iter().map(|reply| read(format!("{reply}\n").as_bytes()).unwrap());
        prop_assert_eq!(read(whole.as_bytes()).unwrap(), alone.flatten().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..2000), piece in 1usize..50) {
        let whole = read(&bytes);
        prop_assert_eq!(read_in_pieces(&bytes, piece), whole);
    }

    #[test]
    fn well_formed_replies_read_as_smtp_proto_reads_them(
        code in 200u16..600,
        lines in proptest::collection::vec("[A-Za-z<>@ ]{1,40}", 1..6),
    ) {
        let mut bytes = String::new();
        for (i, line) in lines.iter().enumerate() {
            let separator = if i + 1 == lines.len() { ' ' } else { '-' };
            bytes += &format!("{code}{separator}{line}\r\n");
        }
        let ours = read(bytes.as_bytes()).unwrap().remove(0);
        let theirs = smtp_proto::response::parser::ResponseReceiver::default()
            .parse(&mut bytes.as_bytes().iter())
            .unwrap();
        prop_assert_eq!(ours.code, theirs.code);
        prop_assert_eq!(ours.lines.join("\n"), theirs.message);
    }
}
