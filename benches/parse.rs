//! What it costs to read an address, beside crate `email_address` alone on the same input.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use email_address::{EmailAddress, Options};
use mailvet::address::{Address, policy, suggest};

/// Addresses that both accept, so that both do all their work.
const ADDRESSES: &[(&str, &str)] = &[
    ("ascii", "jane.doe+news@mail.example.com"),
    ("idn", "jane.doe@b\u{fc}cher-und-mehr.example"),
    ("eai", "\u{7528}\u{6237}@\u{4f8b}\u{5b50}.\u{5e7f}\u{544a}"),
];

fn parse(c: &mut Criterion) {
    let options = Options::default().without_display_text();
    for (name, address) in ADDRESSES {
        let mut group = c.benchmark_group(format!("parse/{name}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("mailvet", |b| b.iter(|| Address::parse(black_box(address))));
        group.bench_function("email_address", |b| {
            b.iter(|| EmailAddress::parse_with_options(black_box(address), options));
        });
        group.finish();
    }
}

fn derive(c: &mut Criterion) {
    let address = Address::parse("Jane.Doe+news@googlemail.com").expect("a valid address");
    c.bench_function("identity", |b| b.iter(|| black_box(&address).identity()));
    c.bench_function("policy", |b| b.iter(|| policy::flags(black_box(&address).domain())));
    c.bench_function("suggest/nothing", |b| {
        b.iter(|| suggest::suggest(black_box("jane@example-company.com")));
    });
    c.bench_function("suggest/typo", |b| b.iter(|| suggest::suggest(black_box("jane@gmial.com"))));
}

criterion_group!(benches, parse, derive);
criterion_main!(benches);
