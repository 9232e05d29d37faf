mod samples;

use super::recommendations::{Recommendation, recommendations};
use super::{AccuracySummary, ReportData, ReportFileKind, render};
use crate::campaign::{SendPolicy, State};
use crate::verdict::Depth;
use crate::verdict::Reason::{self, CatchAll, MailboxAccepted};
use samples::{operated, place};

/// One tag of the page: its name, and its attributes as they stand.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl Tag<'_> {
    fn has(&self, attribute: &str) -> bool {
        self.attributes.contains(&format!(" {attribute}"))
    }
}

/// The tags of the page in order, end tags with a slash. The style sheet has none.
fn tags(page: &str) -> Vec<Tag<'_>> {
    page.split('<')
        .skip(1)
        .map(|rest| {
            let inside = rest.split_once('>').expect("a tag ends").0.trim_end_matches('/');
            let end = inside.find(char::is_whitespace).unwrap_or(inside.len());
            Tag { name: &inside[..end], attributes: &inside[end..] }
        })
        .collect()
}

fn pages() -> Vec<(&'static str, String)> {
    samples::all().into_iter().map(|(name, data)| (name, render(&data).unwrap())).collect()
}

/// What a reader sees: the page without its head and its tags.
fn visible(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let text: String =
        body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    let text = text.replace("&#39;", "'").replace("&#34;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_element_that_opens_closes_in_its_place() {
    const VOID: [&str; 4] = ["meta", "br", "rect", "!doctype"];
    for (name, page) in pages() {
        let mut open = Vec::new();
        for tag in tags(&page) {
            match tag.name.strip_prefix('/') {
                Some(closes) => assert_eq!(open.pop(), Some(closes), "{name}"),
                None if VOID.contains(&tag.name) => {}
                None => open.push(tag.name),
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn the_page_needs_nothing_from_anywhere_and_runs_nothing() {
    for (name, page) in pages() {
        for tag in tags(&page) {
            assert!(
                !["script", "link", "img", "iframe", "object", "image", "use", "form"]
                    .contains(&tag.name),
                "{name}: <{}>",
                tag.name
            );
            // A link leads to a file beside the page, when somebody clicks it.
            let is_beside = tag.name == "a" && !tag.attributes.contains([':', '?', '#']);
            for attribute in ["src=", "href=", "on", "style=", "srcset="] {
                if attribute == "href=" && is_beside {
                    continue;
                }
                assert!(!tag.has(attribute), "{name}: <{}{}>", tag.name, tag.attributes);
            }
        }
        for word in ["http:", "https:", "url(", "@import", "javascript:"] {
            assert!(!page.contains(word), "{name}: {word}");
        }
        assert!(page.contains("default-src 'none'"), "{name}");
    }
}

#[test]
fn hostile_names_stay_text_and_an_address_is_never_shown() {
    let page = render(&samples::hostile()).unwrap();
    assert!(page.contains("&#60;script&#62;alert(1)"), "the name is shown as text");
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(!page.contains(['\u{0}', '\u{1b}']));
    for (name, page) in pages() {
        assert!(!page.contains("jane.doe@"), "{name}");
        let addresses = page.split_once("<body>").unwrap().1.matches('@').count();
        let functions = page.matches("info@").count() + page.matches("sales@").count();
        let redacted = page.split_once("<body>").unwrap().1.matches("j***@").count();
        assert_eq!(addresses, functions + redacted, "{name}");
    }
}

#[test]
fn headings_descend_one_step_at_a_time_from_a_single_first() {
    for (name, page) in pages() {
        let levels: Vec<u8> = tags(&page)
            .iter()
            .filter(|tag| tag.name.len() == 2 && tag.name.starts_with('h') && tag.name != "hr")
            .map(|tag| tag.name.as_bytes()[1] - b'0')
            .collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{name}");
        assert_eq!(levels[0], 1, "{name}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
    }
}

#[test]
fn every_table_has_a_caption_and_every_head_a_scope() {
    for (name, page) in pages() {
        let tags = tags(&page);
        let count = |wanted: &str| tags.iter().filter(|tag| tag.name == wanted).count();
        assert!(count("table") >= 2, "{name}");
        assert_eq!(count("table"), count("caption"), "{name}");
        for tag in tags.iter().filter(|tag| tag.name == "th") {
            assert!(tag.has("scope="), "{name}: <th{}>", tag.attributes);
        }
        for tag in tags.iter().filter(|tag| tag.name == "svg") {
            assert!(tag.has("aria-hidden=\"true\""), "{name}: a drawing repeats what is written");
        }
    }
}

#[test]
fn names_of_elements_are_unique_and_what_points_to_them_finds_them() {
    for (name, page) in pages() {
        let named = |attribute: &str| -> Vec<String> {
            let mark = format!(" {attribute}=\"");
            let parts = page.split(&mark).skip(1);
            parts.map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect()
        };
        let ids = named("id");
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        for pointed in named("aria-labelledby") {
            assert!(ids.contains(&pointed), "{name}: {pointed}");
        }
        for landmark in ["<header", "<main>", "<footer>", "<html lang=\"en\">"] {
            assert_eq!(page.matches(landmark).count(), 1, "{name}: {landmark}");
        }
    }
}

#[test]
fn the_answer_comes_first_and_its_numbers_are_on_the_page() {
    for (name, data) in samples::all() {
        let text = visible(&render(&data).unwrap());
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{name}: no {words}"));
        assert!(at(&data.preflight.headline()) < at("What to do next"), "{name}");
        assert!(at(&data.preflight.sentence()) < at("Three ways to send it"), "{name}");
        for step in &data.preflight.steps {
            at(&step.sentence());
        }
    }
    let text = visible(&render(&samples::bad()).unwrap());
    for words in ["1,802", "the server says: no such mailbox", "hotmail.com", "mailbox_not_found"] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn the_columns_of_places_add_up_to_the_list() {
    let data = samples::bad();
    for table in super::breakdown::tables(&data) {
        let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
        let sum: u64 = table.places.iter().map(|place| number(&place.rows)).sum();
        assert_eq!(sum, data.progress.rows, "{}", table.id);
    }
}

#[test]
fn tables_that_count_each_address_of_a_row_say_so() {
    const SAID: &str = "a row with several addresses counts for each of them";
    let finished = [(CatchAll, 2), (MailboxAccepted, 2)];
    let once = samples::data("a.csv", &finished, &[], 0, SendPolicy::Deliverable);
    let with = |catch_alls| ReportData {
        domains: vec![place("acme.test", &[(CatchAll, catch_alls)], 0)],
        providers: vec![place("acme.test", &[(CatchAll, catch_alls)], 0)],
        ..once.clone()
    };
    for (catch_alls, times) in [(2, 0), (3, 2), (5, 2)] {
        let text = visible(&render(&with(catch_alls)).unwrap());
        assert_eq!(text.matches(SAID).count(), times, "{catch_alls}: {text}");
    }
}

#[test]
fn nobody_to_send_to_is_not_drawn_as_healthy() {
    for (name, data) in [("blocked", samples::blocked()), ("empty", samples::empty())] {
        let page = render(&data).unwrap();
        assert!(!page.contains("<figure") && page.contains("nobody to send to"), "{name}");
    }
}

#[test]
fn an_open_list_says_that_it_is_and_when_it_goes_on() {
    let text = visible(&render(&samples::running()).unwrap());
    assert!(text.contains("419,067 of 1,000,000 rows have an answer"), "{text}");
    assert!(text.contains("the first at 25 November 2026, 14:44 UTC"), "{text}");
}

#[test]
fn the_page_says_that_servers_were_asked_where_they_were() {
    let told = |depth| visible(&render(&ReportData { depth, ..samples::blocked() }).unwrap());
    let mailbox = told(Depth::Mailbox);
    assert!(mailbox.contains("mailvet asked the recipients' own mail servers"), "{mailbox}");
    assert!(mailbox.contains("servers judge who asks"), "{mailbox}");
    for (depth, words) in [
        (Depth::Domain, "It asked no mail server and sent no message"),
        (Depth::Syntax, "It asked neither DNS nor a mail server"),
    ] {
        let page = told(depth);
        assert!(page.contains(words) && !page.contains("asked the recipients'"), "{page}");
        assert!(!page.contains("servers judge who asks"), "{page}");
    }
}

fn titles(recommendations: &[Recommendation]) -> Vec<(&'static str, u64)> {
    recommendations
        .iter()
        .map(|recommendation| (recommendation.title, recommendation.rows))
        .collect()
}

fn next(finished: &[(Reason, u64)], open: u64) -> Vec<(&'static str, u64)> {
    let data = samples::data("list", finished, &[], open, SendPolicy::All);
    let all = titles(&recommendations(&data));
    all.into_iter().filter(|(title, _)| *title != "Send soon").collect()
}

#[test]
fn each_reason_brings_its_own_step() {
    let cases = [
        (Reason::SenderBlocked, "Get this sender unblocked"),
        (Reason::Greylisted, "Ask again later"),
        (Reason::DnsFailure, "Check the way out"),
        (Reason::NotProbed, "Ask the mail servers"),
        (Reason::PolicyRefusal, "Decide about servers that will not say"),
        (Reason::MailboxNotFound, "Leave out the undeliverable"),
        (Reason::CatchAll, "Decide about domains that accept everybody"),
        (Reason::MailboxFull, "Try the full mailboxes another day"),
        (Reason::DisposableDomain, "Leave out throw-away addresses"),
    ];
    for (reason, title) in cases {
        assert_eq!(next(&[(reason, 7)], 0), [(title, 7)]);
    }
    assert_eq!(next(&[(Reason::MailboxAccepted, 7)], 0), []);
}

#[test]
fn every_row_that_is_not_deliverable_is_spoken_of() {
    for reason in Reason::ALL.iter().filter(|reason| reason.verdict().name() != "deliverable") {
        assert_eq!(next(&[(*reason, 5)], 0).len(), 1, "{}", reason.name());
    }
}

#[test]
fn a_world_that_cannot_be_reached_is_a_closed_port() {
    let rows = |down| [(Reason::MailboxAccepted, 100 - down), (Reason::NoConnection, down)];
    assert_eq!(next(&rows(51), 0), [("Check the way out", 51)]);
    assert_eq!(next(&rows(10), 0), [("Ask again later", 10)]);
}

#[test]
fn the_report_says_of_this_host_what_the_pre_flight_says_and_no_more() {
    let text = |open| {
        let rows = [(Reason::NoConnection, 20), (Reason::NotProbed, 300)];
        let data = samples::data("list", &rows, &[], open, SendPolicy::All);
        let steps = recommendations(&data);
        steps.into_iter().find(|step| step.title == "Check the way out").map(|step| step.text)
    };
    assert!(text(0).unwrap().starts_with("None of 20 addresses was reached"), "{:?}", text(0));
    assert_eq!(text(900), None, "the first rows of a list that is under way say little");
}

#[test]
fn what_the_flags_say_of_rows_that_are_sent_to_becomes_a_step() {
    let data = samples::bad();
    let all = titles(&recommendations(&data));
    assert!(all.contains(&("Correct what looks mistyped", 123)), "{all:?}");
    assert!(all.contains(&("Look at role addresses", 301)), "{all:?}");
    assert!(all.contains(&("Write to each mailbox once", 97)), "{all:?}");
    let unblock = recommendations(&data)
        .into_iter()
        .find(|recommendation| recommendation.title.contains("unblocked"))
        .unwrap();
    assert!(unblock.text.contains("[192.0.2.10]"), "{}", unblock.text);
}

#[test]
fn gateways_that_answer_for_mailboxes_they_do_not_know_are_named() {
    let mut data = samples::bad();
    data.providers = vec![
        operated(place("mimecast.com", &[(CatchAll, 200)], 0), "Mimecast", true),
        operated(
            place("mimecast.co.za", &[(CatchAll, 12), (MailboxAccepted, 9)], 0),
            "Mimecast",
            true,
        ),
        operated(place("pphosted.com", &[(MailboxAccepted, 50)], 0), "Proofpoint", true),
        operated(place("outlook.com", &[(CatchAll, 31)], 0), "Microsoft", false),
    ];
    let steps = recommendations(&data);
    let step = steps.iter().find(|step| step.title.contains("accept everybody")).unwrap();
    assert!(step.text.contains("Of them 212 are behind Mimecast: a gateway"), "{}", step.text);
    assert!(!step.text.contains("Proofpoint") && !step.text.contains("Microsoft"), "{}", step.text);
    let page = visible(&render(&data).unwrap());
    assert!(page.contains("Mimecast, a gateway (mimecast.com)"), "{page}");
    assert!(page.contains("Microsoft (outlook.com)"), "{page}");
}

#[test]
fn a_list_that_is_named_as_a_part_is_not_recommended_as_one() {
    let leave_out = |data: &ReportData| {
        let all = recommendations(data);
        all.into_iter().find(|step| step.title == "Leave out the undeliverable").unwrap().text
    };
    let mut data = samples::healthy();
    assert!(leave_out(&data).contains("Send to the file deliverable.csv"), "{}", leave_out(&data));
    data.files.retain(|file| file.kind == ReportFileKind::Rows);
    data.files[0].name = "deliverable.vetted.csv".to_owned();
    assert!(!leave_out(&data).contains("deliverable.vetted.csv"), "{}", leave_out(&data));
}

#[test]
fn an_unfinished_list_is_first_of_all_to_be_finished() {
    assert_eq!(next(&[(Reason::MailboxAccepted, 5)], 5), [("Let the rest finish", 5)]);
    let running = samples::data("l", &[], &[], 9, SendPolicy::All);
    let cancelled = ReportData { state: State::Cancelled, ..running };
    assert_eq!(titles(&recommendations(&cancelled))[0], ("Verify the rest", 9));
    let page = visible(&render(&cancelled).unwrap());
    assert!(page.contains("9 rows never got an answer, open in the table below"), "{page}");
    assert_eq!(titles(&recommendations(&samples::empty())), [("Look at the file", 0)]);
}

#[test]
fn the_accuracy_of_earlier_verdicts_is_told_with_its_definitions_and_only_where_it_is_known() {
    let page = visible(&render(&samples::healthy()).unwrap());
    for told in [
        "right among decided99.5 % 140,311 of 141,002",
        "share decided96.95 % 144,120 of 148,650",
        "apart902 came back for reasons",
        "A verdict counts if an outcome",
        "google.commailbox acceptedunder 1 day74,021103340.11 to 0.17 %",
        "bücher.examplecatch all",
        "no providercatch all",
        "48,9030.41 to 0.98 %0.6 % (311)",
        "48,800nothing was known",
        "written to before31,004",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let without = visible(&render(&samples::bad()).unwrap());
    assert!(!without.contains("earlier verdicts were"), "nothing is known");
    let few = AccuracySummary { kinds: Vec::new(), ..samples::accuracy() };
    let few = ReportData { accuracy: Some(few), ..samples::bad() };
    let few = visible(&render(&few).unwrap());
    assert!(few.contains("No kind of verdict has 30 mails yet"), "{few}");
}

#[test]
fn further_facts_are_said_rightly_of_a_single_row_too() {
    let page = render(&ReportData { no_address: 1, suggestions: 1, ..samples::bad() }).unwrap();
    for said in ["<b>1</b> with nothing to verify", "<b>1</b> with a suggestion"] {
        assert!(page.contains(said), "{said}: {page}");
    }
}
