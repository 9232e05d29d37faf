use std::collections::HashSet;
use std::time::Duration;

use hickory_resolver::proto::op::{DnsRequestOptions, Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

async fn ask(sockets: &UdpSockets, name: &str, timeout: Duration) -> Result<DnsResponse, NetError> {
    let query = Query::query(Name::from_ascii(name).unwrap(), RecordType::MX);
    let request = DnsRequest::from_query(query, DnsRequestOptions::default());
    sockets.exchange(&request, timeout).await
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
        let name = answer.unwrap().queries[0].name().to_string();
        assert_eq!(name, format!("d{n}.test."), "each gets its own");
    }
    assert_eq!(ports, SOCKETS);
}

#[tokio::test]
async fn a_port_is_left_after_its_questions_and_after_its_time() {
    let (_server, sockets) = server().await;
    let port = || sockets.socket().unwrap().shared.socket.local_addr().unwrap().port();
    let first: HashSet<u16> = (0..SOCKETS * 2_000).map(|_| port()).collect();
    assert_eq!(first.len(), SOCKETS);
    let second: HashSet<u16> = (0..SOCKETS).map(|_| port()).collect();
    assert_eq!(second.len(), SOCKETS);
    assert!(second.iter().filter(|port| first.contains(*port)).count() < SOCKETS / 2);
    for slot in sockets.slots.lock().slots.iter_mut().flatten() {
        slot.until -= AGE;
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
    let answer = answer.unwrap();
    assert_eq!(answer.queries[0].name().to_string(), "a.test.");
    assert!(!answer.metadata.authoritative, "it is the server's own");
}

#[tokio::test]
async fn a_header_alone_refuses_a_question_and_answers_none() {
    let (server, sockets) = server().await;
    let answering = async {
        let (question, from) = question(&server).await;
        let mut bare = reply(&question);
        bare.queries.clear();
        bare.edns = None;
        for code in [ResponseCode::NoError, ResponseCode::NXDomain, ResponseCode::FormErr] {
            bare.metadata.response_code = code;
            server.send_to(&bare.to_vec().unwrap(), from).await.unwrap();
        }
    };
    let asking = ask(&sockets, "a.test.", TIMEOUT);
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().metadata.response_code, ResponseCode::FormErr);
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
    answer.unwrap();
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
