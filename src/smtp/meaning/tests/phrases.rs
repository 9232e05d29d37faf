//! Claims about the phrase language, through a classifier with one rule.

use crate::smtp::meaning::{Classifier, Meaning, ReplyView};

/// `true` if a phrase stands in a text.
fn stands(phrase: &str, text: &str) -> bool {
    let toml = format!(
        "compounds = [\"mail box\"]\n[words]\nanimal = [\"zebra\", \"gnu*\"]\n\
         [[rule]]\nname = \"only\"\nmeaning = \"unknown\"\ncode = [\"none\", \"5xx\"]\nphrases = ['{phrase}']\n"
    );
    let classifier = Classifier::with_rules(&toml).expect("the phrase is good");
    let view = ReplyView { code: None, ..ReplyView::from_text(text) };
    let explanation = classifier.explain(&view);
    explanation.meaning == Meaning::Unknown && &*explanation.rule == "only"
}

#[test]
fn case_accents_punctuation_and_white_space_do_not_matter() {
    for text in
        ["USER UNKNOWN", "user-unknown!", "«User»   unknown", "üser\nunknown", "user_unknown"]
    {
        assert!(stands("user unknown", text), "{text}");
    }
    assert!(stands("doesnt", "doesn't"));
    assert!(stands("voila", "voilà"));
}

#[test]
fn words_are_whole_unless_they_end_in_a_star() {
    assert!(!stands("use", "user"));
    assert!(stands("use*", "user"));
    assert!(!stands("ser*", "user"));
}

#[test]
fn gaps_are_bounded() {
    assert!(stands("a .. b", "a 1 2 3 b") && stands("a .. b", "a b"));
    assert!(!stands("a .. b", "a 1 2 3 4 b"));
    assert!(stands("a ... b", "a 1 2 3 4 5 6 7 8 b"));
    assert!(!stands("a ... b", "a 1 2 3 4 5 6 7 8 9 b"));
}

#[test]
fn no_phrase_reaches_over_the_end_of_a_sentence() {
    assert!(!stands("a .. b", "a 1. B"));
    assert!(!stands("a b", "a; b"));
    assert!(stands("a b", "a, b"));
    assert!(
        stands("destin sconosciuto", "destin. sconosciuto"),
        "an abbreviation ends no sentence"
    );
    assert!(stands("a", "a. B") && stands("b", "a. B"));
}

#[test]
fn an_elided_article_is_a_word_of_its_own() {
    assert!(stands("adresse", "L'adresse") && stands("existe pas", "n\u{2019}existe pas"));
    assert!(stands("doesnt", "doesn't") && stands("users", "user's"));
}

#[test]
fn choices_classes_and_optional_words() {
    assert!(stands("a the? {animal} (ran|fell over)", "a zebra ran"));
    assert!(stands("a the? {animal} (ran|fell over)", "A the gnus fell over"));
    assert!(!stands("a the? {animal} (ran|fell over)", "a gnu fell"));
    assert!(stands("a (b (c|d e)|f) g", "a b d e g"));
    assert!(stands("a (b c)? d", "a b c d") && stands("a (b c)? d", "a d"));
}

#[test]
fn anchors_hold_the_beginning_and_the_end() {
    assert!(stands("^ denied $", "550 5.7.1 denied."));
    assert!(!stands("^ denied $", "access denied") && !stands("^ denied $", "denied here"));
}

#[test]
fn compounds_are_one_word_in_phrases_and_texts() {
    for (phrase, text) in [("mail box full", "mailbox full"), ("mailbox full", "mail-box full")] {
        assert!(stands(phrase, text), "{phrase}");
    }
}

#[test]
fn names_become_placeholders() {
    assert!(stands("to <addr> from <ip>", "to <ada@example.org> from [192.0.2.1]:25"));
    assert!(stands("from <ip>", "from 2001:db8::1"));
    assert!(stands("on <host> now", "on mx1.example.org now"));
    assert!(stands("by .spamhaus", "by zen.spamhaus.org"));
    assert!(
        stands("see <url>", "see https://example.org/a")
            && stands("/nosuchuser", "http://x.y/?p=NoSuchUser")
    );
    assert!(!stands("spamhaus", "zen.spamhaus.org"), "a label is no word");
    assert!(stands("found please", "found please"));
    assert!(!stands("<host>", "found.Please"), "two sentences without a blank are no host");
}

#[test]
fn codes_and_continuations_do_not_tear_phrases_apart() {
    assert!(stands("no such user", "550-5.1.1 no such\n550 5.1.1 user"));
    assert!(stands("said", "said: 550 5.1.1 x") && stands("5.1.1", "said: 550 5.1.1 x"));
}

#[test]
fn scripts_without_blanks_match_anywhere() {
    assert!(stands("不存在", "您的用户不存在。"));
    assert!(stands("존재하지", "사용자가 존재하지 않습니다"));
    assert!(!stands("存不在", "不存在"));
}
