//! Lookups that wait for their turn.

use super::*;

#[tokio::test(start_paused = true)]
async fn refreshes_and_lookups_are_bounded() {
    let config = Config { lookups_at_once: 2, refreshes_at_once: 1, ..Config::default() };
    let (script, cache) = cache_of(config);
    script.takes(s(1));
    let names: Vec<DomainName> = (0..6).map(|i| name(&format!("{i}.example"))).collect();
    let before = script.clock.now();
    let mut askers = JoinSet::new();
    for name in names.clone() {
        let cache = cache.clone();
        askers.spawn(async move { cache.domain(&name, None).await.unwrap() });
    }
    askers.join_all().await;
    assert_eq!(script.clock.now().duration_since(before).unwrap(), s(3), "two at a time");
    assert_eq!(script.domains(), 6);

    pass(95).await;
    for name in &names {
        assert!(cache.domain(name, None).await.unwrap().from_cache);
    }
    settle().await;
    assert_eq!(script.domains(), 1, "there was room for one refresh");
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_looked_up_though_its_asker_left_before_its_turn() {
    let (script, cache) = cache_of(Config { lookups_at_once: 1, ..Config::default() });
    assert_eq!(ask(&cache, None).await, LOOKED_UP);
    pass(200).await;
    script.takes(s(60));
    let _askers = ask_slow(&cache, 2);
    tokio::time::sleep(s(10)).await;
    script.takes(Duration::ZERO);
    assert_eq!(ask(&cache, None).await, STALE, "all turns are taken");
    settle().await;
    assert_eq!(ask(&cache, None).await, REMEMBERED);
    assert_eq!(script.domains(), 4);
}

/// Asks about so many domains at once.
fn ask_slow(cache: &DnsCache, count: usize) -> JoinSet<bool> {
    let mut askers = JoinSet::new();
    for n in 0..count {
        let cache = cache.clone();
        let name = name(&format!("slow{n}.example"));
        askers.spawn(async move { cache.domain(&name, None).await.is_ok() });
    }
    askers
}

#[tokio::test(start_paused = true)]
async fn slow_lookups_make_room_for_others_up_to_a_bound() {
    let (script, cache) = cache_of(Config { lookups_at_once: 2, ..Config::default() });
    script.takes(s(60));
    let began = script.clock.now();
    let askers = ask_slow(&cache, 20);
    settle().await;
    assert_eq!(script.domains(), 2);
    tokio::time::sleep(s(30)).await;
    assert_eq!(script.domains(), 2, "two turns, and two places of slow ones");
    assert!(askers.join_all().await.into_iter().all(|answered| answered));
    let took = script.clock.now().duration_since(began).unwrap();
    assert!(took < s(310), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_few_silent_domains_hold_up_no_other_question() {
    let (script, cache) = cache_of(Config { lookups_at_once: 2, ..Config::default() });
    script.takes(s(60));
    let _askers = ask_slow(&cache, 2);
    settle().await;
    script.takes(Duration::ZERO);
    let answered = tokio::time::timeout(s(4), ask(&cache, None)).await;
    assert_eq!(answered, Ok(LOOKED_UP));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_waited_for_its_turn_uses_the_lookup_that_ended_meanwhile() {
    let (script, cache) = cache_of(Config { lookups_at_once: 1, ..Config::default() });
    script.takes(s(1));
    let mut askers = JoinSet::new();
    // The first takes the only place, so that the others all wait for it without a lookup to join.
    for text in ["a.example", "b.example", "b.example", "b.example"] {
        let cache = cache.clone();
        askers.spawn(async move { cache.domain(&name(text), None).await.unwrap().from_cache });
    }
    assert_eq!(askers.join_all().await, [false; 4]);
    assert_eq!(script.domains(), 2);
}
