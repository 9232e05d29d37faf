//! What the lists promise together: our data, the user's files over it, and reloading.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;

mod reloading;
mod roles;

fn domain(name: &str) -> DomainName {
    DomainName::from_ascii(name)
}

/// The built-in lists with one file of the user's over them.
fn with(kind: ListKind, text: &str) -> Lists {
    with_all(&[(kind, text)])
}

fn with_all(files: &[(ListKind, &str)]) -> Lists {
    let files: Vec<ListFile> = files.iter().map(|(kind, text)| file(*kind, text)).collect();
    Lists::with_files(&files).unwrap()
}

fn file(kind: ListKind, text: &str) -> ListFile {
    let path = PathBuf::from(format!("lists/{}.txt", kind.name()));
    ListFile { kind, path, text: text.to_owned(), modified: None }
}

fn complaint(kind: ListKind, text: &str) -> String {
    Lists::with_files(&[file(kind, text)]).unwrap_err().to_string()
}

#[test]
fn no_large_provider_is_disposable() {
    let lists = Lists::built_in();
    for provider in [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "yahoo.co.jp",
        "ymail.com",
        "aol.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "gmx.de",
        "gmx.net",
        "web.de",
        "t-online.de",
        "mail.ru",
        "yandex.ru",
        "yandex.net",
        "qq.com",
        "163.com",
        "126.com",
        "naver.com",
        "tom.com",
        "daum.net",
        "orange.fr",
        "free.fr",
        "laposte.net",
        "libero.it",
        "wp.pl",
        "seznam.cz",
        "comcast.net",
        "att.net",
        "verizon.net",
        "btinternet.com",
        "uol.com.br",
        "mail.com",
        "consultant.com",
        "zoho.com",
        "fastmail.com",
        "tutanota.com",
        "keemail.me",
        "rediffmail.com",
    ] {
        assert!(!lists.is_disposable(&domain(provider)), "{provider}");
    }
}

#[test]
fn no_name_on_our_free_or_relay_list_is_disposable() {
    let lists = Lists::built_in();
    for text in [include_str!("data/free.txt"), include_str!("data/relay.txt")] {
        let names = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for name in names {
            assert!(!lists.is_disposable(&domain(name)), "{name}");
            assert!(!lists.is_disposable(&domain(&format!("mx1.{name}"))), "mx1.{name}");
            assert!(!lists.is_disposable_exchanger(&domain(name)), "{name}");
        }
    }
}

#[test]
fn a_disposable_domain_takes_its_subdomains_with_it() {
    let lists = Lists::built_in();
    for name in ["mailinator.com", "yopmail.com", "guerrillamail.com", "tinyhost.shop"] {
        assert!(lists.is_disposable(&domain(name)), "{name}");
        assert!(lists.is_disposable(&domain(&format!("a.b.{name}"))), "a.b.{name}");
        assert!(!lists.is_disposable(&domain(&format!("our-own-{name}"))), "our-own-{name}");
    }
    assert!(!lists.is_disposable(&domain("example.com")));
    assert!(!lists.is_disposable(&domain("com")));
    assert!(!lists.is_disposable(&domain("")));
}

#[test]
fn a_relay_is_a_relay_and_not_disposable() {
    let lists = Lists::built_in();
    for relay in [
        "duck.com",
        "simplelogin.com",
        "aleeas.com",
        "anonaddy.com",
        "jane.anonaddy.me",
        "addy.io",
        "mozmail.com",
        "jane.mozmail.com",
        "privaterelay.appleid.com",
        "passmail.net",
    ] {
        assert!(lists.is_relay(&domain(relay)), "{relay}");
        assert!(!lists.is_disposable(&domain(relay)), "{relay}");
    }
    assert!(!lists.is_relay(&domain("appleid.com")));
    assert!(!lists.is_relay(&domain("gmail.com")));
}

#[test]
fn a_free_provider_is_meant_by_its_exact_name() {
    let lists = Lists::built_in();
    for provider in ["gmail.com", "hotmail.co.uk", "web.de", "mail.ru", "qq.com", "outlook.com.br"]
    {
        assert!(lists.is_free_provider(&domain(provider)), "{provider}");
    }
    for other in ["corp.mail.ru", "google.com", "example.com", "microsoft.com"] {
        assert!(!lists.is_free_provider(&domain(other)), "{other}");
    }
}

#[test]
fn a_disposable_service_is_known_by_its_exchanger() {
    let lists = Lists::built_in();
    for host in ["mail2.mailinator.com", "smtp.yopmail.com", "mx7.beavis99.net", "generator.email"]
    {
        assert!(lists.is_disposable_exchanger(&domain(host)), "{host}");
    }
}

#[test]
fn no_exchanger_of_a_hosting_company_is_disposable() {
    let lists = Lists::built_in();
    for host in [
        "aspmx.l.google.com",
        "example-com.mail.protection.outlook.com",
        "mx.yandex.net",
        "mxs.mail.ru",
        "mxa.mailgun.org",
        "mx.sendgrid.net",
        "inbound-smtp.us-east-1.amazonaws.com",
        "in1-smtp.messagingengine.com",
        "route1.mx.cloudflare.net",
        "mx1.improvmx.com",
        "eforward1.registrar-servers.com",
        "mx1.forwardemail.net",
        "mx1.simplelogin.co",
        "mail.anonaddy.me",
        "publicms1.mail2world.com",
        "mx1.mail.ovh.net",
        "mx00.ionos.com",
        "smtp.secureserver.net",
        "mx.zoho.com",
        "mx01.mail.icloud.com",
        "mx1.timeweb.ru",
        "us2.mx1.mailhostbox.com",
        "park-mx.above.com",
        "mail.protonmail.ch",
        "mx1.chatgpt.org.uk",
        "mx0a-00000000.pphosted.com",
        "eu-smtp-inbound-1.mimecast.com",
        "aspmx1.migadu.com",
    ] {
        assert!(!lists.is_disposable_exchanger(&domain(host)), "{host}");
    }
}

#[test]
fn the_users_names_are_added() {
    let lists = with_all(&[
        (ListKind::Role, "Chef-Etage\n"),
        (ListKind::Free, "free.example"),
        (ListKind::Disposable, "bücher.example # in Unicode\r\n\r\nTHROWN.example.\r\n"),
        (ListKind::DisposableExchangers, "mx.example"),
        (ListKind::Relay, "relay.example"),
    ]);
    assert!(lists.is_role("chef.etage") && lists.is_role("chefetage") && lists.is_role("info"));
    assert!(lists.is_free_provider(&domain("free.example")));
    assert!(lists.is_disposable(&domain("xn--bcher-kva.example")));
    assert!(lists.is_disposable(&domain("a.thrown.example")));
    assert!(lists.is_disposable_exchanger(&domain("a.mx.example")));
    assert!(lists.is_relay(&domain("jane.relay.example")));
}

#[test]
fn the_users_removals_outrank_our_lists() {
    assert!(!with(ListKind::Role, "-info").is_role("info"));
    assert!(!with(ListKind::Role, "-customer-service").is_role("customerservice"));
    let lists = with(ListKind::Role, "!sales-eu");
    assert!(!lists.is_role("sales.eu") && lists.is_role("sales-us") && lists.is_role("sales"));
    assert!(!with(ListKind::Free, "- gmail.com").is_free_provider(&domain("gmail.com")));
    let lists = with(ListKind::Disposable, "-mailinator.com");
    assert!(!lists.is_disposable(&domain("mailinator.com")));
    assert!(!lists.is_disposable(&domain("a.mailinator.com")));
    let lists = with(ListKind::DisposableExchangers, "-yopmail.com");
    assert!(!lists.is_disposable_exchanger(&domain("smtp.yopmail.com")));
    let lists = with(ListKind::Relay, "-duck.com");
    assert!(!lists.is_relay(&domain("duck.com")) && lists.is_disposable(&domain("duck.com")));
}

#[test]
fn a_relay_or_free_provider_the_user_calls_disposable_is_disposable() {
    let lists = with(ListKind::Disposable, "duck.com\ngmail.com");
    assert!(lists.is_disposable(&domain("duck.com")) && !lists.is_relay(&domain("duck.com")));
    assert!(lists.is_disposable(&domain("gmail.com")));
}

#[test]
fn a_relay_or_free_provider_the_user_names_is_no_longer_disposable() {
    assert!(!with(ListKind::Relay, "mailinator.com").is_disposable(&domain("mailinator.com")));
    assert!(!with(ListKind::Free, "mailinator.com").is_disposable(&domain("mailinator.com")));
}

#[test]
fn a_bad_line_is_named_with_file_line_and_remedy() {
    assert_eq!(
        complaint(ListKind::Disposable, "# head\nfine.example\n@bad.example\n"),
        "lists/disposable.txt:3: \"@bad.example\" is an address; write only the part this list is \
         about, without the @"
    );
    assert_eq!(
        complaint(ListKind::Free, "*.example.com"),
        "lists/free.txt:1: \"*.example.com\" has a wildcard; write the domain alone, its \
         subdomains are included where that is meant"
    );
    for bad in ["com", "a..b", "a b.example", "-", "192.0.2.1", "exa_mple.com", "-.com", "..."] {
        let complaint = complaint(ListKind::Relay, bad);
        assert!(complaint.contains("write one such as example.com"), "{bad}: {complaint}");
    }
    for bad in ["a b", "a+b", "-", "info--eu", "\"x\"", &"a".repeat(65)] {
        let complaint = complaint(ListKind::Role, bad);
        assert!(complaint.contains("is not a role name; write letters"), "{bad}: {complaint}");
    }
    assert_eq!(
        complaint(ListKind::Free, "a.example\n\n-A.example"),
        "lists/free.txt:3: \"A.example\" is added here and removed on line 1, or the reverse; \
         delete one of the two lines"
    );
}

#[test]
fn sources_say_where_each_list_comes_from() {
    let mut changed = file(ListKind::Role, "chef\n-info\n# licence: ours\n");
    changed.modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    let dated = file(ListKind::Free, "# date: 2020-02-02\nfree.example");
    let sources = Lists::with_files(&[dated, changed]).unwrap().sources();

    let shown: Vec<String> =
        sources.iter().map(|source| format!("{} from {}", source.name(), source.origin)).collect();
    assert_eq!(
        shown,
        [
            "role from built in",
            "role from lists/role.txt",
            "free from built in",
            "free from lists/free.txt",
            "disposable from crate mailchecker 6.0.21",
            "disposable from built in",
            "disposable_exchangers from built in",
            "relay from built in",
        ]
    );
    let role = &sources[1];
    assert_eq!((role.count, role.removed), (1, 1));
    assert_eq!((role.licence.as_deref(), role.date.as_deref()), (Some("ours"), Some("1970-01-02")));
    assert_eq!(sources[3].date.as_deref(), Some("2020-02-02"));
    assert_eq!(sources[4].licence.as_deref(), Some("MIT"));
    assert!(sources[4].count > 50_000, "{}", sources[4].count);
}

#[test]
fn all_lists_together_cost_about_a_megabyte() {
    let bytes = Lists::built_in().memory_bytes();
    assert!((500_000..1_100_000).contains(&bytes), "{bytes}");
    let more = with(ListKind::Disposable, "a.example\nb.example").memory_bytes();
    assert!(more > bytes && more < bytes + 200, "{more}");
}
