//! Claims about rule files, ours and a user's.

use super::explain;
use crate::smtp::meaning::{Classifier, Meaning, ReplyView, RuleBasis, RuleError};

/// The error that a user's file is refused with.
fn problem(toml: &str) -> String {
    Classifier::with_rules(toml).expect_err("the file is refused").to_string()
}

#[test]
fn every_rule_of_ours_decides_its_own_example() {
    let others: Vec<String> = Classifier::builtin()
        .examples()
        .into_iter()
        .filter(|(name, explanation)| explanation.rule != *name)
        .map(|(name, explanation)| format!("that of `{name}` by `{}`", explanation.rule))
        .collect();
    assert!(others.is_empty(), "examples decided by another rule: {}", others.join(", "));
}

#[test]
fn every_rule_of_ours_has_a_source_and_an_example_and_a_name_of_its_own() {
    let mut names = std::collections::HashSet::new();
    for rule in Classifier::builtin().rules() {
        assert!(!rule.source.is_empty() && !rule.example.is_empty(), "{}", rule.name);
        assert!(names.insert(rule.name), "{} is there twice", rule.name);
    }
    let lines = Classifier::builtin_files().iter().flat_map(|toml| toml.lines());
    let written = lines.filter(|line| *line == "[[rule]]").count();
    assert_eq!(names.len(), written, "a rule was dropped because its name is taken");
}

#[test]
fn no_meaning_is_without_a_rule() {
    let found: Vec<Meaning> = Classifier::builtin().rules().map(|rule| rule.meaning).collect();
    for meaning in Meaning::ALL.into_iter().filter(|meaning| *meaning != Meaning::Unknown) {
        assert!(found.contains(&meaning), "{meaning}");
    }
}

#[test]
fn a_users_rule_comes_before_ours() {
    let classifier = Classifier::with_rules(
        "[[rule]]\nname = \"our-partner\"\nmeaning = \"greylisted\"\nprovider = [\"mx.example.org\"]\n\
         phrases = [\"user unknown\"]\nexample = \"550 User unknown\"\n",
    )
    .expect("a good file");
    let text = "550 5.1.1 User unknown";
    let theirs = ReplyView::from_text(text).from_exchanger("a.MX.example.org.");
    assert_eq!(&*classifier.explain(&theirs).rule, "our-partner");
    for other in ["notmx.example.org", "example.org", "mx.example.org.example.net"] {
        let view = ReplyView::from_text(text).from_exchanger(other);
        assert_eq!(classifier.explain(&view).meaning, Meaning::MailboxNotFound, "{other}");
    }
}

#[test]
fn a_users_rule_takes_the_place_of_ours_of_the_same_name() {
    let classifier = Classifier::with_rules(
        "[[rule]]\nname = \"bare-storage\"\nmeaning = \"message_content\"\ncode = [\"552\"]\n\
         phrases = [\"zebra\"]\n",
    )
    .expect("a good file");
    assert_eq!(classifier.rules().filter(|rule| rule.name == "bare-storage").count(), 1);
    let meaning = |text| classifier.explain(&ReplyView::from_text(text)).meaning;
    assert_eq!(meaning("552 zebra"), Meaning::MessageContent);
    assert_ne!(meaning("552 hm"), Meaning::MailboxFull);
}

#[test]
fn a_users_words_join_ours() {
    let toml = "[words]\nmailbox = [\"postklootje\"]\n";
    let classifier = Classifier::with_rules(toml).expect("a good file");
    let view = ReplyView::from_text("550 postklootje does not exist");
    assert_eq!(classifier.explain(&view).meaning, Meaning::MailboxNotFound);
    assert_ne!(explain("550 postklootje does not exist").meaning, Meaning::MailboxNotFound);
}

#[test]
fn an_error_names_the_rule_the_line_and_the_remedy() {
    let head = "# mine\n[[rule]]\nname = \"x\"\n";
    for (rest, wanted) in [
        ("meaning = \"dead\"\n", "write one of accepted, mailbox_not_found"),
        ("meaning = \"greylisted\"\n", "it fits every reply"),
        ("meaning = \"greylisted\"\ncode = [\"5x0\"]\n", "`5x0` is not a code; write `550`"),
        ("meaning = \"greylisted\"\nenhanced = [\"5.1\"]\n", "`5.1` is not an enhanced status"),
        ("meaning = \"greylisted\"\nstage = [\"helo\"]\n", "`helo` is not a stage"),
        ("meaning = \"greylisted\"\nphrases = [\"a .. \"]\n", "begin and end with a word"),
        ("meaning = \"greylisted\"\nphrases = [\"a {b}\"]\n", "`{b}` is no word class"),
        ("meaning = \"greylisted\"\nphrases = [\"(a|b\"]\n", "a bracket is not closed"),
        ("meaning = \"greylisted\"\nphrases = [\"well-known\"]\n", "is more than one word"),
        ("meaning = \"greylisted\"\ncode = [\"550\"]\nwith = [\"a\"]\n", "move the phrases"),
        ("meaning = \"accepted\"\nphrases = [\"ok\"]\n", "only a 2yz accepts"),
        ("meaning = \"accepted\"\ncode = [\"250\", \"550\"]\n", "only a 2yz accepts"),
    ] {
        let text = problem(&format!("{head}{rest}"));
        assert!(text.starts_with("rule `x` (line 2): "), "{text}");
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn a_file_that_is_not_rules_is_refused_with_its_place() {
    let unknown = problem("[[rule]]\nname = \"x\"\nmeaning = \"greylisted\"\ncolour = \"red\"\n");
    assert!(unknown.contains("line 4") && unknown.contains("colour"), "{unknown}");
    assert!(matches!(Classifier::with_rules("= 1"), Err(RuleError::Toml(_))));
}

#[test]
fn two_rules_of_one_name_are_refused() {
    let rule = "[[rule]]\nname = \"x\"\nmeaning = \"greylisted\"\ncode = [\"450\"]\n";
    let text = problem(&format!("{rule}{rule}"));
    assert!(text.starts_with("rule `x` (line 5): a second rule of that name"), "{text}");
}

#[test]
fn an_example_that_another_rule_decides_is_refused() {
    let text = problem(
        "[[rule]]\nname = \"a\"\nmeaning = \"greylisted\"\nphrases = [\"zebra\"]\n\
         [[rule]]\nname = \"b\"\nmeaning = \"greylisted\"\nphrases = [\"zebra\"]\nexample = \"450 zebra\"\n",
    );
    assert!(text.starts_with("rule `b` (line 5): its example is decided by `a`"), "{text}");
}

#[test]
fn word_classes_that_name_themselves_are_refused() {
    let text = problem("[words]\nring = [\"{ring}\"]\n");
    assert!(text.contains("`ring`") && text.contains("is its own member"), "{text}");
    assert!(problem("compounds = [\"one\"]\n").contains("write two words"));
}

#[test]
fn the_basis_is_the_part_of_the_reply_that_a_rule_reads_whatever_its_name() {
    let basis = |conditions: &str, reply: &str| {
        let rule =
            format!("[[rule]]\nname = \"x\"\nmeaning = \"mailbox_not_found\"\n{conditions}\n");
        let classifier = Classifier::with_rules(&rule).expect("a good file");
        let found = classifier.explain(&ReplyView::from_text(reply));
        assert_eq!(&*found.rule, "x", "{conditions}");
        found.basis
    };
    for (conditions, reply, expected) in [
        ("code = [\"550\"]", "550 Hm", RuleBasis::Code),
        ("code = [\"550\"]\nenhanced = [\"5.7.99\"]", "550 5.7.99 Hm", RuleBasis::EnhancedStatus),
        ("code = [\"550\"]\nenhanced = [\"5.7.99\", \"none\"]", "550 5.7.99 Hm", RuleBasis::Code),
        ("code = [\"550\"]\nenhanced = [\"5.*.*\"]", "550 5.7.99 Hm", RuleBasis::Code),
        ("code = [\"550\"]\nphrases = [\"zebra\"]", "550 No zebra", RuleBasis::Words),
        ("code = [\"550\"]\nunless = [\"zebra\"]", "550 Hm", RuleBasis::Code),
    ] {
        assert_eq!(basis(conditions, reply), expected, "{conditions}");
    }
    let named =
        "[[rule]]\nname = \"bare-zebra\"\nmeaning = \"mailbox_not_found\"\nphrases = [\"zebra\"]\n";
    let classifier = Classifier::with_rules(named).expect("a good file");
    let found = classifier.explain(&ReplyView::from_text("550 No zebra"));
    assert!(!found.is_by_code_alone(), "{found:?}");
}

#[test]
fn a_limit_that_no_rule_can_name_is_refused() {
    let text = problem(
        "[[rule]]\nname = \"x\"\nmeaning = \"rate_limited\"\ncode = [\"452\"]\nlimit = \"cheese\"\n",
    );
    assert!(text.contains("no limit is called `cheese`; write `recipients`"), "{text}");
}
