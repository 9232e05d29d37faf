use super::*;

const ROOM: FlightLimits = FlightLimits {
    recipients: 10,
    others: 10,
    asked: 10,
    transactions: 8,
    per_transaction: 5,
    controls: 9,
};

fn name(name: &str) -> DomainName {
    DomainName::from_ascii(name)
}

fn lane(jobs: &[(&str, u64)]) -> Lane {
    let mut lane = Lane::new(false, SessionLimits::default());
    for (domain, id) in jobs {
        lane.push(&name(domain), JobId(*id), false);
    }
    lane
}

fn planned(flight: &[PlannedTransaction]) -> Vec<(&str, Vec<u64>)> {
    flight.iter().map(|p| (p.domain.as_str(), p.jobs.iter().map(|job| job.0).collect())).collect()
}

#[test]
fn a_transaction_carries_one_domain_and_domains_take_turns() {
    let mut jobs: Vec<(&str, u64)> = (0..20).map(|id| ("big.example", id)).collect();
    jobs.push(("small.example", 100));
    let mut lane = lane(&jobs);
    let flight = lane.plan(ROOM);
    assert_eq!(
        planned(&flight),
        [
            ("big.example", vec![0, 1, 2, 3, 4]),
            ("small.example", vec![100]),
            ("big.example", vec![5, 6, 7, 8])
        ]
    );
    assert_eq!(lane.due(), 11);
}

#[test]
fn a_control_recipient_has_a_transaction_of_its_own() {
    let mut lane = lane(&[("a.example", 1), ("b.example", 2)]);
    let flight = lane.plan(ROOM);
    lane.push(&name("b.example"), JobId(3), false);
    assert!(lane.await_control(&name("a.example"), JobId(1)));
    lane.landed(&flight[0]);
    assert_eq!(lane.due(), 2);
    let flight = lane.plan(ROOM);
    assert_eq!(planned(&flight), [("b.example", vec![3]), ("a.example", vec![])]);
    assert_eq!(lane.due(), 0);
    assert!(lane.plan(ROOM).is_empty());
}

#[test]
fn a_control_recipient_waits_for_what_may_spare_it_but_not_for_a_whole_list() {
    let mut jobs: Vec<(&str, u64)> = (0..70).map(|id| ("a.example", id)).collect();
    jobs.push(("b.example", 100));
    let mut lane = lane(&jobs);
    let room = FlightLimits { recipients: 60, others: 60, asked: 60, per_transaction: 60, ..ROOM };
    let flight = lane.plan(room);
    assert_eq!(flight[0].jobs.len(), 60);
    for id in 0..49 {
        lane.await_control(&name("a.example"), JobId(id));
    }
    assert_eq!(lane.due(), 11, "others of its domain are still to be asked");
    lane.await_control(&name("a.example"), JobId(49));
    assert_eq!(lane.due(), 12);
    assert!(lane.plan(room).iter().any(PlannedTransaction::is_control));
}

#[test]
fn control_recipients_stay_within_their_room() {
    let mut lane = lane(&[("a.example", 1), ("b.example", 2)]);
    for planned in lane.plan(ROOM) {
        lane.await_control(&planned.domain, planned.jobs[0]);
        lane.landed(&planned);
    }
    let flight = lane.plan(FlightLimits { controls: 1, ..ROOM });
    assert_eq!(flight.iter().filter(|p| p.is_control()).count(), 1);
    assert_eq!(lane.due(), 1);
    assert!(lane.plan(FlightLimits { controls: 0, ..ROOM }).is_empty(), "and it does not spin");
    assert_eq!(lane.plan(ROOM).len(), 1);
}

#[test]
fn control_recipients_take_no_place_from_those_who_were_asked_about() {
    let mut lane = lane(&[("a.example", 1), ("b.example", 2)]);
    for planned in lane.plan(ROOM) {
        lane.await_control(&planned.domain, planned.jobs[0]);
        lane.landed(&planned);
    }
    (10..20).for_each(|id| lane.push(&name("c.example"), JobId(id), false));
    let flight = lane.plan(FlightLimits { recipients: 100, others: 100, asked: 5, ..ROOM });
    assert_eq!(
        planned(&flight),
        [("c.example", vec![10, 11, 12, 13, 14]), ("a.example", vec![]), ("b.example", vec![])]
    );
    assert_eq!(lane.due(), 5);
}

#[test]
fn what_comes_back_is_served_first_and_in_order() {
    let mut lane = lane(&[("a.example", 1), ("b.example", 2), ("b.example", 3)]);
    let flight = lane.plan(ROOM);
    assert_eq!(lane.due(), 0);
    lane.push(&name("c.example"), JobId(9), false);
    lane.landed(&flight[1]);
    lane.push_back_first(&name("b.example"), &[JobId(2), JobId(3)], false);
    let again = lane.plan(ROOM);
    assert_eq!(planned(&again), [("b.example", vec![2, 3]), ("c.example", vec![9])]);
}

#[test]
fn a_removed_job_is_not_asked_and_an_empty_domain_is_forgotten() {
    let mut lane = lane(&[("a.example", 1), ("a.example", 2)]);
    lane.remove(&name("a.example"), JobId(1));
    assert_eq!(lane.due(), 1);
    lane.remove(&name("a.example"), JobId(2));
    assert!(lane.plan(ROOM).is_empty());
    lane.tidy(&name("a.example"));
    assert!(lane.is_empty());
}

#[test]
fn taking_all_leaves_nothing_due() {
    let mut lane = lane(&[("b.example", 2)]);
    for planned in lane.plan(ROOM) {
        lane.await_control(&planned.domain, planned.jobs[0]);
        lane.landed(&planned);
    }
    lane.push(&name("a.example"), JobId(1), false);
    let (jobs, controls) = lane.take_all();
    assert_eq!(jobs.len(), 1);
    assert_eq!(controls, [name("b.example")]);
    assert_eq!(lane.due(), 0);
}

#[test]
fn callers_with_little_time_come_first_and_leave_half_to_the_others() {
    let mut jobs: Vec<(&str, u64)> = (0..20).map(|id| ("big.example", id)).collect();
    jobs.push(("small.example", 20));
    let mut lane = lane(&jobs);
    (30..37).for_each(|id| lane.push(&name("late.example"), JobId(id), true));
    lane.push(&name("big.example"), JobId(40), true);
    assert!(lane.pressed() > 0);
    let room = FlightLimits { recipients: 12, others: 12, asked: 12, per_transaction: 7, ..ROOM };
    assert_eq!(
        planned(&lane.plan(room)),
        [("late.example", vec![30, 31, 32, 33, 34, 35]), ("big.example", vec![0, 1, 2, 3, 4, 5])]
    );
    assert_eq!(
        planned(&lane.plan(room)),
        [
            ("big.example", vec![40, 6, 7, 8, 9, 10, 11]),
            ("late.example", vec![36]),
            ("small.example", vec![20]),
            ("big.example", vec![12, 13, 14]),
        ]
    );
    assert_eq!(lane.pressed(), 0);
    assert_eq!((lane.due(), lane.recount_due()), (5, 5));
}

#[test]
fn a_caller_with_little_time_is_taken_out_and_put_back_as_one() {
    let mut lane = lane(&[("a.example", 1)]);
    lane.push(&name("a.example"), JobId(2), true);
    lane.push(&name("a.example"), JobId(3), true);
    lane.remove(&name("a.example"), JobId(2));
    let flight = lane.plan(FlightLimits { others: 0, ..ROOM });
    assert_eq!(planned(&flight), [("a.example", vec![3])]);
    lane.landed(&flight[0]);
    lane.push_back_first(&name("a.example"), &[JobId(3)], true);
    assert!(lane.pressed() > 0);
    assert_eq!(planned(&lane.plan(ROOM)), [("a.example", vec![3, 1])]);
    lane.push(&name("b.example"), JobId(4), true);
    assert_eq!(lane.take_all().0, [(name("b.example"), JobId(4))]);
    assert_eq!(lane.pressed(), 0);
}

#[test]
fn without_room_for_others_only_callers_with_little_time_are_asked_about() {
    let mut lane = lane(&[("a.example", 1), ("b.example", 2), ("c.example", 3)]);
    for planned in lane.plan(FlightLimits { asked: 2, ..ROOM }) {
        lane.await_control(&planned.domain, planned.jobs[0]);
        lane.landed(&planned);
    }
    lane.press_control(&name("b.example"));
    lane.push(&name("c.example"), JobId(4), true);
    assert_eq!((lane.due(), lane.pressed()), (4, 2));
    let none = FlightLimits { others: 0, ..ROOM };
    assert_eq!(planned(&lane.plan(none)), [("c.example", vec![4]), ("b.example", vec![])]);
    assert_eq!((lane.due(), lane.pressed()), (2, 0));
    assert!(lane.plan(none).is_empty());
    assert_eq!(planned(&lane.plan(ROOM)), [("c.example", vec![3]), ("a.example", vec![])]);
}

#[test]
fn where_transactions_are_few_others_come_first_in_every_second_flight() {
    let mut lane = lane(&[("l1.example", 1), ("l2.example", 2), ("l3.example", 3)]);
    for id in 11..16 {
        lane.push(&name(&format!("p{id}.example")), JobId(id), true);
    }
    let room = FlightLimits { transactions: 2, ..ROOM };
    for (pressed_first, expected) in [(true, [11, 12]), (false, [1, 2]), (true, [13, 14])] {
        let flight = lane.plan(room);
        let jobs: Vec<u64> = planned(&flight).into_iter().flat_map(|(_, jobs)| jobs).collect();
        assert_eq!(jobs, expected, "{pressed_first}");
    }
    let alone = FlightLimits { others: 0, ..room };
    assert_eq!(planned(&lane.plan(alone)), [("p15.example", vec![15])], "they may not be named");
    assert_eq!(planned(&lane.plan(room)), [("l3.example", vec![3])]);
}

#[test]
fn one_transaction_is_shared_by_all_who_ask_about_its_domain() {
    let mut jobs: Vec<(&str, u64)> = (0..9).map(|id| ("a.example", id)).collect();
    jobs.push(("b.example", 9));
    let mut lane = lane(&jobs);
    lane.push(&name("a.example"), JobId(20), true);
    let room = FlightLimits { transactions: 1, ..ROOM };
    assert_eq!(planned(&lane.plan(room)), [("a.example", vec![20, 0, 1, 2, 3])]);
    assert_eq!((lane.due(), lane.recount_due()), (6, 6));
    assert_eq!(planned(&lane.plan(room)), [("a.example", vec![4, 5, 6, 7, 8])]);
    assert_eq!(planned(&lane.plan(room)), [("b.example", vec![9])]);
    assert!(lane.plan(room).is_empty());
}
