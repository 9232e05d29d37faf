use super::*;

fn fault(input: &str) -> (SyntaxErrorKind, usize) {
    let error = Address::parse(input).unwrap_err();
    (error.kind, error.offset)
}

#[test]
fn every_kind_of_fault_is_told_with_its_place() {
    use SyntaxErrorKind as K;
    let long_label = format!("a@{}.com", "b".repeat(64));
    let long_domain = format!("a@{}b", "b.".repeat(127));
    let long_whole = format!("ab@{}.bb", ["b"; 125].join("."));
    let long_local = format!("{}@b.c", "a".repeat(65));
    for (input, kind, offset) in [
        ("", K::Empty, 0),
        ("jane", K::MissingAt, 4),
        ("\"jane\"", K::MissingAt, 6),
        ("a@b@c", K::MultipleAt, 3),
        ("@b.c", K::LocalPartEmpty, 0),
        (&long_local, K::LocalPartTooLong, 64),
        (".a@b.c", K::DotAtEdge, 0),
        ("a.@b.c", K::DotAtEdge, 1),
        ("a..b@c.d", K::ConsecutiveDots, 2),
        ("a,b@c.d", K::LocalPartCharacter, 1),
        ("a\\b@c.d", K::LocalPartCharacter, 1),
        ("a\"b\"@c.d", K::MisplacedQuote, 1),
        ("\"a\"b@c.d", K::MisplacedQuote, 2),
        ("\"a@b.c", K::UnclosedQuote, 0),
        ("\"a\\é\"@b.c", K::BadEscape, 2),
        ("Jane Doe <a@b.c>", K::DisplayName, 4),
        ("\"Jane Doe\" <a@b.c>", K::DisplayName, 11),
        ("<a@b.c>", K::DisplayName, 0),
        ("a@b.c>", K::DisplayName, 5),
        ("a(comment)@b.c", K::Comment, 1),
        ("a@(comment)b.c", K::Comment, 2),
        (" a@b.c", K::Whitespace, 0),
        ("a@b.c ", K::Whitespace, 5),
        ("a\u{a0}b@c.d", K::Whitespace, 1),
        ("a\r\n@b.c", K::ControlCharacter, 1),
        ("\"a\tb\"@c.d", K::ControlCharacter, 2),
        ("a@b.c\0", K::ControlCharacter, 5),
        ("a\u{85}@b.c", K::ControlCharacter, 1),
        ("a\u{202e}b@c.d", K::UnsafeCharacter, 1),
        ("a@b\u{200b}.c", K::UnsafeCharacter, 3),
        ("jos\u{fffd}@c.d", K::UnsafeCharacter, 3),
        ("\u{301}a@b.c", K::UnsafeCharacter, 0),
        ("a@", K::DomainEmpty, 2),
        (&long_domain, K::DomainTooLong, 255),
        ("a@b.c.", K::TrailingDot, 6),
        ("a@b.c。", K::TrailingDot, 8),
        ("a@.b", K::LabelEmpty, 2),
        ("a@.", K::LabelEmpty, 2),
        ("a@b..c", K::LabelEmpty, 4),
        (&long_label, K::LabelTooLong, 65),
        ("a@-b.c", K::HyphenAtEdge, 2),
        ("a@b-.c", K::HyphenAtEdge, 3),
        ("a@b_c.d", K::Underscore, 3),
        ("a@b!c.d", K::DomainCharacter, 3),
        ("a@b❤.c", K::DomainSymbol, 3),
        ("a@x.bé--.c", K::HyphenAtEdge, 8),
        ("a@x.bé--d.c", K::InvalidIdn, 4),
        ("a@x.xn--zzzzz99999.c", K::InvalidPunycode, 4),
        ("a@[192.0.2.1", K::UnclosedLiteral, 12),
        ("a@[192.0.2.1]b", K::UnclosedLiteral, 13),
        ("a@[192.0.2.256]", K::InvalidLiteral, 3),
        ("a@[IPv6::1]", K::InvalidIpv6Literal, 8),
        (&long_whole, K::AddressTooLong, 254),
    ] {
        assert_eq!(fault(input), (kind, offset), "{input:?}");
    }
}

#[test]
fn every_kind_has_its_own_name_and_sentence() {
    let names: std::collections::HashSet<_> =
        SyntaxErrorKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), SyntaxErrorKind::ALL.len());
    for kind in SyntaxErrorKind::ALL {
        assert!(kind.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'6'));
        assert!(kind.sentence().len() > 10);
    }
}

#[test]
fn the_local_part_is_kept_byte_for_byte() {
    for local in ["Jane.Doe", "\"a\\ b\"", "\"\"", "jose\u{301}", "\u{f96e}", "a+b=c"] {
        let address = Address::parse(&format!("{local}@Example.COM")).unwrap();
        assert_eq!(address.local(), local);
        assert_eq!(address.wire_utf8(), format!("{local}@example.com"));
    }
}

#[test]
fn only_a_local_part_beyond_ascii_needs_smtputf8() {
    let idn = Address::parse("jane@Bücher.example").unwrap();
    assert_eq!(idn.domain().to_string(), "xn--bcher-kva.example");
    assert_eq!(idn.wire_utf8(), "jane@bücher.example");
    assert!(!idn.needs_smtputf8());
    let eai = Address::parse("用户@例子.广告").unwrap();
    assert_eq!(eai.wire_utf8(), "用户@例子.广告");
    assert!(eai.needs_smtputf8());
}

#[test]
fn u_labels_never_make_an_address_too_long() {
    let label = "xn--fiqs8s";
    let address = format!("a@{}.cn", vec![label; 22].join("."));
    let address = Address::parse(&address).unwrap();
    assert!(address.wire_utf8().len() <= 254);
    assert_eq!(Address::parse(&address.wire_utf8()), Ok(address));
}

#[test]
fn lengths_at_the_limit_are_valid() {
    let local = "a".repeat(64);
    let label = "b".repeat(63);
    let domain = format!("{label}.{label}.{}", "b".repeat(61));
    assert!(Address::parse(&format!("{local}@{domain}")).is_ok());
    assert_eq!(fault(&format!("{local}@{domain}b")), (SyntaxErrorKind::AddressTooLong, 254));
    let octets = "é".repeat(32);
    assert!(Address::parse(&format!("{octets}@b.c")).is_ok());
    assert_eq!(fault(&format!("{octets}a@b.c")), (SyntaxErrorKind::LocalPartTooLong, 64));
}

#[test]
fn an_address_shows_redacted() {
    let address = Address::parse("jane.doe@example.com").unwrap();
    assert_eq!(format!("{address} {address:?}"), "j***@example.com j***@example.com");
    let quoted = Address::parse("\"jane doe\"@[192.0.2.1]").unwrap();
    assert_eq!(quoted.to_string(), "***@[192.0.2.1]");
}

#[test]
fn the_same_domain_in_another_spelling_is_equal_another_local_part_is_not() {
    let parse = |input| Address::parse(input).unwrap();
    assert_eq!(parse("a@BÜCHER.de"), parse("a@xn--Bcher-kva.de"));
    assert_eq!(parse("a@[IPv6:0::1]"), parse("a@[IPv6:::1]"));
    assert_ne!(parse("a@b.c"), parse("A@b.c"));
}

#[test]
fn a_megabyte_of_anything_is_refused_without_reading_it_twice() {
    for unit in ["a", "@", "\"", "\\", ".", "é", "a@", "\u{200c}", "xn--", "<", "a.b@", "。", "("]
    {
        let many = unit.repeat((1 << 20) / unit.len());
        for input in [many.clone(), format!("a@{many}"), format!("\"{many}"), format!("a@[{many}]")]
        {
            assert!(Address::parse(&input).is_err());
        }
    }
}
