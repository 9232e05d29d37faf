//! Claims about the words that are read of a text.

use proptest::prelude::*;

use crate::smtp::meaning::Ourselves;
use crate::smtp::meaning::words::ReplyWords;

/// The words of a text, without compounds.
fn joined(text: &str) -> String {
    let compounds = Default::default();
    ReplyWords::from_text(text, &compounds, Ourselves::default()).joined
}

#[test]
fn the_parts_of_hosts_and_urls_stand_beside_them_in_lower_case() {
    for (text, words) in [
        ("ZEN.Spamhaus.org", " <host> .zen .spamhaus .org "),
        (
            "(HTTPS://Www.Example.ORG:25/No-Such/USER)",
            " <url> .www .example .org .25 /no /such /user ",
        ),
        ("http://BÜCHER.example/ΟΔΟΣ", " <url> .bücher .example /οδος "),
        ("www.a.example is gone", " <url> .www .a .example is gone "),
        ("http:/a.example www example", " http a example www example "),
    ] {
        assert_eq!(joined(text), words, "{text}");
    }
}

#[test]
fn the_address_of_a_server_whose_words_are_handed_on_is_not_read() {
    for (text, words) in [
        (
            "host mx.example.org[192.0.2.9] said: 550 no",
            " host <host> .mx .example .org said 550 no ",
        ),
        ("host 192.0.2.9[192.0.2.9] said: 550 no", " host <host> said 550 no "),
        ("host mx.a[IPv6:2001:db8::9] said: 550 no", " host mx a said 550 no "),
        ("host mx[192.0.2.9] has said: no", " host mx <ip> has said no "),
        ("Client host [192.0.2.7] blocked", " client host <ip> blocked "),
        ("mx.a.test[192.0.2.7]", " <host> .mx .a .test <ip> "),
    ] {
        assert_eq!(joined(text), words, "{text}");
    }
}

#[test]
fn every_bracket_parts_words_and_no_letter_does() {
    for bracket in "<>()[]{}\"|,;=*!?~“”«»。，、：！；（）…".chars() {
        assert_eq!(joined(&format!("user{bracket}unknown")), " user unknown ", "{bracket}");
    }
    assert_eq!(joined("user'unknown"), " userunknown ");
}

proptest! {
    #[test]
    fn letters_alone_are_read_like_the_same_letters_beside_a_digit(word in "[A-Za-z]{1,20}") {
        let beside = joined(&format!("{word}7"));
        prop_assert_eq!(joined(&word), beside.replace('7', ""));
        prop_assert_eq!(joined(&word), format!(" {} ", word.to_lowercase()));
    }
}
