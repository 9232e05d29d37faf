//! What holds for every address and every string: properties over generated input.

use mailvet::address::{Address, DomainName, redact, suggest};
use proptest::prelude::*;

/// Local parts of every kind, most of them valid.
fn local_part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,12}(\\.[a-zA-Z0-9+-]{1,8}){0,3}",
        "\"([ !#-\\[\\]-~]|\\\\[ -~]){0,12}\"",
        "[a-zé\u{301}你ñйक्षใ\u{f96e}.+]{1,12}",
        "\\PC{1,10}",
    ]
}

/// Domains of every kind, most of them valid.
fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,6}){0,3}",
        "(gmail|googlemail|yahoo|outlook|tag\\.fastmail)\\.com",
        "[a-züéßжд你あ]{1,8}(\\.|。)[a-zрф]{2,5}",
        "xn--[a-z0-9-]{1,12}\\.[a-z]{2}",
        "\\[([0-9]{1,3}\\.){3}[0-9]{1,3}\\]",
        "\\[IPv6:([0-9a-f]{0,4}:){1,7}[0-9a-f]{0,4}\\]",
        "\\PC{1,10}\\.com",
    ]
}

fn address() -> impl Strategy<Value = String> {
    (local_part(), domain()).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_string_makes_parsing_panic_and_faults_lie_inside_it(input in "(?s).{0,80}") {
        if let Err(error) = Address::parse(&input) {
            prop_assert!(error.offset <= input.len(), "{error}");
        }
        let _ = suggest::suggest(&input);
        let _ = redact::text(&input);
        if let Ok(name) = DomainName::parse(&input) {
            prop_assert_eq!(DomainName::parse(name.as_str()), Ok(name));
        }
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_address(input in address()) {
        let Ok(parsed) = Address::parse(&input) else { return Ok(()) };
        prop_assert_eq!(Address::parse(&parsed.wire_utf8()), Ok(parsed.clone()));
        prop_assert_eq!(parsed.local().is_ascii(), !parsed.needs_smtputf8());
        let with_a_labels = format!("{}@{}", parsed.local(), parsed.domain());
        prop_assert!(with_a_labels.len() <= 254);
        prop_assert_eq!(Address::parse(&with_a_labels), Ok(parsed));
    }

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself(input in address()) {
        let Ok(parsed) = Address::parse(&input) else { return Ok(()) };
        let identity = parsed.identity();
        if let Ok(again) = Address::parse(identity.person()) {
            let second = again.identity();
            prop_assert_eq!(second.person(), identity.person());
        }
        if let Ok(again) = Address::parse(&identity.mailbox) {
            prop_assert_eq!(again.identity().mailbox, identity.mailbox);
        }
    }

    #[test]
    fn no_address_holds_anything_that_could_end_a_command(
        input in address(),
        control in prop_oneof!["[\\x00-\\x1f\\x7f]", "[\u{80}-\u{9f}]", "[\u{202a}-\u{202e}\u{2066}-\u{2069}\u{200b}\u{feff}]"],
        place in 0_usize..40,
    ) {
        let mut tampered: Vec<char> = input.chars().collect();
        tampered.insert(place.min(tampered.len()), control.chars().next().unwrap_or('\0'));
        let tampered: String = tampered.into_iter().collect();
        prop_assert!(Address::parse(&tampered).is_err(), "{tampered:?}");
        if let Ok(parsed) = Address::parse(&input) {
            prop_assert!(!parsed.wire_utf8().chars().any(char::is_control));
        }
    }

    #[test]
    fn no_address_shows_its_local_part(input in address()) {
        let Ok(parsed) = Address::parse(&input) else { return Ok(()) };
        for shown in [format!("{parsed}"), format!("{parsed:?}"), format!("{:?}", suggest::suggest(&input))] {
            let before = shown.split('@').next().unwrap_or_default();
            prop_assert!(before.ends_with("***") || before == "None", "{shown}");
        }
    }

    #[test]
    fn what_is_suggested_needs_no_suggestion(input in address()) {
        if let Some(first) = suggest::suggest(&input) {
            prop_assert_eq!(suggest::suggest(&first.address.wire_utf8()), None);
        }
    }
}
