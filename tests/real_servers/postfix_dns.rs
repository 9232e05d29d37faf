//! What Postfix says after it asked DNS. Its resolver is the system's, so each test has a network
//! of its own.

use std::net::{Ipv4Addr, SocketAddr};

use crate::harness::Label::SenderBlocked;
use crate::harness::{
    Dialogue, Dns, Postfix, Reply, Stage, answer_to, in_a_network_of_its_own, saw,
};

/// Where the system's resolver is in a network of a test's own.
const RESOLVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

fn saw_a_block(stage: Stage, condition: &str, reply: &Reply) {
    saw(&Postfix::version(), condition, stage, SenderBlocked, reply);
}

#[test]
fn postfix_reads_a_dns_blocklist() {
    in_a_network_of_its_own("postfix_dns::postfix_reads_a_dns_blocklist", async {
        let reason = "Listed, see https://zen.test/lookup";
        let dns = Dns::builder().blocked("zen.test", Ipv4Addr::LOCALHOST, reason);
        let _dns = dns.start(RESOLVER).await;
        let server = Postfix::builder()
            .mailbox("ok@a.test")
            .restriction("reject_rbl_client zen.test")
            .start()
            .await;
        assert_eq!(server.address.port(), 25, "port 25 is free in here");
        let reply = answer_to(server.address, "ok@a.test").await;
        assert!(reply.text.contains(reason), "{reply:?}");
        saw_a_block(Stage::Rcpt, "reject_rbl_client", &reply);

        let server = Postfix::builder()
            .mailbox("ok@a.test")
            .setting("smtpd_client_restrictions", "reject_rbl_client zen.test")
            .setting("smtpd_delay_reject", "no")
            .start()
            .await;
        let (_, greeting) = Dialogue::open(server.address).await;
        saw_a_block(Stage::Connect, "reject_rbl_client at connect", &greeting);
    });
}

#[test]
fn postfix_looks_up_the_client_the_sender_and_the_name_we_give() {
    let name = "postfix_dns::postfix_looks_up_the_client_the_sender_and_the_name_we_give";
    in_a_network_of_its_own(name, async {
        let _dns = Dns::builder().address("known.test", Ipv4Addr::LOCALHOST).start(RESOLVER).await;
        for (condition, sender) in [
            ("reject_unknown_sender_domain", "us@nowhere.test"),
            ("reject_unknown_helo_hostname", "us@known.test"),
            ("reject_unknown_client_hostname", "us@known.test"),
        ] {
            let server =
                Postfix::builder().mailbox("ok@a.test").restriction(condition).start().await;
            let reply = Dialogue::from(server.address, sender).await.rcpt("ok@a.test").await;
            saw_a_block(Stage::Rcpt, condition, &reply);
        }
    });
}

#[test]
fn postfix_asks_the_senders_own_server_about_the_sender() {
    let name = "postfix_dns::postfix_asks_the_senders_own_server_about_the_sender";
    in_a_network_of_its_own(name, async {
        // A Postfix takes no mail from one of the same name.
        let ours = Postfix::builder().setting("myhostname", "mx.b.test").mailbox("us@b.test");
        let ours = ours.start().await;
        let dns = Dns::builder().mail("b.test", ours.address).start(RESOLVER).await;
        assert_eq!(dns.address, RESOLVER);
        let server = Postfix::builder()
            .mailbox("ok@a.test")
            .restriction("reject_unverified_sender")
            .setting("address_verify_poll_delay", "1s")
            .start()
            .await;
        let mut us = Dialogue::from(server.address, "us@b.test").await;
        assert_eq!(us.rcpt("ok@a.test").await.code, 250);
        let mut stranger = Dialogue::from(server.address, "no@b.test").await;
        let reply = stranger.rcpt("ok@a.test").await;
        saw_a_block(Stage::Rcpt, "reject_unverified_sender", &reply);
    });
}
