//! Claims about any text at all.

use proptest::prelude::*;

use crate::smtp::meaning::words::ReplyWords;
use crate::smtp::meaning::{Classifier, MAX_EXAMINED, Meaning, Ourselves, ReplyView};
use crate::smtp::{EnhancedStatus, Stage};

/// Words that our rules know, so that generated replies reach them.
fn reply_like() -> impl Strategy<Value = String> {
    let words: Vec<String> = Classifier::builtin()
        .rules()
        .flat_map(|rule| rule.example.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..20).prop_map(|words| words.join(" "))
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,200}", reply_like(), "[ -~]{0,300}", "(a@|\\.|550-|5\\.1\\.1|://|:){0,60}"]
}

fn any_status() -> impl Strategy<Value = Option<EnhancedStatus>> {
    let status = (2_u8..6, 0_u16..9, 0_u16..1000);
    prop::option::of(status.prop_map(|(class, subject, detail)| EnhancedStatus {
        class,
        subject,
        detail,
    }))
}

proptest! {
    #[test]
    fn no_text_panics_and_only_a_2yz_accepts(
        text in any_text(),
        code in prop::option::of(0_u16..1000),
        enhanced in any_status(),
        stage in prop::sample::select(vec![None, Some(Stage::Banner), Some(Stage::Mail), Some(Stage::Rcpt), Some(Stage::Data)]),
    ) {
        let view = ReplyView { code, enhanced, text: &text, stage, exchanger: Some("mx.example.org"), ourselves: Ourselves::default() };
        let meaning = Classifier::builtin().explain(&view).meaning;
        // RFC 5321 section 4.3.2: at RCPT only 250, 251 and 252 are an acceptance.
        let positive = code.is_some_and(|code| match stage {
            None | Some(Stage::Rcpt) => (250..=252).contains(&code),
            _ => (200..300).contains(&code),
        });
        prop_assert_eq!(meaning == Meaning::Accepted, positive);
        let _ = ReplyView::from_text(&text);
    }

    #[test]
    fn a_4yz_is_dead_only_by_the_rules_that_say_so(text in any_text(), code in 400_u16..500, enhanced in any_status()) {
        let view = ReplyView { code: Some(code), enhanced, text: &text, stage: Some(Stage::Rcpt), exchanger: None, ourselves: Ourselves::default() };
        let explanation = Classifier::builtin().explain(&view);
        let plain = ["no-such-mailbox-later", "unverified-said-no"].contains(&&*explanation.rule);
        prop_assert!(!explanation.meaning.is_dead() || plain, "{:?}", explanation);
    }

    #[test]
    fn the_words_read_are_bounded(text in any_text()) {
        let (text, compounds) = (text.repeat(20), Default::default());
        let words = ReplyWords::from_text(&text, &compounds, Ourselves::default());
        prop_assert!(words.count < 256);
        prop_assert_eq!(words.joined.len(), words.position.len());
        // Each byte makes a bounded number of bytes of words: placeholders, labels, folding.
        prop_assert!(words.joined.len() <= 16 * MAX_EXAMINED, "{}", words.joined.len());
    }
}

#[test]
fn what_stands_beyond_the_limit_is_not_read() {
    let mut text = "x".repeat(MAX_EXAMINED);
    text.push_str(" user unknown");
    let view = ReplyView { code: None, ..ReplyView::from_text(&text) };
    assert_eq!(Classifier::builtin().explain(&view).meaning, Meaning::Unknown);
}
