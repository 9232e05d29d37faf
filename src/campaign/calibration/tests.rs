//! Claims about what earlier sends let expect.

use std::time::Duration;

use super::*;
use crate::campaign::preflight::Percent;

fn at(day: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(86_400) * (20_000 + day)
}

fn send(day: u32, reason: Reason, mails: u64, gone: u64) -> SendTally {
    let counts = FateCounts { given: mails, arrived: mails - gone, gone, apart: 0 };
    SendTally { at: at(day), reasons: [(reason, counts)].into() }
}

fn expected(sends: &[SendTally], rows: &[(Reason, u64)], policy: SendPolicy) -> ExpectedBounces {
    let finished = rows.iter().copied().collect();
    let progress = Progress { finished, ..Progress::default() };
    Calibration::from_sends(sends).expect(&progress, policy, at(30))
}

#[test]
fn without_earlier_sends_nothing_is_expected() {
    let rows = [(Reason::MailboxAccepted, 1000)];
    let none = ExpectedBounces { range: None, mails: 0 };
    assert_eq!(expected(&[], &rows, SendPolicy::Deliverable), none);
    let few = [send(0, Reason::MailboxAccepted, 29, 0)];
    assert_eq!(expected(&few, &rows, SendPolicy::Deliverable).range, None);
}

#[test]
fn a_list_of_what_nothing_is_known_of_has_no_expectation() {
    let sends = [send(0, Reason::MailboxAccepted, 1000, 10)];
    let rows = [(Reason::MailboxAccepted, 100), (Reason::CatchAll, 100)];
    assert!(expected(&sends, &rows, SendPolicy::Deliverable).range.is_some());
    assert_eq!(expected(&sends, &rows, SendPolicy::DeliverableAndRisky).range, None);
}

#[test]
fn more_sends_of_one_share_make_the_range_narrow_and_undeliverable_rows_count_whole() {
    let rows = [(Reason::MailboxAccepted, 5000)];
    let width = |many: u32| {
        let sends: Vec<_> =
            (0..many).map(|day| send(day, Reason::MailboxAccepted, 4000, 60)).collect();
        let expected = expected(&sends, &rows, SendPolicy::Deliverable);
        assert_eq!(expected.mails, u64::from(many) * 4000);
        let range = expected.range.unwrap();
        assert!(range.low < Percent::try_from(1.5).unwrap(), "{range}");
        assert!(range.high > Percent::try_from(1.5).unwrap(), "{range}");
        range.high.fraction() - range.low.fraction()
    };
    assert!(width(12) < width(3) && width(3) < width(1));
    let sends: Vec<_> = (0..9).map(|day| send(day, Reason::MailboxAccepted, 4000, 60)).collect();
    let rows = [(Reason::MailboxAccepted, 900), (Reason::MailboxNotFound, 100)];
    let range = expected(&sends, &rows, SendPolicy::All).range.unwrap();
    assert!(range.low > Percent::whole(10) && range.high < Percent::whole(15), "{range}");
}

#[test]
fn a_forecast_that_was_wrong_widens_the_next() {
    let rows = [(Reason::MailboxAccepted, 4000)];
    let width = |gone: [u64; 4]| {
        let sends: Vec<_> = (0..4)
            .zip(gone)
            .map(|(day, gone)| send(day, Reason::MailboxAccepted, 4000, gone))
            .collect();
        let calibration = Calibration::from_sends(&sends);
        assert_eq!(calibration.sends[0].expected, None);
        assert!(calibration.sends[1].expected.is_some(), "by the one before alone");
        let range = expected(&sends, &rows, SendPolicy::Deliverable).range.unwrap();
        range.high.fraction() - range.low.fraction()
    };
    assert!(width([80, 20, 120, 40]) > 2.0 * width([65, 65, 65, 65]));
}
