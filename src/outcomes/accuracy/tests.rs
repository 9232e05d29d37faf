//! Claims about accuracy: how verdicts and mail are put together, and what the intervals hold.

use std::time::SystemTime;

use super::*;
use crate::campaign::calibration::{Calibration, FateCounts, SendTally};
use crate::campaign::{Progress, SendPolicy};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn day(days: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * (20_000 + days)
}

fn verdict(at: u32, reason: Reason) -> FollowedVerdict {
    FollowedVerdict {
        at: day(at),
        gathered_at: day(at),
        send: "spring".to_owned(),
        reason,
        provider: "acme.test".to_owned(),
    }
}

/// The counts of verdicts with these outcomes of mail.
fn counted(verdicts: Vec<FollowedVerdict>, outcomes: &[(u32, OutcomeKind)]) -> Vec<FateCounts> {
    let fate = |(at, kind): &(u32, OutcomeKind)| Some((day(*at), MailFate::from_kind(*kind)?));
    let outcomes: Vec<_> = outcomes.iter().filter_map(fate).collect();
    let mut builder = TallyBuilder::default();
    builder.add_mailbox(verdicts, &outcomes);
    builder.into_tallies().kinds.into_values().collect()
}

fn counts(arrived: u64, gone: u64, apart: u64) -> FateCounts {
    FateCounts { given: 1, arrived, gone, apart }
}

#[test]
fn only_gone_speaks_against_an_accepted_address() {
    use OutcomeKind::{Blocked, Complaint, Delivered, Full, Gone, Sent, Temporary, Unsubscribed};
    for (outcomes, expected) in [
        (vec![], counts(0, 0, 0)),
        (vec![(1, Sent)], counts(1, 0, 0)),
        (vec![(1, Delivered)], counts(1, 0, 0)),
        (vec![(1, Complaint)], counts(1, 0, 0)),
        (vec![(1, Sent), (2, Gone)], counts(0, 1, 0)),
        (vec![(1, Delivered), (2, Gone)], counts(0, 1, 0)),
        (vec![(1, Sent), (2, Blocked)], counts(0, 0, 1)),
        (vec![(1, Full)], counts(0, 0, 1)),
        (vec![(1, Temporary), (2, Delivered)], counts(1, 0, 0)),
        (vec![(1, Unsubscribed)], counts(0, 0, 0)),
    ] {
        let found = counted(vec![verdict(0, Reason::MailboxAccepted)], &outcomes);
        assert_eq!(found, [expected], "{outcomes:?}");
    }
}

#[test]
fn an_outcome_counts_for_the_last_verdict_before_it_and_for_seven_days() {
    let verdicts = || vec![verdict(0, Reason::MailboxAccepted), verdict(3, Reason::CatchAll)];
    let found = counted(verdicts(), &[(5, OutcomeKind::Gone)]);
    assert_eq!(found, [counts(0, 0, 0), counts(0, 1, 0)]);
    let found = counted(verdicts(), &[(2, OutcomeKind::Gone)]);
    assert_eq!(found, [counts(0, 1, 0), counts(0, 0, 0)]);
    let found = counted(verdicts(), &[(11, OutcomeKind::Gone)]);
    assert_eq!(found, [counts(0, 0, 0), counts(0, 0, 0)]);
}

#[test]
fn a_bounce_within_the_second_of_a_verdict_comes_after_it() {
    let late = day(0) + Duration::from_millis(900);
    let verdict = FollowedVerdict { at: late, ..verdict(0, Reason::MailboxAccepted) };
    assert_eq!(counted(vec![verdict], &[(0, OutcomeKind::Gone)]), [counts(0, 1, 0)]);
}

#[test]
fn right_among_decided_is_told_with_the_share_decided() {
    let mut builder = TallyBuilder::default();
    let mut add = |many: u32, reason, fate: Option<MailFate>| {
        for _ in 0..many {
            let outcomes: Vec<_> = fate.map(|fate| (day(1), fate)).into_iter().collect();
            builder.add_mailbox(vec![verdict(0, reason)], &outcomes);
        }
    };
    add(97, Reason::MailboxAccepted, Some(MailFate::Arrived));
    add(2, Reason::MailboxAccepted, Some(MailFate::Gone));
    add(5, Reason::MailboxAccepted, Some(MailFate::Apart));
    add(4, Reason::MailboxNotFound, Some(MailFate::Gone));
    add(1, Reason::MailboxNotFound, Some(MailFate::Arrived));
    add(91, Reason::Greylisted, None);
    let accuracy = Accuracy::from_tallies(&builder.into_tallies());
    assert_eq!(accuracy.right, Share { count: 101, of: 104 });
    assert_eq!(accuracy.decided, Share { count: 109, of: 200 });
    assert_eq!(accuracy.apart, 5);
    let told: Vec<bool> = accuracy.reasons.iter().map(|row| row.gone.is_some()).collect();
    assert_eq!(told, [true, false, false], "silent under 30 mails");
    assert_eq!(accuracy.kinds.len(), 1);
}

/// Numbers that are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.share().max(1e-300).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.share()).cos()
    }

    /// Successes in so many trials, by the gaps between them.
    fn successes(&mut self, trials: u64, chance: f64) -> u64 {
        let (mut at, mut found) = (0.0, 0);
        loop {
            at += (self.share().max(1e-300).ln() / (-chance).ln_1p()).floor() + 1.0;
            if at > trials as f64 {
                return found;
            }
            found += 1;
        }
    }
}

/// Mail providers of one world, the first of which lies at RCPT: the chance that accepted mail
/// comes back, and that of mail to catch-all domains, as logits.
struct SimulatedWorld {
    numbers: Numbers,
    drift: f64,
    chances: Vec<[f64; 2]>,
}

const REASONS: [Reason; 2] = [Reason::MailboxAccepted, Reason::CatchAll];

impl SimulatedWorld {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers(seed.wrapping_mul(7919).wrapping_add(13));
        let drift = 0.25 * numbers.share();
        let logit = |chance: f64| (chance / (1.0 - chance)).ln();
        let chances = (0..6).map(|provider| {
            let honest = 0.004 + 0.01 * numbers.share();
            let accepted = if provider == 0 { 0.08 } else { honest };
            [logit(accepted), logit(0.03 + 0.1 * numbers.share())]
        });
        let chances = chances.collect();
        Self { numbers, drift, chances }
    }

    fn chance(&self, provider: usize, reason: usize) -> f64 {
        1.0 / (1.0 + (-self.chances[provider][reason]).exp())
    }

    /// Sends once, counted by provider; then the world drifts.
    fn send(&mut self) -> Vec<[FateCounts; 2]> {
        let size = 100.0 + 300.0 * self.numbers.share();
        let mut sent = Vec::new();
        for provider in 0..self.chances.len() {
            let of = |mails: f64| (mails * (0.5 + provider as f64 / 6.0)) as u64;
            sent.push([(0, of(size * 0.85)), (1, of(size * 0.15))].map(|(reason, mails)| {
                let gone = self.numbers.successes(mails, self.chance(provider, reason));
                FateCounts { given: mails, arrived: mails - gone, gone, apart: 0 }
            }));
        }
        let common = self.numbers.normal();
        for chance in self.chances.iter_mut().flatten() {
            *chance += self.drift * 0.7 * (common + self.numbers.normal());
        }
        sent
    }
}

fn tally(number: u32, sent: &[[FateCounts; 2]]) -> SendTally {
    let mut reasons: BTreeMap<Reason, FateCounts> = BTreeMap::new();
    for (reason, counts) in sent.iter().flat_map(|counts| REASONS.into_iter().zip(*counts)) {
        reasons.entry(reason).or_default().add(counts);
    }
    SendTally { at: day(7 * number), reasons }
}

fn holds(range: PercentRange, share: f64) -> bool {
    range.low.fraction() <= share && share <= range.high.fraction()
}

/// A thousand worlds, each with some sends, then one more that was forecast; every cell and every
/// forecast is held against what is true.
#[test]
fn intervals_of_95_per_cent_hold_in_a_thousand_drifting_worlds_with_a_liar() {
    let (mut cells, mut cells_held, mut forecasts, mut forecasts_held) = (0, 0, 0, 0);
    for seed in 0..1000 {
        let mut world = SimulatedWorld::new(seed);
        let many = 4 + u32::try_from(seed % 8).unwrap();
        let (mut tallies, mut truth) = (OutcomeTallies::default(), BTreeMap::new());
        for number in 0..many {
            let chances = world.chances.clone();
            let sent = world.send();
            tallies.sends.push(tally(number, &sent));
            for (provider, counts) in sent.iter().enumerate() {
                for (at, reason) in REASONS.into_iter().enumerate() {
                    let age = EvidenceAge::Day;
                    let kind = VerdictKind { reason, provider: provider.to_string(), age };
                    tallies.kinds.entry(kind.clone()).or_default().add(counts[at]);
                    let chance = 1.0 / (1.0 + (-chances[provider][at]).exp());
                    *truth.entry(kind).or_insert(0.0) += chance * counts[at].mails() as f64;
                }
            }
        }
        let accuracy = Accuracy::from_tallies(&tallies);
        for row in &accuracy.kinds {
            let (provider, age) = row.part.clone().unwrap();
            let kind = VerdictKind { reason: row.reason, provider, age };
            cells += 1;
            let share = truth[&kind] / row.counts.mails() as f64;
            cells_held += u32::from(holds(row.gone.unwrap(), share));
        }
        let next = tally(many, &world.send());
        let finished = next.reasons.iter().map(|(reason, it)| (*reason, it.given)).collect();
        let progress = Progress { finished, ..Progress::default() };
        let policy = SendPolicy::DeliverableAndRisky;
        let expected = Calibration::from_sends(&tallies.sends).expect(&progress, policy, next.at);
        let mails: u64 = next.reasons.values().map(FateCounts::mails).sum();
        let gone: u64 = next.reasons.values().map(|counts| counts.gone).sum();
        forecasts += 1;
        forecasts_held += u32::from(holds(expected.range.unwrap(), gone as f64 / mails as f64));
    }
    let share = |held: u32, of: u32| 100.0 * f64::from(held) / f64::from(of);
    let (cells, forecasts) = (share(cells_held, cells), share(forecasts_held, forecasts));
    println!("{cells:.1} % of the cells, {forecasts:.1} % of the forecasts");
    assert!((93.0..=97.0).contains(&cells), "{cells} % of the cells");
    assert!((93.0..=97.0).contains(&forecasts), "{forecasts} % of the forecasts");
}
