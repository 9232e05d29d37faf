use super::*;

fn violation(address: &str) -> Option<ProviderViolation> {
    rule(&Address::parse(address).unwrap())
}

#[test]
fn every_line_of_the_data_names_a_provider_and_domains() {
    for line in include_str!("domains.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, domains) = line.split_once(' ').unwrap();
        assert!(PROVIDERS.iter().any(|provider| provider.name == name), "{name}");
        for domain in domains.split(' ') {
            let parsed = DomainName::parse(domain).unwrap();
            assert_eq!(parsed.as_str(), domain);
            assert_eq!(of(&parsed).map(|provider| provider.name), Some(name));
        }
    }
}

#[test]
fn gmail_can_never_have_given_out_other_characters_or_long_names() {
    let long = "a".repeat(31);
    for local in ["jane_doe", "jane-doe", "jané.doe", "\"jane doe\"", "_jane_doe", &long] {
        let broken = violation(&format!("{local}@gmail.com")).unwrap();
        assert!(broken.certain, "{local}: {}", broken.rule);
        assert_eq!(violation(&format!("{local}@googlemail.com")), Some(broken));
    }
}

#[test]
fn a_mark_that_a_program_set_for_another_is_no_proof_against_a_gmail_name() {
    for local in ["sean.o\u{2019}brien", "sean.o\u{2bc}brien", "jane\u{2010}doe", "jane\u{ff0e}doe"]
    {
        assert!(!violation(&format!("{local}@gmail.com")).unwrap().certain, "{local}");
    }
    assert!(violation("jan\u{e9}\u{2019}doe@gmail.com").unwrap().certain);
}

#[test]
fn gmail_names_that_exist_break_no_rule() {
    for local in
        ["jane.doe", "j.a.n.e.d.o.e", "JaneDoe", "jane.doe+news", "123456", &"a".repeat(30)]
    {
        assert_eq!(violation(&format!("{local}@gmail.com")), None, "{local}");
    }
}

#[test]
fn a_rule_for_new_accounts_only_is_never_certain() {
    for address in [
        "jane@gmail.com",
        "janedoe_@gmail.com",
        "+tag@gmail.com",
        "1jane@outlook.com",
        "jane!@hotmail.com",
        "jo@yahoo.com",
        "ja__ne@yahoo.fr",
        "1jane@aol.com",
        "jane_@aol.com",
        "jo@icloud.com",
        "_jane@me.com",
        "jane*@icloud.com",
    ] {
        assert!(!violation(address).unwrap().certain, "{address}");
    }
}

#[test]
fn tags_are_no_part_of_the_name() {
    for address in ["jane+a!b@outlook.com", "jane-a!b@yahoo.com", "jane+_@icloud.com"] {
        assert_eq!(violation(address), None, "{address}");
    }
}

#[test]
fn a_domain_of_its_own_follows_no_provider_rule() {
    assert_eq!(violation("a_b!@example.com"), None);
    assert_eq!(violation("a_b!@mail.gmail.com"), None);
    assert_eq!(violation("a_b!@[192.0.2.1]"), None);
}
