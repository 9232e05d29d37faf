use super::popular::{KNOWN, TARGETS, free_providers};
use super::*;

fn mended(input: &str) -> Option<String> {
    suggest(input).map(|suggestion| suggestion.address.wire_utf8())
}

#[test]
fn a_popular_domain_is_never_mended() {
    for domain in KNOWN.iter() {
        assert_eq!(mended(&format!("user@{domain}")), None, "{domain}");
        assert_eq!(mended(&format!("user@{}", domain.to_uppercase())), None, "{domain}");
    }
}

#[test]
fn a_free_provider_is_never_mended() {
    assert!(free_providers().count() > 1_000);
    for name in free_providers() {
        assert_eq!(suggest(&format!("user@{name}")), None, "{name}");
    }
    for name in ["yahoo.bg", "yahoo.lt", "hotmail.jp", "outlook.com.pe", "ttmail.com"] {
        assert!(KNOWN.contains(name), "{name}");
    }
    assert_eq!(mended("user@hotmail.co").as_deref(), Some("user@hotmail.com"));
}

#[test]
fn other_real_domains_are_left_alone() {
    for domain in [
        "github.com",
        "gitlab.com",
        "hotels.com",
        "hotjar.com",
        "horizon.net",
        "maildrop.cc",
        "compass.com",
        "example.com",
        "company.co",
        "startup.io",
        "uni-kiel.de",
        "münchen.de",
        "mail.example.co.uk",
        "student.live.example",
        "foo.foo.foo",
        "iana.org",
        "gov.uk",
        "tesla.com",
        "telus.com",
        "accor.de",
        "globe.com",
        "yahoo.us",
        "plant.nl",
        "box.fr",
        "telnet.be",
        // On no list: a letter off a short name that is no giant's.
        "telma.com",
        "arkor.de",
        "blanet.nl",
        "orage.fr",
    ] {
        assert_eq!(mended(&format!("user@{domain}")), None, "{domain}");
    }
}

#[test]
fn a_mistyped_ending_does_not_make_a_giant_of_another_name() {
    for domain in ["mail.co", "ymail.co", "email.cm", "zmail.co", "tmall.co", "cloud.co"] {
        assert_eq!(mended(&format!("user@{domain}")), None, "{domain}");
    }
    for typed in ["gmal.co", "gmail.cm", "gmai.co"] {
        assert_eq!(mended(&format!("user@{typed}")).as_deref(), Some("user@gmail.com"), "{typed}");
    }
}

#[test]
fn a_mistyped_popular_domain_is_mended() {
    for (typed, meant) in [
        ("gmial.com", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gmail.cmo", "gmail.com"),
        ("gmal.co", "gmail.com"),
        ("hotmial.con", "hotmail.com"),
        ("hotmail.cok", "hotmail.com"),
        ("outlok.com", "outlook.com"),
        ("oulook.com", "outlook.com"),
        ("yahooo.fr", "yahoo.fr"),
        ("yaho.co.uk", "yahoo.co.uk"),
        ("iclould.com", "icloud.com"),
        ("icloud.co", "icloud.com"),
        ("comcats.net", "comcast.net"),
        ("t-onlin.de", "t-online.de"),
        ("btinternet.con", "btinternet.com"),
        ("web.dee", "web.de"),
        ("hotmail.net", "hotmail.com"),
        ("yahoo.org", "yahoo.com"),
        ("yahou.fr", "yahoo.fr"),
        ("yahoo.co.u", "yahoo.co.uk"),
        ("posteo.dee", "posteo.de"),
        ("psoteo.de", "posteo.de"),
    ] {
        assert_eq!(mended(&format!("user@{typed}")), Some(format!("user@{meant}")), "{typed}");
    }
}

#[test]
fn two_letters_swapped_in_a_popular_name_lead_back_to_a_real_domain() {
    for target in TARGETS.iter().map(|target| target.whole) {
        if target.find('.') <= Some(4) {
            continue;
        }
        let mut typed: Vec<char> = target.chars().collect();
        typed.swap(1, 2);
        let typed: String = typed.into_iter().collect();
        if typed == target || KNOWN.contains(typed.as_str()) {
            continue;
        }
        let meant = mended(&format!("user@{typed}"));
        let domain = meant.as_deref().and_then(|meant| meant.strip_prefix("user@"));
        assert!(domain.is_some_and(|domain| KNOWN.contains(domain)), "{typed}: {meant:?}");
    }
}

#[test]
fn what_is_not_an_address_is_mended_where_the_fault_is_in_the_domain() {
    for typed in [
        "gmailcom",
        "gmail,com",
        "gmail..com",
        "gmail.com.",
        "gmail.com,",
        " gmail.com",
        "gmail .com",
        "gmail. com",
        "gmail com",
        "#gmail.com",
        "gmail.com>",
        "gmail.c",
        "-gmail.com",
        "gmail.com.com",
        "gmailcom.",
        "[gmail.com]",
    ] {
        assert_eq!(mended(&format!("user@{typed}")).as_deref(), Some("user@gmail.com"), "{typed}");
    }
    assert_eq!(mended("mailto:user@example.com?").as_deref(), Some("user@example.com"));
}

#[test]
fn what_cannot_be_mended_is_left_alone() {
    for input in [
        "",
        "@",
        "user",
        "user@",
        "@gmail.com",
        "a b@gmail.com",
        "a..b@gmial.com",
        "user@[192.0.2.1]",
        "user@localhost",
        "user@x",
        "user@made-up.invalid",
        "user@example.com and more text",
    ] {
        assert_eq!(mended(input), None, "{input}");
    }
}

#[test]
fn a_top_level_domain_that_does_not_exist_is_mended() {
    assert_eq!(mended("user@example.con").as_deref(), Some("user@example.com"));
    assert_eq!(mended("user@mail.example.rog").as_deref(), Some("user@mail.example.org"));
    assert_eq!(mended("user@example.nte").as_deref(), Some("user@example.net"));
    let kind = suggest("user@example.con").map(|suggestion| suggestion.kind);
    assert_eq!(kind, Some(SuggestionKind::TopLevelDomain));
}

#[test]
fn a_look_alike_is_mended() {
    for typed in
        ["gmаil.com", "ġmail.com", "gmaiI.com", "grnail.com", "hotmaiⅼ.com", "xn--gmil-63d.com"]
    {
        let meant = mended(&format!("user@{typed}")).unwrap_or_default();
        assert!(
            ["user@gmail.com", "user@hotmail.com"].contains(&meant.as_str()),
            "{typed} {meant}"
        );
    }
    let kind = suggest("user@gmаil.com").map(|suggestion| suggestion.kind);
    assert_eq!(kind, Some(SuggestionKind::LookAlike));
}

#[test]
fn the_callers_own_domains_come_first() {
    let own = ["zozo.com", "acme-corp.com"];
    let among = |input| suggest_among(input, &own).map(|s| s.address.wire_utf8());
    assert_eq!(among("user@acme-crop.com").as_deref(), Some("user@acme-corp.com"));
    assert_eq!(among("user@zozi.com").as_deref(), Some("user@zozo.com"));
    assert_eq!(among("user@acme-corp.com"), None);
    assert_eq!(among("user@gmial.com").as_deref(), Some("user@gmail.com"));
    assert_eq!(mended("user@zozi.com"), None);
}

#[test]
fn a_suggestion_does_not_show_the_local_part_in_debug() {
    let shown = format!("{:?}", suggest("jane.doe@gmial.com"));
    assert!(shown.contains("j***@gmail.com") && !shown.contains("jane"), "{shown}");
}
