//! What a look-up in the lists costs, beside a plain `HashSet`, and what the lists weigh.

use std::collections::HashSet;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use mailvet::address::DomainName;
use mailvet::lists::{ListFile, ListKind, Lists};

#[expect(clippy::disallowed_methods, reason = "it happens once: criterion cannot repeat it")]
fn first_use(_: &mut Criterion) {
    let start = std::time::Instant::now();
    let bytes = Lists::built_in().memory_bytes();
    println!("all built-in lists: packed in {:.1?}, {bytes} bytes", start.elapsed());
}

fn look_ups(c: &mut Criterion) {
    let lists = Lists::built_in();
    let mut group = c.benchmark_group("lists");

    let ask = DomainName::from_ascii;
    let (listed, below) = (ask("guerrillamail.com"), ask("eu.mx.guerrillamail.com"));
    let (other, deep) = (ask("northwind-traders.com"), ask("mail.eu.northwind-traders.co.uk"));
    group.bench_function("disposable, listed", |b| {
        b.iter(|| lists.is_disposable(black_box(&listed)));
    });
    group.bench_function("disposable, below a listed name", |b| {
        b.iter(|| lists.is_disposable(black_box(&below)));
    });
    group.bench_function("disposable, not listed", |b| {
        b.iter(|| lists.is_disposable(black_box(&other)));
    });
    group.bench_function("disposable, not listed, five labels", |b| {
        b.iter(|| lists.is_disposable(black_box(&deep)));
    });
    let names: Vec<DomainName> = mailchecker::blacklist().into_iter().map(ask).collect();
    let mut all = names.iter().cycle();
    group.bench_function("disposable, every listed name in turn", |b| {
        b.iter(|| all.next().is_some_and(|name| lists.is_disposable(black_box(name))));
    });
    let naive: HashSet<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
    let mut all = names.iter().cycle();
    group.bench_function("HashSet<String>, every listed name in turn", |b| {
        b.iter(|| all.next().is_some_and(|name| naive.contains(black_box(name.as_str()))));
    });
    group.bench_function("free provider", |b| {
        b.iter(|| lists.is_free_provider(black_box(&other)));
    });
    group.bench_function("exchanger", |b| {
        b.iter(|| lists.is_disposable_exchanger(black_box(&deep)));
    });
    group.bench_function("role, a role with a region", |b| {
        b.iter(|| lists.is_role(black_box("sales-eu")));
    });
    group.bench_function("role, a person", |b| b.iter(|| lists.is_role(black_box("jane.doe"))));
    group.finish();
}

fn loading(c: &mut Criterion) {
    let kind = ListKind::Disposable;
    let text = mailchecker::blacklist().join("\n");
    let file = ListFile { kind, path: "disposable.txt".into(), text, modified: None };
    c.bench_function("a user's file of 56,000 domains, read and packed", |b| {
        b.iter(|| {
            Lists::with_files(black_box(std::slice::from_ref(&file))).map(|l| l.memory_bytes())
        });
    });
}

criterion_group!(benches, first_use, look_ups, loading);
criterion_main!(benches);
