//! A file of rules is refused, or its rules explain every reply.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailvet::smtp::{Classifier, ReplyView};

fuzz_target!(|text: &str| {
    let Ok(classifier) = Classifier::with_rules(text) else { return };
    for reply in ["550 5.1.1 no such user", "450 4.2.0 greylisted", text] {
        let _explanation = classifier.explain(&ReplyView::from_text(reply));
    }
});
