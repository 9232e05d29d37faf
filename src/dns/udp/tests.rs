use std::collections::HashSet;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;
use crate::dns::question_message::Form;

const TIMEOUT: Duration = Duration::from_secs(30);

async fn ask(sockets: &UdpSockets, name: &str, timeout: Duration) -> Result<UdpReply, NetError> {
    let name = Name::from_ascii(name).unwrap();
    let mut question = QuestionMessage::new(&name, RecordType::MX, Form::Edns).unwrap();
    sockets.exchange(&mut question, timeout).await
}

fn whole(reply: Result<UdpReply, NetError>) -> DnsResponse {
    match reply {
        Ok(UdpReply::Whole(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// The question that came, and from where.
async fn question(server: &UdpSocket) -> (Message, SocketAddr) {
    let mut buffer = [0; 1024];
    let (length, from) = server.recv_from(&mut buffer).await.unwrap();
    (Message::from_vec(&buffer[..length]).unwrap(), from)
}

/// A reply to `question` without records.
fn reply(question: &Message) -> Message {
    let mut reply = question.clone();
    reply.metadata.message_type = MessageType::Response;
    reply
}

async fn server() -> (UdpSocket, UdpSockets) {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let sockets = UdpSockets::new(server.local_addr().unwrap(), Clock::start());
    (server, sockets)
}

#[tokio::test]
async fn many_questions_under_way_share_a_few_ports() {
    let (server, sockets) = server().await;
    let answering = async {
        let mut ports = HashSet::new();
        // All are under way before the first is answered.
        let mut questions = Vec::new();
        for _ in 0..200 {
            questions.push(question(&server).await);
        }
        for (question, from) in questions {
            ports.insert(from.port());
            server.send_to(&reply(&question).to_vec().unwrap(), from).await.unwrap();
        }
        ports.len()
    };
    let asking = (0..200).map(async |n: u32| ask(&sockets, &format!("d{n}.test."), TIMEOUT).await);
    let asking = futures_util::future::join_all(asking);
    let (answers, ports) = tokio::join!(asking, answering);
    for (n, answer) in answers.into_iter().enumerate() {
        let name = whole(answer).queries[0].name().to_string();
        assert_eq!(name, format!("d{n}.test."), "each gets its own");
    }
    assert_eq!(ports, SOCKETS);
}

#[tokio::test]
async fn a_port_is_left_after_its_questions_and_after_its_time() {
    let (_server, sockets) = server().await;
    let port = || sockets.socket().unwrap().1.shared.socket.local_addr().unwrap().port();
    let first: HashSet<u16> = (0..SOCKETS * 2_000).map(|_| port()).collect();
    assert_eq!(first.len(), SOCKETS);
    let second: HashSet<u16> = (0..SOCKETS).map(|_| port()).collect();
    assert_eq!(second.len(), SOCKETS);
    assert!(second.iter().filter(|port| first.contains(*port)).count() < SOCKETS / 2);
    for slot in sockets.slots.lock().slots.iter_mut().flatten() {
        slot.opened_at -= AGE;
    }
    let third: HashSet<u16> = (0..SOCKETS).map(|_| port()).collect();
    assert!(third.iter().filter(|port| second.contains(*port)).count() < SOCKETS / 2);
}

#[tokio::test]
async fn a_reply_from_elsewhere_with_another_identifier_or_question_is_no_answer() {
    let (server, sockets) = server().await;
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let answering = async {
        let (question, from) = question(&server).await;
        let right = reply(&question);
        let mut forged = right.clone();
        forged.metadata.authoritative = true;
        stranger.send_to(&forged.to_vec().unwrap(), from).await.unwrap();
        let mut other_id = forged.clone();
        other_id.metadata.id = forged.id.wrapping_add(1);
        server.send_to(&other_id.to_vec().unwrap(), from).await.unwrap();
        forged.queries[0].set_name(Name::from_ascii("evil.test.").unwrap());
        server.send_to(&forged.to_vec().unwrap(), from).await.unwrap();
        server.send_to(&right.to_vec().unwrap(), from).await.unwrap();
    };
    let asking = ask(&sockets, "a.test.", TIMEOUT);
    let (answer, ()) = tokio::join!(asking, answering);
    let answer = whole(answer);
    assert_eq!(answer.queries[0].name().to_string(), "a.test.");
    assert!(!answer.metadata.authoritative, "it is the server's own");
}

/// What comes of these replies to one question, sent one after the other.
async fn said(replies: impl Fn(&Message) -> Vec<Vec<u8>>) -> Result<UdpReply, NetError> {
    let (server, sockets) = server().await;
    let answering = async {
        let (question, from) = question(&server).await;
        for reply in replies(&question) {
            server.send_to(&reply, from).await.unwrap();
        }
    };
    tokio::join!(ask(&sockets, "a.test.", TIMEOUT), answering).0
}

/// The header of a reply alone, with this code.
fn bare(question: &Message, code: ResponseCode) -> Message {
    let mut bare = reply(question);
    bare.queries.clear();
    bare.edns = None;
    bare.metadata.response_code = code;
    bare
}

#[tokio::test]
async fn a_header_alone_refuses_a_question_and_answers_none() {
    use ResponseCode::{FormErr, NXDomain, NoError, NotImp, Refused, ServFail};
    for refusal in [FormErr, NotImp, Refused, ServFail] {
        let answer = said(|question| {
            let codes = [NoError, NXDomain, refusal];
            codes.map(|code| bare(question, code).to_vec().unwrap()).to_vec()
        });
        assert_eq!(whole(answer.await).metadata.response_code, refusal);
    }
}

#[tokio::test]
async fn a_truncated_reply_is_known_by_its_header_whatever_is_left_of_it() {
    for (octets, code) in
        [(12, ResponseCode::Refused), (12, ResponseCode::NoError), (40, ResponseCode::NoError)]
    {
        let answer = said(|question| {
            let mut truncated = if octets == 12 { bare(question, code) } else { reply(question) };
            truncated.metadata.truncation = true;
            let owner = Name::from_ascii("a.test.").unwrap();
            let mail = RData::MX(MX::new(10, Name::from_ascii("mx.a.test.").unwrap()));
            if octets > 12 {
                truncated.add_answer(Record::from_rdata(owner, 60, mail));
            }
            let mut reply = truncated.to_vec().unwrap();
            assert!(reply.len() >= octets);
            reply.truncate(octets);
            vec![reply]
        });
        let answer = answer.await;
        assert!(matches!(answer, Ok(UdpReply::Truncated)), "{octets} {code}: {answer:?}");
    }
}

#[tokio::test]
async fn a_question_that_comes_back_is_no_reply() {
    let answer = said(|question| {
        vec![question.to_vec().unwrap(), vec![0; 2], reply(question).to_vec().unwrap()]
    });
    whole(answer.await);
}

#[tokio::test]
async fn a_socket_that_cannot_send_is_replaced_unless_it_is_young() {
    let (server, sockets) = server().await;
    // One that is connected to nobody.
    let lost = || {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Arc::new(Socket::listening(socket).unwrap())
    };
    let put = |age: Duration| {
        let opened_at = sockets.clock.now() - age;
        for slot in &mut sockets.slots.lock().slots {
            *slot = Some(Slot { socket: lost(), questions_left: 9, opened_at });
        }
    };
    put(Duration::ZERO);
    let answer = ask(&sockets, "a.test.", TIMEOUT).await;
    assert!(matches!(answer, Err(NetError::Io(_))), "{answer:?}");
    put(Duration::from_secs(2));
    let answering = async {
        let (question, from) = question(&server).await;
        server.send_to(&reply(&question).to_vec().unwrap(), from).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&sockets, "a.test.", TIMEOUT), answering);
    whole(answer);
}

#[tokio::test]
async fn a_question_that_was_sent_is_awaited_though_it_cannot_be_sent_again() {
    let (server, sockets) = server().await;
    let answering = async {
        let (question, from) = question(&server).await;
        let lost = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let lost = Arc::new(Socket::listening(lost).unwrap());
        for slot in &mut sockets.slots.lock().slots {
            // Young for as long as the question is sent again.
            let opened_at = sockets.clock.now() + TIMEOUT;
            *slot = Some(Slot { socket: Arc::clone(&lost), questions_left: 9, opened_at });
        }
        let is_tried_again =
            || sockets.slots.lock().slots.iter().flatten().any(|slot| slot.questions_left < 9);
        while !is_tried_again() {
            tokio::task::yield_now().await;
        }
        server.send_to(&reply(&question).to_vec().unwrap(), from).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&sockets, "a.test.", TIMEOUT), answering);
    whole(answer);
}

#[tokio::test]
async fn a_question_without_a_reply_is_sent_again_from_another_port() {
    let (server, sockets) = server().await;
    let answering = async {
        let (_, first) = question(&server).await;
        let (question, second) = question(&server).await;
        assert_ne!(first.port(), second.port());
        server.send_to(&reply(&question).to_vec().unwrap(), second).await.unwrap();
    };
    let asking = ask(&sockets, "a.test.", TIMEOUT);
    let (answer, ()) = tokio::join!(asking, answering);
    whole(answer);
}

#[tokio::test]
async fn a_silent_server_costs_the_time_it_was_given_and_leaves_nothing_behind() {
    let (_server, sockets) = server().await;
    let asking = ask(&sockets, "a.test.", Duration::from_millis(50));
    assert!(matches!(asking.await, Err(NetError::Timeout)));
    for slot in sockets.slots.lock().slots.iter().flatten() {
        assert!(slot.socket.shared.awaited.lock().is_empty());
    }
}

#[tokio::test]
async fn forged_replies_without_number_do_not_prolong_a_question() {
    let (server, sockets) = server().await;
    let flooding = async {
        let (question, from) = question(&server).await;
        let mut forged = reply(&question);
        forged.queries[0].set_name(Name::from_ascii("evil.test.").unwrap());
        let forged = forged.to_vec().unwrap();
        loop {
            server.send_to(&forged, from).await.unwrap();
        }
    };
    let asking = ask(&sockets, "a.test.", Duration::from_millis(50));
    tokio::select! {
        answer = asking => assert!(matches!(answer, Err(NetError::Timeout)), "{answer:?}"),
        () = flooding => {}
    }
}
