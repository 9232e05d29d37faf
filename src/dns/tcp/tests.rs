use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::net::TcpListener;

use super::*;
use crate::dns::question_message::Form;

fn request(name: &str) -> QuestionMessage {
    let name = Name::from_ascii(name).unwrap();
    QuestionMessage::new(&name, RecordType::MX, Form::Edns).unwrap()
}

async fn server() -> (TcpListener, TcpConnections) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let connections = TcpConnections::new(listener.local_addr().unwrap());
    (listener, connections)
}

/// The question on a connection.
async fn question(stream: &mut TcpStream) -> Message {
    let mut octets = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut octets).await.unwrap();
    Message::from_vec(&octets).unwrap()
}

async fn send(stream: &mut TcpStream, reply: &Message) {
    let octets = reply.to_vec().unwrap();
    stream.write_u16(octets.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&octets).await.unwrap();
}

/// What comes of a reply to one question, changed by `change`.
async fn said(change: impl FnOnce(&mut Message)) -> Result<DnsResponse, NetError> {
    let (listener, connections) = server().await;
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut reply = question(&mut stream).await;
        reply.metadata.message_type = MessageType::Response;
        change(&mut reply);
        send(&mut stream, &reply).await;
    };
    let request = request("a.test.");
    tokio::join!(connections.exchange(&request), answering).0
}

#[tokio::test]
async fn a_response_is_taken_whole_and_about_its_question_or_not_at_all() {
    assert_eq!(said(|_| {}).await.unwrap().queries, [request("a.test.").query().clone()]);
    let other = said(|reply| {
        reply.queries[0].set_name(Name::from_ascii("b.test.").unwrap());
    });
    assert!(matches!(other.await, Err(NetError::Message(_))));
    let other = said(|reply| reply.metadata.id = reply.id.wrapping_add(1)).await;
    assert!(matches!(other, Err(NetError::Message(_))));
    let cut = said(|reply| reply.metadata.truncation = true).await;
    assert!(matches!(cut, Err(NetError::Truncated)), "{cut:?}");
}

#[tokio::test]
async fn a_connection_that_ends_early_is_an_error_and_the_next_question_has_its_own() {
    let (listener, connections) = server().await;
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        question(&mut stream).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut reply = question(&mut stream).await;
        reply.metadata.message_type = MessageType::Response;
        send(&mut stream, &reply).await;
    };
    let asking = async {
        let first = connections.exchange(&request("a.test.")).await;
        assert!(matches!(first, Err(NetError::Io(_))), "{first:?}");
        connections.exchange(&request("a.test.")).await.unwrap();
    };
    tokio::join!(asking, answering);
}

#[tokio::test]
async fn a_server_meets_few_connections_at_a_time_and_those_given_up_leave_theirs() {
    let (listener, connections) = server().await;
    let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let silent = request("silent.test.");
    let given_up = async {
        let all = (0..CONNECTIONS).map(|_| connections.exchange(&silent));
        let all = futures_util::future::join_all(all);
        let time = tokio::time::timeout(std::time::Duration::from_millis(100), all).await;
        assert!(time.is_err());
    };
    given_up.await;
    for _ in 0..CONNECTIONS {
        drop(listener.accept().await.unwrap());
    }
    let serve = async |mut stream: TcpStream| {
        most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let mut reply = question(&mut stream).await;
        reply.metadata.message_type = MessageType::Response;
        tokio::task::yield_now().await;
        open.fetch_sub(1, Ordering::SeqCst);
        send(&mut stream, &reply).await;
    };
    let serving = async {
        let mut streams = Vec::new();
        for _ in 0..4 * CONNECTIONS {
            streams.push(listener.accept().await.unwrap().0);
            if streams.len() == CONNECTIONS {
                futures_util::future::join_all(streams.drain(..).map(&serve)).await;
            }
        }
    };
    let request = request("a.test.");
    let asking = (0..4 * CONNECTIONS).map(|_| connections.exchange(&request));
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asking), serving);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::SeqCst), CONNECTIONS);
}
