//! Nanoseconds to tell what one reply means.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailvet::smtp::{Classifier, ReplyView, Stage};

const REPLIES: [(&str, &str); 5] = [
    ("accepted", "250 2.1.5 Ok"),
    (
        "unknown_user",
        "550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
    ),
    (
        "blocklist",
        "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.7",
    ),
    (
        "four_lines",
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 double-checking the recipient's email address for typos or\n550-5.1.1 unnecessary spaces. For more information, go to\n550 5.1.1  https://support.google.com/mail/?p=NoSuchUser",
    ),
    (
        "no_rule_knows_it",
        "550 Seventeen green elephants walked along the beach and nobody saw where they went",
    ),
];

fn classify(c: &mut Criterion) {
    let classifier = Classifier::builtin();
    let mut group = c.benchmark_group("classify");
    for (name, text) in REPLIES {
        let view = ReplyView::from_text(text).at(Stage::Rcpt);
        group.bench_function(name, |b| b.iter(|| classifier.explain(black_box(&view))));
    }
    let hostile = "no such user at mail box is not known ".repeat(1000);
    let view = ReplyView::from_text(&hostile).at(Stage::Rcpt);
    group.throughput(Throughput::Elements(1));
    group.bench_function("hostile_38_kB", |b| b.iter(|| classifier.explain(black_box(&view))));
    group.finish();
    c.bench_function("compile_all_rules", |b| b.iter(|| Classifier::with_rules(black_box(""))));
}

criterion_group!(benches, classify);
criterion_main!(benches);
