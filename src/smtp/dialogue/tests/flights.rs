//! Several transactions in one flight.

use super::*;

const A: [&str; 2] = ["a@example.com", "b@example.com"];
const B: [&str; 1] = ["c@example.org"];

/// A session on which `MAIL` was accepted before.
fn proven() -> Talk {
    let mut talk = Talk::ready(PIPELINED);
    talk.begin(&recipients(&B)).says(&["250 ok", "250 ok", "250 ok"]);
    talk.dialogue.report();
    talk.sent();
    talk
}

fn begin_all(talk: &mut Talk, transactions: &[Transaction]) -> usize {
    let deadline = talk.now + Duration::from_secs(3600);
    talk.dialogue.begin_all(transactions, deadline, true, talk.now)
}

fn codes(reports: &[TransactionReport]) -> Vec<Vec<u16>> {
    reports.iter().map(|r| answers(r).into_iter().map(|(.., code)| code).collect()).collect()
}

#[test]
fn transactions_share_a_flight_and_keep_their_answers_apart() {
    let mut talk = proven();
    assert_eq!(begin_all(&mut talk, &[recipients(&A), recipients(&B)]), 2);
    assert_eq!(
        talk.sent(),
        "MAIL FROM:<>|RCPT TO:<a@example.com>|RCPT TO:<b@example.com>|RSET|\
         MAIL FROM:<>|RCPT TO:<c@example.org>|RSET|"
    );
    talk.says(&["250 ok", "250 ok", "550 no", "250 ok", "250 ok", "251 ok", "250 ok"]);
    assert_eq!(talk.dialogue.step(), Step::Ready);
    let reports: Vec<_> = talk.dialogue.reports().collect();
    assert_eq!(codes(&reports), [vec![250, 550], vec![251]]);
    assert!(reports.iter().all(|report| report.ended.is_none() && report.unanswered().is_empty()));
}

#[test]
fn the_first_transaction_goes_alone_where_the_server_may_want_tls_first() {
    let mut talk = Talk::ready(PIPELINED);
    assert_eq!(begin_all(&mut talk, &[recipients(&A), recipients(&B)]), 1);
    assert!(!talk.sent().contains("example.org"));
    let mut talk = Talk::ready("250-mx\n250 PIPELINING");
    assert_eq!(begin_all(&mut talk, &[recipients(&A), recipients(&B)]), 2);
}

#[test]
fn the_first_transaction_goes_alone_where_another_sender_may_be_needed() {
    let fallback = Some(recipient("probe@example.com"));
    let config = Config { fallback_mail_from: fallback, ..Config::default() };
    let mut talk = Talk::with(config, Hints::default());
    talk.says(&["220 mx", "250-mx\n250 PIPELINING"]).sent();
    assert_eq!(begin_all(&mut talk, &[recipients(&A), recipients(&B)]), 1);
}

#[test]
fn without_pipelining_transactions_go_one_by_one() {
    let mut talk = Talk::ready("250 mx");
    talk.begin(&recipients(&B)).says(&["250 ok", "250 ok", "250 ok"]);
    talk.dialogue.report();
    assert_eq!(begin_all(&mut talk, &[recipients(&A), recipients(&B)]), 1);
}

#[test]
fn a_goodbye_half_way_leaves_every_later_transaction_unanswered() {
    let mut talk = proven();
    begin_all(&mut talk, &[recipients(&A), recipients(&B)]);
    talk.says(&["250 ok", "250 ok", "421 bye"]);
    let reports: Vec<_> = talk.dialogue.reports().collect();
    assert_eq!(codes(&reports), [vec![250], vec![]]);
    assert_eq!(reports[0].unanswered(), [1]);
    assert_eq!(reports[1].unanswered(), [0]);
    assert!(reports[1].ended.is_some());
}

#[test]
fn a_refused_mail_is_the_answer_to_its_own_transaction_only() {
    let mut talk = proven();
    begin_all(&mut talk, &[recipients(&A), recipients(&B)]);
    talk.says(&["451 later", "503 no", "503 no", "250 ok", "250 ok", "250 ok", "250 ok"]);
    let reports: Vec<_> = talk.dialogue.reports().collect();
    assert_eq!(codes(&reports), [vec![451, 451], vec![250]]);
}

#[test]
fn who_would_need_another_round_goes_unanswered_and_the_next_flight_is_careful() {
    let mut talk = proven();
    begin_all(&mut talk, &[recipients(&A), recipients(&B)]);
    talk.says(&["250 ok", "530 TLS first", "250 ok", "250 ok", "250 ok", "250 ok", "250 ok"]);
    let reports: Vec<_> = talk.dialogue.reports().collect();
    assert_eq!(codes(&reports), [vec![250], vec![250]]);
    assert_eq!(reports[0].unanswered(), [0]);
    assert_eq!(begin_all(&mut talk, &[recipients(&A), recipients(&B)]), 1);
}

#[test]
fn a_refused_reset_ends_the_session_and_mixes_nothing_up() {
    let mut talk = proven();
    let all = [recipients(&A), recipients(&B), recipients(&B)];
    begin_all(&mut talk, &all);
    talk.says(&["250 ok", "250 ok", "250 ok", "502 no"]);
    let reports: Vec<_> = talk.dialogue.reports().collect();
    assert_eq!(codes(&reports), [vec![250, 250], vec![], vec![]]);
    assert!(talk.dialogue.ended().is_some());
}
