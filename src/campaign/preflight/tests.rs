use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::verdict::{Reason, Verdict};

fn progress(finished: &[(Reason, u64)], open: u64) -> Progress {
    let finished: BTreeMap<Reason, u64> = finished.iter().copied().collect();
    let rows = finished.values().sum::<u64>() + open;
    Progress { rows, mailboxes: rows, finished, ..Progress::default() }
}

fn preflight(finished: &[(Reason, u64)], open: u64, policy: SendPolicy) -> Preflight {
    let state = if open == 0 { State::Finished } else { State::Running };
    Preflight::of(&progress(finished, open), state, policy, &Thresholds::default())
}

fn kinds(preflight: &Preflight) -> Vec<(StepKind, u64, StepEffect)> {
    preflight.steps.iter().map(|step| (step.kind, step.rows, step.effect)).collect()
}

use Reason::{
    CatchAll, Greylisted, MailboxAccepted, MailboxNotFound, NotProbed, SenderBlocked, Timeout,
};

#[test]
fn a_clean_list_is_a_go_by_every_policy() {
    for policy in SendPolicy::ALL {
        let answer = preflight(&[(MailboxAccepted, 990), (MailboxNotFound, 10)], 0, policy);
        assert_eq!((answer.decision(), answer.basis()), (Decision::Go, Basis::FewEnough));
        assert!(answer.steps.is_empty());
    }
}

#[test]
fn behind_a_closed_port_the_cause_is_told_while_all_rows_still_wait() {
    let fault = |waiting: &[(Reason, u64)], finished: &[(Reason, u64)]| {
        let mut progress = progress(finished, 5_000);
        progress.waiting = waiting.iter().copied().collect();
        let policy = SendPolicy::Deliverable;
        Preflight::of(&progress, State::Running, policy, &Thresholds::default()).host_fault
    };
    let found = fault(&[(Reason::NoConnection, 140), (Timeout, 60)], &[(MailboxAccepted, 3)]);
    assert_eq!(found.unwrap().unreached, Share { count: 200, of: 203 });
    assert_eq!(fault(&[(Timeout, 99)], &[]), None, "the first rows say little");
    assert_eq!(fault(&[(Greylisted, 900)], &[(Timeout, 90)]), None, "their servers answer");
}

#[test]
fn one_deliverable_address_is_spoken_of_as_one() {
    let answer = preflight(&[(MailboxAccepted, 1), (Greylisted, 1)], 0, SendPolicy::Deliverable);
    assert!(
        answer.sentence().starts_with("Of 2 rows 1 is deliverable: its own"),
        "{}",
        answer.sentence()
    );
}

#[test]
fn sending_to_the_deliverable_has_no_bounce_that_is_known() {
    let rows = [(MailboxAccepted, 600), (MailboxNotFound, 300), (CatchAll, 100)];
    let answer = preflight(&rows, 0, SendPolicy::Deliverable);
    let chosen = answer.chosen();
    assert_eq!((chosen.sent_now, chosen.sent_at_most), (600, 600));
    assert_eq!(chosen.at_most.share, Share { count: 0, of: 600 });
    assert_eq!(answer.decision(), Decision::Go);
}

#[test]
fn nobody_who_opted_out_is_among_those_that_are_sent_to() {
    let rows = [(MailboxAccepted, 600), (CatchAll, 100), (Reason::OptedOut, 50)];
    let answer = preflight(&rows, 0, SendPolicy::DeliverableAndRisky);
    assert_eq!(answer.chosen().sent_now, 700);
    let answer = preflight(&rows, 0, SendPolicy::All);
    assert_eq!(answer.chosen().sent_now, 750);
}

#[test]
fn enough_known_bounces_are_a_no_and_the_careful_policy_is_named() {
    let rows = [(MailboxAccepted, 890), (MailboxNotFound, 100), (CatchAll, 10)];
    let answer = preflight(&rows, 0, SendPolicy::All);
    assert_eq!((answer.decision(), answer.basis()), (Decision::NoGo, Basis::KnownBounces));
    assert_eq!(answer.chosen().at_least.share, Share { count: 100, of: 1000 });
    assert_eq!(answer.chosen().at_most.share, Share { count: 110, of: 1000 });
    let to = StepKind::SendTo(SendPolicy::DeliverableAndRisky);
    assert_eq!(kinds(&answer), [(to, 100, StepEffect::Go)]);
}

#[test]
fn too_many_risky_ones_leave_only_the_deliverable() {
    let rows = [(MailboxAccepted, 900), (CatchAll, 100)];
    let answer = preflight(&rows, 0, SendPolicy::DeliverableAndRisky);
    assert_eq!((answer.decision(), answer.basis()), (Decision::CleanFirst, Basis::PossibleBounces));
    let to = StepKind::SendTo(SendPolicy::Deliverable);
    assert_eq!(kinds(&answer), [(to, 100, StepEffect::Go)]);
}

#[test]
fn the_edges_belong_to_the_worse_side() {
    let at = |bad| {
        preflight(&[(MailboxAccepted, 1000 - bad), (MailboxNotFound, bad)], 0, SendPolicy::All)
    };
    assert_eq!(at(49).decision(), Decision::Go);
    assert_eq!(at(50).decision(), Decision::CleanFirst);
    assert_eq!(at(99).decision(), Decision::CleanFirst);
    assert_eq!(at(100).decision(), Decision::NoGo);
}

#[test]
fn an_empty_list_is_a_no_and_says_so() {
    for policy in SendPolicy::ALL {
        let answer = preflight(&[], 0, policy);
        assert_eq!((answer.decision(), answer.basis()), (Decision::NoGo, Basis::EmptyList));
        assert_eq!(answer.headline(), "No go: the list is empty");
        assert!(answer.steps.is_empty());
    }
}

#[test]
fn a_list_on_which_nothing_is_answered_yet_says_wait() {
    for policy in SendPolicy::ALL {
        let answer = preflight(&[], 500, policy);
        assert_eq!(answer.decision(), Decision::CleanFirst, "{policy:?}");
        assert_eq!(kinds(&answer), [(StepKind::Wait, 500, StepEffect::MayBeGo)], "{policy:?}");
    }
    let all = preflight(&[], 500, SendPolicy::All);
    assert_eq!(all.chosen().at_most.share, Share { count: 500, of: 500 });
}

#[test]
fn a_list_that_is_still_coming_in_says_nothing_else() {
    let of = |rows| {
        let progress = progress(&[], rows);
        Preflight::of(&progress, State::Receiving, SendPolicy::All, &Thresholds::default())
    };
    for rows in [0, 7] {
        let answer = of(rows);
        assert_eq!((answer.decision(), answer.basis()), (Decision::CleanFirst, Basis::Receiving));
        assert_eq!(kinds(&answer), [(StepKind::Wait, rows, StepEffect::MayBeGo)]);
    }
}

#[test]
fn all_unknown_because_we_are_blocked_says_get_unblocked() {
    for policy in SendPolicy::ALL {
        let answer = preflight(&[(SenderBlocked, 990), (Timeout, 10)], 0, policy);
        assert_eq!(answer.decision(), Decision::CleanFirst, "{policy:?}");
        let first = answer.steps[0];
        assert_eq!((first.kind, first.rows), (StepKind::GetUnblocked, 990), "{policy:?}");
        assert_eq!(first.effect, StepEffect::MayBeGo, "{policy:?}");
        let text = format!("{} {}", answer.sentence(), first.sentence());
        assert!(text.contains("990") && text.contains("refuse this sender"), "{text}");
    }
}

#[test]
fn a_step_that_cannot_be_enough_says_so() {
    let rows = [(SenderBlocked, 500), (NotProbed, 400), (Greylisted, 100)];
    let answer = preflight(&rows, 0, SendPolicy::All);
    let helps = |kind, rows| (kind, rows, StepEffect::Helps);
    assert_eq!(
        kinds(&answer),
        [
            helps(StepKind::GetUnblocked, 500),
            helps(StepKind::AskAgain, 100),
            helps(StepKind::AskServers, 400)
        ]
    );
}

#[test]
fn where_too_many_are_known_to_bounce_learning_more_is_no_step() {
    let rows = [(MailboxAccepted, 600), (MailboxNotFound, 60), (Timeout, 330)];
    let answer = preflight(&rows, 10, SendPolicy::All);
    assert_eq!((answer.decision(), answer.basis()), (Decision::CleanFirst, Basis::KnownBounces));
    let to = StepKind::SendTo(SendPolicy::DeliverableAndRisky);
    assert_eq!(kinds(&answer), [(to, 400, StepEffect::Go)]);
}

#[test]
fn nobody_to_send_to_and_nobody_to_come_is_a_no() {
    let everybody = preflight(&[(MailboxNotFound, 10)], 0, SendPolicy::All);
    assert_eq!(everybody.headline(), "No go: 100 % would bounce");
    let answer = preflight(&[(MailboxNotFound, 10)], 0, SendPolicy::Deliverable);
    assert_eq!((answer.decision(), answer.basis()), (Decision::NoGo, Basis::NobodyLeft));
    let answer = preflight(&[(CatchAll, 10)], 0, SendPolicy::Deliverable);
    assert_eq!(answer.basis(), Basis::NobodyLeft);
    let answer = preflight(&[(Greylisted, 10)], 0, SendPolicy::DeliverableAndRisky);
    assert_eq!((answer.decision(), answer.basis()), (Decision::CleanFirst, Basis::NobodyYet));
    assert_eq!(kinds(&answer), [(StepKind::AskAgain, 10, StepEffect::MayBeGo)]);
}

#[test]
fn what_a_cancelled_batch_left_open_is_unknown_for_good() {
    let progress = progress(&[(MailboxAccepted, 600)], 400);
    let of = |policy| Preflight::of(&progress, State::Cancelled, policy, &Thresholds::default());
    let all = of(SendPolicy::All);
    assert_eq!(all.open, 0);
    assert_eq!(all.chosen().at_most.share, Share { count: 400, of: 1000 });
    assert!(kinds(&all).contains(&(StepKind::AskAgain, 400, StepEffect::MayBeGo)));
    let careful = of(SendPolicy::Deliverable);
    assert_eq!((careful.chosen().sent_at_most, careful.decision()), (600, Decision::Go));
}

#[test]
fn the_words_carry_the_numbers_they_rest_on() {
    let rows = [(MailboxAccepted, 39_000), (MailboxNotFound, 1_550), (CatchAll, 9_450)];
    let answer = preflight(&rows, 0, SendPolicy::All);
    assert_eq!(answer.headline(), "Clean first: up to 22 % may bounce");
    let text = answer.sentence();
    for part in ["at least 1,550 (3.1 %)", "at most 11,000 (22 %)", "5 %"] {
        assert!(text.contains(part), "{text}");
    }
    let to = "Send only to the deliverable addresses, which leaves out 11,000 addresses: it is a go \
              then.";
    assert_eq!(answer.steps[0].sentence(), to);
}

#[test]
fn a_go_for_the_rest_of_a_dead_list_carries_a_caution() {
    let rows = [(MailboxAccepted, 200), (MailboxNotFound, 800)];
    let answer = preflight(&rows, 0, SendPolicy::Deliverable);
    assert_eq!(answer.headline(), "Go: send to the deliverable addresses");
    let text = answer.sentence();
    assert!(text.contains("80 % of 1,000 rows are undeliverable. Where does this list"), "{text}");
}

#[test]
fn the_age_of_the_evidence_is_named() {
    let oldest = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_793_836_800);
    let counts = progress(&[(MailboxAccepted, 10)], 0);
    let counts = Progress { oldest_evidence: Some(oldest), ..counts };
    let of = |policy| Preflight::of(&counts, State::Finished, policy, &Thresholds::default());
    let text = of(SendPolicy::Deliverable).sentence();
    assert!(text.ends_with("The oldest evidence is of 5 November 2026."), "{text}");
}

#[test]
fn the_words_of_an_open_list_say_that_it_is_open() {
    for policy in SendPolicy::ALL {
        for rows in [vec![(MailboxAccepted, 50)], vec![(MailboxNotFound, 50)], vec![]] {
            let text = preflight(&rows, 250, policy).sentence();
            assert!(text.contains("250") && text.contains("still open"), "{policy:?}: {text}");
        }
    }
}

/// Up to so many rows of each verdict, and open ones.
fn lists() -> impl Strategy<Value = ([u64; 4], u64)> {
    let some = prop_oneof![Just(0), 0..5_u64, 0..200_u64, 0..2_000_000_u64];
    ([some.clone(), some.clone(), some.clone(), some.clone()], some)
}

/// Per cents that ascend.
fn thresholds() -> impl Strategy<Value = Thresholds> {
    (0..40_u32, 1..30_u32, 1..30_u32).prop_map(|(healthy, review, pause)| {
        let config = Config {
            healthy: Percent::whole(healthy),
            review: Percent::whole(healthy + review),
            pause: Percent::whole(healthy + review + pause),
        };
        Thresholds::try_from(config).unwrap()
    })
}

/// How the open rows turn out: cut into four verdicts and what stays open.
fn outcome(open: u64, cuts: [f64; 4]) -> [u64; 5] {
    let mut edges: Vec<u64> = cuts.iter().map(|cut| (cut * open as f64) as u64).collect();
    edges.sort_unstable();
    let [a, b, c, d] = edges[..] else { unreachable!("four cuts") };
    [a, b - a, c - b, d - c, open - d]
}

const REASONS: [Reason; 4] = [MailboxAccepted, CatchAll, MailboxNotFound, SenderBlocked];

fn at(rows: [u64; 4], open: u64, policy: SendPolicy, thresholds: &Thresholds) -> Preflight {
    let rows: Vec<(Reason, u64)> = REASONS.into_iter().zip(rows).collect();
    let state = if open == 0 { State::Finished } else { State::Running };
    Preflight::of(&progress(&rows, open), state, policy, thresholds)
}

proptest! {
    #[test]
    fn whatever_the_open_rows_become_the_bounds_and_the_decision_hold(
        (rows, open) in lists(),
        cuts in prop::array::uniform4(0.0..=1.0_f64),
        thresholds in thresholds(),
        policy in prop::sample::select(SendPolicy::ALL.to_vec()),
    ) {
        let before = at(rows, open, policy, &thresholds);
        let became = outcome(open, cuts);
        let later: [u64; 4] = std::array::from_fn(|i| rows[i] + became[i]);
        let after = at(later, became[4], policy, &thresholds);
        let (was, is) = (before.chosen(), after.chosen());
        prop_assert!((was.sent_now..=was.sent_at_most).contains(&is.sent_now));
        prop_assert!(is.sent_at_most <= was.sent_at_most);
        prop_assert!(was.at_least.share.count <= is.at_least.share.count);
        prop_assert!(is.at_most.share.count <= was.at_most.share.count);
        prop_assert!(was.at_least.share.cmp_share(is.at_least.share) != Ordering::Greater);
        prop_assert!(is.at_most.share.cmp_share(was.at_most.share) != Ordering::Greater);
        prop_assert!(was.at_least.band <= is.at_least.band);
        prop_assert!(is.at_most.band <= was.at_most.band);
        match was.decision {
            Decision::Go | Decision::NoGo => prop_assert_eq!(is.decision, was.decision),
            Decision::CleanFirst => {}
        }
    }

    #[test]
    fn however_the_uncertain_fare_the_bounces_are_within_the_bounds(
        (rows, open) in lists(),
        cuts in prop::array::uniform4(0.0..=1.0_f64),
        bounce in 0.0..=1.0_f64,
        thresholds in thresholds(),
        policy in prop::sample::select(SendPolicy::ALL.to_vec()),
    ) {
        let answer = at(rows, open, policy, &thresholds);
        let became = outcome(open, cuts);
        // What never gets a result is sent to blindly, or not at all.
        let [deliverable, risky, undeliverable, mut unknown] =
            std::array::from_fn(|i| rows[i] + became[i]);
        unknown += became[4];
        let (sent, certain, uncertain) = match policy {
            SendPolicy::Deliverable => (deliverable, 0, 0),
            SendPolicy::DeliverableAndRisky => (deliverable + risky, 0, risky),
            SendPolicy::All => (
                deliverable + risky + undeliverable + unknown,
                undeliverable,
                risky + unknown,
            ),
        };
        let bounces = Share { count: certain + (bounce * uncertain as f64) as u64, of: sent };
        let chosen = answer.chosen();
        prop_assert!((chosen.at_least.share.count..=chosen.at_most.share.count).contains(&bounces.count));
        prop_assert!(chosen.at_least.share.cmp_share(bounces) != Ordering::Greater);
        prop_assert!(bounces.cmp_share(chosen.at_most.share) != Ordering::Greater);
        if answer.decision() == Decision::Go {
            prop_assert!(thresholds.band(bounces) < Band::Review);
        }
        if policy == SendPolicy::All && answer.decision() == Decision::NoGo {
            prop_assert!(sent == 0 || thresholds.band(bounces) == Band::Pause);
        }
    }

    #[test]
    fn a_step_that_promises_a_go_keeps_its_word(
        (rows, open) in lists(),
        thresholds in thresholds(),
        policy in prop::sample::select(SendPolicy::ALL.to_vec()),
    ) {
        let answer = at(rows, open, policy, &thresholds);
        for step in &answer.steps {
            prop_assert_eq!(step.effect == StepEffect::Go, matches!(step.kind, StepKind::SendTo(_)));
            if let StepKind::SendTo(other) = step.kind {
                let then = at(rows, open, other, &thresholds);
                prop_assert_eq!(then.decision(), Decision::Go);
                prop_assert_eq!(answer.chosen().sent_now - then.chosen().sent_now, step.rows);
            }
        }
        prop_assert!(answer.decision() != Decision::Go || answer.steps.is_empty());
    }

    #[test]
    fn every_list_has_words(
        (rows, open) in lists(),
        policy in prop::sample::select(SendPolicy::ALL.to_vec()),
    ) {
        let answer = at(rows, open, policy, &Thresholds::default());
        prop_assert!(answer.headline().starts_with(answer.decision().label()));
        prop_assert!(answer.sentence().ends_with('.'));
        prop_assert_eq!(answer.rows, rows.iter().sum::<u64>() + open);
    }
}

#[test]
fn the_four_reasons_of_the_properties_are_of_the_four_verdicts() {
    assert_eq!(REASONS.map(Reason::verdict), Verdict::ALL);
}
