use super::*;

fn first(text: &str) -> String {
    let cleaned = clean(text);
    assert!(cleaned.others.is_empty(), "{text:?}: {cleaned:?}");
    cleaned.address.into_owned()
}

#[test]
fn what_surrounds_an_address_is_taken_away() {
    for text in [
        "jane@acme.test",
        "  jane@acme.test\t",
        "\u{a0}jane@acme.test\u{200b}\u{feff}",
        "'jane@acme.test'",
        "'jane@acme.test",
        "\u{201c}jane@acme.test\u{201d}",
        "\u{ab}jane@acme.test\u{bb}",
        "`jane@acme.test`",
        "*jane@acme.test*",
        "\"jane@acme.test\";",
        "jane@acme.test,",
        "jane@acme.test.",
        "jane@acme.test...",
        "jane@acme.test>",
        "jane@acme.test\"",
        "jane@acme.test'",
        "jane@acme.test/",
        "jane@acme.test:",
        "jane@acme.test?",
        "jane@acme.test!",
        "jane@acme.test)",
        "<jane@acme.test",
        "<jane@acme.test>",
        "<<jane@acme.test>>",
        "(jane@acme.test)",
        "[jane@acme.test]",
        "{jane@acme.test}",
        "SMTP:jane@acme.test",
        "smtp: jane@acme.test",
        "mailto:jane@acme.test",
        "MailTo: jane@acme.test?subject=Hi&cc=bob@acme.test",
        "mailto://jane@acme.test",
        "<mailto:jane@acme.test>",
        "[mailto:jane@acme.test]",
        "[jane@acme.test](mailto:jane@acme.test)",
        "<a href=\"mailto:jane@acme.test\">jane@acme.test</a>",
        "<a href='mailto:jane@acme.test'>",
        "=\"jane@acme.test\"",
        "=HYPERLINK(\"mailto:jane@acme.test\")",
        "=HYPERLINK(\"mailto:jane@acme.test\",\"jane@acme.test\")",
        "Email: jane@acme.test",
        "E-Mail = jane@acme.test",
        "- jane@acme.test",
        "\u{2022} jane@acme.test",
        "* jane@acme.test",
        "1. jane@acme.test",
        "2) jane@acme.test",
        "ja\u{200b}ne@ac\u{ad}me.test",
        "jane @acme.test",
        "jane@ acme.test",
        "jane @ acme.test",
        "jane@acme.test; jane@acme.test",
        "jane@acme.test, JANE@acme.test",
        "&lt;jane@acme.test&gt;",
        "&quot;jane@acme.test&quot;",
        "jane@acme.test&nbsp;",
        "\\u003cjane@acme.test\\u003e",
        "u003ejane@acme.test",
        "%20jane@acme.test",
        "mailto:jane%40acme.test",
        "jane&#64;acme.test",
        "\u{201c}jane@acme.test",
        "\u{2022}jane@acme.test",
        "\u{2192}jane@acme.test",
        "\u{1f4e7}jane@acme.test",
        "\u{2709}\u{fe0f} jane@acme.test",
        "\u{2709}\u{fe0f}jane@acme.test\u{ff01}",
        "\u{30e1}\u{30fc}\u{30eb}\u{ff1a}jane@acme.test",
        "\u{90ae}\u{7bb1}\u{ff1a}jane@acme.test",
        "\u{5c71}\u{7530}\u{3001}jane@acme.test",
        "\u{300c}jane@acme.test\u{300d}",
        "jane@acme.test\u{3002}",
        "jane@acme.test\u{ff0f}jane@acme.test",
        "jane@acme\\.test",
        "\\*jane@acme.test\\*",
        "Email,jane@acme.test",
        "Work-Email:jane@acme.test",
        "courriel:jane@acme.test",
        "rfc822;jane@acme.test",
    ] {
        assert_eq!(first(text), "jane@acme.test", "{text:?}");
    }
}

#[test]
fn a_name_beside_an_address_is_taken_away_and_noted() {
    for text in [
        "Jane Doe <jane@acme.test>",
        "\"Doe, Jane\" < jane@acme.test >",
        "Jane <3 <jane@acme.test>;",
        "Jane Doe (jane@acme.test)",
        "jane@acme.test (Jane Doe)",
        "jane@acme.test <Jane>",
        "Jane [jane@acme.test]",
        "Jane Doe - jane@acme.test",
        "jane@acme.test Jane Doe",
        "Jane Doe, jane@acme.test",
        "Jane: work <jane@acme.test>",
        "Jane Doe @ACME <jane@acme.test>",
        "Jane @ Acme <jane@acme.test>",
        "\"Jane @ Acme\" <jane@acme.test>",
        "\"jane.d@old.test\" <jane@acme.test>",
        "\"Doe \\\"JD\\\" jane.d@old.test\" <jane@acme.test>",
        "jane@acme.test (@janedoe)",
        "jane@acme.test https://acme.test/@jane",
        "jane@acme.test; bob@",
        "Jane Doe;jane@acme.test",
        "1;jane@acme.test",
        "1- jane@acme.test",
        "'Jane Doe' jane@acme.test",
        "mary <br>jane@acme.test",
    ] {
        let cleaned = clean(text);
        assert_eq!(cleaned.address, "jane@acme.test", "{text:?}");
        assert!(cleaned.had_words, "{text:?}");
    }
    for text in ["<jane@acme.test>", "SMTP:jane@acme.test", "1. jane@acme.test", "jane@acme.test"] {
        assert!(!clean(text).had_words, "{text:?}");
    }
}

#[test]
fn several_addresses_are_all_found_in_order() {
    for text in [
        "a.b@acme.test;c@acme.test",
        "a.b@acme.test; c@acme.test;",
        "a.b@acme.test,c@acme.test",
        "a.b@acme.test c@acme.test",
        "a.b@acme.test/c@acme.test",
        "a.b@acme.test / c@acme.test",
        "a.b@acme.test|c@acme.test",
        "a.b@acme.test\nc@acme.test",
        "a.b@acme.test\r\nc@acme.test",
        "a.b@acme.test or c@acme.test",
        "a.b@acme.test und c@acme.test",
        "a.b@acme.test & c@acme.test",
        "a.b@acme.test ::: c@acme.test",
        "No <a.b@acme.test>, Jane <c@acme.test>",
        "\"B, A\" <a.b@acme.test>; \"C\" <c@acme.test>",
        "a.b@acme.test (old), c@acme.test (new)",
        "SMTP:a.b@acme.test;smtp:c@acme.test",
        "SMTP:a.b@acme.test%smtp:c@acme.test",
        "[\"a.b@acme.test\",\"c@acme.test\"]",
        "a.b@acme.test\u{ff0f}c@acme.test",
        "a.b@acme.test\u{3001}c@acme.test",
        "a.b@acme.com et c@acme.test",
        "a.b@acme.com;c@acme.test",
        "Mail: a.b@acme.test; Mail:c@acme.test",
    ] {
        let cleaned = clean(text);
        assert!(["a.b@acme.test", "a.b@acme.com"].contains(&&*cleaned.address), "{text:?}");
        assert_eq!(cleaned.others, ["c@acme.test"], "{text:?}");
    }
    let many = (0..200).map(|n| format!("a{n}@acme.test")).collect::<Vec<_>>().join("; ");
    assert_eq!(clean(&many).others.len(), MAX_ADDRESSES - 1);
}

#[test]
fn words_beside_an_address_are_no_part_of_it() {
    for text in [
        "jane@acme.com Ng Wei",
        "jane@acme.com in Berlin",
        "jane@acme.com, Ph.D.",
        "jane@acme.com, CO 80202",
        "jane@acme.com. My phone is 12",
        "Jane Doe- jane@acme.com",
        "Other:jane@acme.com",
        "De: jane@acme.com",
        "Jane:jane@acme.com",
        "sales>sales@acme.com",
    ] {
        assert!(["jane@acme.com", "sales@acme.com"].contains(&&*first(text)), "{text}");
    }
    // A letter behind a program's backslash is none of a name.
    assert!(!clean("jane@acme.com\\nbob@acme.com").others.contains(&"nbob@acme.com".into()));
}

#[test]
fn no_other_mailbox_is_read_out_of_a_text() {
    for (text, likely) in [
        ("jane doe@acme.test", Some("doe@acme.test")),
        ("Jane Doe jane@acme.test", Some("jane@acme.test")),
        ("jane\u{a0}doe@acme.test", Some("doe@acme.test")),
        ("jane. doe@acme.test", Some("doe@acme.test")),
        ("jane@acme,test", Some("jane@acme.test")),
        ("jane@@acme.test", Some("jane@acme.test")),
        ("jane\u{ff20}acme.test", Some("jane@acme.test")),
        ("jane@acme .test", Some("jane@acme.test")),
        ("jane@acme. test", Some("jane@acme.test")),
        ("jane@acme..test", Some("jane@acme.test")),
        ("jane..doe@acme.test", Some("jane.doe@acme.test")),
        ("jane.@acme.test", Some("jane@acme.test")),
        (".jane@acme.test", Some("jane@acme.test")),
        ("jane,doe@acme.test", Some("jane.doe@acme.test")),
        ("jane\\@acme.test", Some("jane@acme.test")),
        ("\u{ff4a}ane\u{ff20}acme\u{ff0e}test", Some("jane@acme.test")),
        ("jane(at)acme.test", Some("jane@acme.test")),
        ("jane [at] acme [dot] test", Some("jane@acme.test")),
        ("jane.doe {AT} acme{DOT}test", Some("jane.doe@acme.test")),
        ("jane@acme(dot)test", Some("jane@acme.test")),
        ("jane dot doe at acme dot test", Some("jane.doe@acme.test")),
        ("Jane <jane(at)acme.test>", Some("jane@acme.test")),
        ("jane at acme.test", Some("jane@acme.test")),
        ("von,braun@acme.test", Some("von.braun@acme.test")),
        ("john,johnson@acme.test", Some("john.johnson@acme.test")),
        ("Email: mary- jane@acme.test", Some("jane@acme.test")),
        ("maria@yahoo.com br (casa)", Some("maria@yahoo.com.br")),
        ("jane@acme.test\u{fffd}", Some("jane@acme.test")),
        ("mary_ jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("mary- jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("mary+ jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("o' brien@acme.test", Some("brien@acme.test")),
        ("o\u{2019} brien@acme.test", Some("brien@acme.test")),
        ("o\"brien@acme.test", Some("brien@acme.test")),
        ("jane .doe@acme.test", Some("jane.doe@acme.test")),
        ("mary:jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("mary;jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("mary.ann;jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("mary>jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("mary\\jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("Mail: mary;jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("Jane <mary;jane.doe@acme.test>", Some("jane.doe@acme.test")),
        ("Jane <jane,doe@acme.test>", Some("jane.doe@acme.test")),
        ("jane.m,doe@acme.test", Some("jane.m.doe@acme.test")),
        ("maria@yahoo.com br", Some("maria@yahoo.com.br")),
        ("maria@yahoo.com. br", Some("maria@yahoo.com.br")),
        ("maria@yahoo.com, BR", Some("maria@yahoo.com.BR")),
        ("Maria <maria@yahoo.com,br>", Some("maria@yahoo.com.br")),
        ("maria@yahoo.com,br", Some("maria@yahoo.com.br")),
        ("maria@yahoo.com:br", Some("maria@yahoo.com.br")),
        ("jane@hotmail.co,uk", Some("jane@hotmail.co.uk")),
        ("jane@acme.co uk", Some("jane@acme.co.uk")),
        ("jane@mail.acme,com", Some("jane@mail.acme.com")),
        ("jane@acme.com,Jane", Some("jane@acme.com")),
        ("jane@gmail:com", Some("jane@gmail.com")),
        ("jane@acme\u{2013}corp.test", Some("jane@acme-corp.test")),
        ("jane@mail.acme\u{2013}corp.com", Some("jane@mail.acme-corp.com")),
        ("@janedoe jane.doe@acme.test", Some("jane.doe@acme.test")),
        ("jane.doe@acme.test @janedoe", Some("jane.doe@acme.test")),
        ("bob @acme.test; jane@acme.test", Some("jane@acme.test")),
        ("bob@ jane@acme.test", Some("jane@acme.test")),
        ("mary jane@acme.test; bob@acme.test", Some("bob@acme.test")),
        ("a@b@acme.test; bob@acme.test", Some("bob@acme.test")),
        ("Jane Doe jane@acme.test, Bob Roe bob@acme.test", Some("jane@acme.test")),
        ("bob@acme.test; mary;jane@acme.test", Some("bob@acme.test")),
        ("https://acme.test/@jane jane@acme.test", Some("jane@acme.test")),
        ("jane@bob@acme.test", None),
        ("jane@bob.@acme.test", None),
        ("@jane@acme.test", None),
        ("a@@b@acme.test", None),
        ("jane(office)@acme.test", None),
        ("jane@acme.test@", None),
    ] {
        let cleaned = clean(text);
        assert!(Address::parse(&cleaned.address).is_err(), "{text:?}: {cleaned:?}");
        assert!(!cleaned.is_empty(), "{text:?}");
        assert_eq!(cleaned.likely.as_deref(), likely, "{text:?}");
    }
}

#[test]
fn a_mark_beyond_ascii_in_a_mailbox_is_asked_as_it_stands_with_the_keyboards_beside_it() {
    for (text, likely) in [
        ("sean.o\u{2019}brien@acme.test", Some("sean.o'brien@acme.test")),
        ("sean.o\u{2bc}brien@acme.test", Some("sean.o'brien@acme.test")),
        ("sean.o\u{b4}brien@acme.test", Some("sean.o'brien@acme.test")),
        ("ren\u{e9}.o\u{2019}brien@acme.test", Some("ren\u{e9}.o'brien@acme.test")),
        ("mary\u{2011}jane@acme.test", Some("mary-jane@acme.test")),
        ("mary\u{2013}jane@acme.test", Some("mary-jane@acme.test")),
        ("jane\u{3002}doe@acme.test", Some("jane.doe@acme.test")),
        ("jane\u{ff3f}doe@acme.test", Some("jane_doe@acme.test")),
        ("mary\u{ff1a}jane@acme.test", Some("jane@acme.test")),
        ("jane\u{1f600}doe@acme.test", Some("doe@acme.test")),
        ("jane\u{1f600}@acme.test", None),
        ("\u{2764}\u{fe0f}@acme.test", None),
        ("gal\u{b7}la@acme.test", None),
        ("\u{5c71}\u{7530}\u{30fb}\u{592a}\u{90ce}@acme.test", None),
        ("\u{43a}\u{43e}\u{43c}\u{43f}\u{2bc}\u{44e}\u{442}\u{435}\u{440}@acme.test", None),
        ("\u{20ac}uro@acme.test", None),
        ("jane@col\u{b7}lectiu.test", None),
    ] {
        let cleaned = clean(text);
        assert_eq!((&*cleaned.address, cleaned.likely.as_deref()), (text, likely), "{text:?}");
        for within in [format!("Jane <{text}>"), format!("({text})"), format!("Mail: {text}")] {
            let cleaned = clean(&within);
            let others = cleaned.others.iter().map(|other| &**other);
            let mut found = std::iter::once(&*cleaned.address).chain(others);
            let is_right = found.all(|it| it == text || Address::parse(it).is_err());
            assert!(is_right, "{within:?}: {cleaned:?}");
        }
    }
}

#[test]
fn what_belongs_to_an_address_stays() {
    for text in [
        "\"jane doe\"@acme.test",
        "jane@",
        "jane..doe@docomo.ne.jp",
        "o'brien@acme.test",
        "/G=Jane/S=Doe/@gw.test",
        "prvs=1234=jane@acme.test",
        "jane@[192.0.2.1]",
        "jane@[IPv6:2001:db8::1]",
        "юля@пошта.test",
        "jane@acme",
        "janegmail.com",
        "jane{at}acme.test@",
        ".jane@acme.test",
        "#jane@acme.test",
    ] {
        assert_eq!(first(text), text);
    }
    assert_eq!(first("jane\\_doe@acme.test"), "jane_doe@acme.test");
    assert_eq!(first("jane\\\\_doe@acme.test"), "jane_doe@acme.test");
    assert_eq!(first("Jane <jane..doe@acme.test>"), "jane..doe@acme.test");
    assert_eq!(first("<\"jane doe\"@acme.test>"), "\"jane doe\"@acme.test");
}

#[test]
fn a_text_without_an_address_holds_none() {
    for text in [
        "",
        "   ",
        "\"\"",
        "\u{1a}",
        "-",
        "n/a",
        "none",
        "Email",
        "jane",
        "+49 30 123456",
        "555.123.4567",
        "jane.doe",
        "list.csv",
        "call jane at acme.test",
        "open at 10.30",
        "Jane (at work)",
        "50%40",
        "Total: 20",
        "1,234.50",
        "Confidential Information - Do Not Distribute",
        "Copyright (c) 2000-2026 acme.test, inc. All rights reserved.",
        "https://acme.test/@jane",
        "www.acme.test",
        "@jane",
        "call jane @ noon",
        "# exported on Monday",
        "null",
    ] {
        assert!(clean(text).is_empty(), "{text:?}: {:?}", clean(text));
    }
}

#[test]
fn a_cut_text_gives_no_other_mailbox() {
    let entry = |n: usize| format!("{}{n:02}@acme.test; ", "a".repeat(60));
    let entries: String = (0..54).map(entry).collect();
    for behind in ["bob@acme.test.example", "bob@acme.test,example", "bob@acme.test .example"] {
        // The text is cut at every place of what stands behind the entries.
        for length in MAX_TEXT - 30..=MAX_TEXT {
            let padding = length - entries.len();
            let text = format!("{entries}{}, {behind}; end@acme.test", "x".repeat(padding - 2));
            let cleaned = clean(&text);
            assert!(cleaned.is_cut, "{length}: {cleaned:?}");
            let is_clear = behind == "bob@acme.test.example";
            assert!(!is_clear || cleaned.others.len() >= 53, "{length}: {cleaned:?}");
            let all = std::iter::once(&*cleaned.address).chain(cleaned.others.iter().map(|o| &**o));
            let wrong: Vec<&str> = all.filter(|it| !entries.contains(it)).collect();
            assert!(wrong.iter().all(|it| *it == behind), "{length}: {wrong:?}");
        }
    }
    // Nothing else stands before it.
    let text = format!("{}.example", " ".repeat(5) + &"x".repeat(MAX_TEXT - 13) + "@acme.test");
    assert!(clean(&text).address.is_empty());
    let text = format!("bob@acme.test,{}", "x".repeat(MAX_TEXT));
    assert!(clean(&text).address.is_empty());
    assert!(!clean(&format!("bob@acme.test{}", " ".repeat(MAX_TEXT))).is_cut);
}

#[test]
fn a_text_with_more_addresses_than_are_read_says_so() {
    for (count, is_cut) in [(MAX_ADDRESSES, false), (MAX_ADDRESSES + 1, true)] {
        let all = (0..count).map(|n| format!("a{n}@acme.test")).collect::<Vec<_>>().join("; ");
        assert_eq!(clean(&all).is_cut, is_cut, "{count}");
    }
}

#[test]
fn time_is_linear_and_nothing_panics() {
    for part in
        ["@", "a@", "\"@", "<a@b.test", "a@b.test?x=", "é@", "//@", "a@b,", "\u{200d}@\u{301}"]
    {
        let text = part.repeat(100_000);
        let cleaned = clean(&text);
        assert!(cleaned.address.len() <= MAX_TEXT);
    }
}
