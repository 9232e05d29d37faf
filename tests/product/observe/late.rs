//! A name server that answers only while it is up: what it is asked then, the sandbox answers.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) struct LateNameServer {
    pub(crate) address: SocketAddr,
    up: watch::Sender<bool>,
    asked: watch::Receiver<u64>,
    _relaying: JoinSet<()>,
}

impl LateNameServer {
    /// Not up yet.
    pub(crate) async fn start(behind: SocketAddr) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = front.local_addr().unwrap();
        let (up, is_up) = watch::channel(false);
        let (count, asked) = watch::channel(0);
        let mut relaying = JoinSet::new();
        relaying.spawn(async move {
            let (mut question, mut answer) = ([0; 4096], [0; 4096]);
            loop {
                let (octets, from) = front.recv_from(&mut question).await.unwrap();
                count.send_modify(|count| *count += 1);
                if *is_up.borrow() {
                    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                    back.send_to(&question[..octets], behind).await.unwrap();
                    let octets = back.recv(&mut answer).await.unwrap();
                    front.send_to(&answer[..octets], from).await.unwrap();
                }
            }
        });
        Self { address, up, asked, _relaying: relaying }
    }

    pub(crate) fn is_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    /// Waits until so many questions have come.
    pub(crate) async fn asked(&mut self, times: u64) {
        let asked = self.asked.wait_for(|asked| *asked >= times);
        tokio::time::timeout(crate::process::TIME_LIMIT, asked).await.unwrap().unwrap();
    }
}
