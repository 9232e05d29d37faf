//! What is a role and what is a person.

use super::*;

#[test]
fn every_role_of_rfc_2142_is_a_role() {
    let lists = Lists::built_in();
    for role in [
        "info",
        "marketing",
        "sales",
        "support",
        "abuse",
        "noc",
        "security",
        "postmaster",
        "hostmaster",
        "usenet",
        "news",
        "webmaster",
        "www",
        "uucp",
        "ftp",
        "ietf-request",
    ] {
        assert!(lists.is_role(role), "{role}");
        assert!(lists.is_role(&role.to_uppercase()), "{role} in upper case");
    }
}

#[test]
fn roles_are_known_in_many_languages() {
    let lists = Lists::built_in();
    for role in [
        "kontakt",
        "büro",
        "buchhaltung",
        "ventas",
        "contacto",
        "atención-al-cliente",
        "vendas",
        "atendimento",
        "commercial",
        "facturation",
        "segreteria",
        "verkoop",
        "kundtjanst",
        "myynti",
        "biuro",
        "podatelna",
        "iroda",
        "vanzari",
        "iletisim",
        "zakaz",
        "Продажи",
        "eigyo",
        "営業",
        "客服",
        "문의",
        "penjualan",
        "מכירות",
        "مبيعات",
    ] {
        assert!(lists.is_role(role), "{role}");
    }
}

#[test]
fn mail_that_nobody_reads_says_so_in_many_languages() {
    let lists = Lists::built_in();
    for role in [
        "noreply",
        "ne-pas-repondre",
        "no-contestar",
        "nichtantworten",
        "Keine.Antwort",
        "niet_beantwoorden",
        "svara-inte",
        "ikkesvar",
        "nie-odpowiadaj",
        "neodpovidejte",
        "ne-valaszoljon",
        "nu-raspunde",
        "yanitlamayin",
        "не-отвечать",
    ] {
        assert!(lists.is_role(role), "{role}");
    }
}

#[test]
fn a_role_stays_one_with_a_tag_a_number_a_region_or_other_separators() {
    let lists = Lists::built_in();
    for role in [
        "info+newsletter",
        "info2",
        "support-01",
        "sales-eu",
        "sales.uk",
        "us_sales",
        "uk-support",
        "hr-team",
        "customer.service",
        "customer_service",
        "customerservice",
        "Customer-Service",
        "sales-eu2",
        "no-reply",
        "noreply",
        "owner-announce",
    ] {
        assert!(lists.is_role(role), "{role}");
    }
}

#[test]
fn a_person_is_not_a_role() {
    let lists = Lists::built_in();
    for person in [
        "jane.doe",
        "s.ales",
        "al.press",
        "mark",
        "bill",
        "art",
        "grace",
        "salesman",
        "it83",
        "hr1984",
        "info1984",
        "marketa",
        "jane.doe+info",
        "informatik.schmidt",
        "office.jane",
        "",
        "+info",
        "-",
        "2",
        "eu",
        "de-de",
        "-request",
    ] {
        assert!(!lists.is_role(person), "{person}");
    }
    assert!(!lists.is_role(&"sales".repeat(20)));
}
