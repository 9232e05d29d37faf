//! Real DNS queries through hickory-resolver.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::*;

fn resolver(sandbox: &Sandbox) -> TokioResolver {
    resolver_with(sandbox, TIME_LIMIT)
}

fn resolver_with(sandbox: &Sandbox, time_limit: Duration) -> TokioResolver {
    let address = sandbox.nameserver();
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    let server = NameServerConfig::new(address.ip(), true, connections.into());
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.cache_size = 0;
    options.attempts = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = time_limit;
    builder.build().unwrap()
}

/// What an answer holds, as text, with its TTL.
async fn answers(
    resolver: &TokioResolver,
    name: &str,
    of: RecordType,
) -> Result<Vec<String>, NetError> {
    let found = resolver.lookup(format!("{name}."), of).await?;
    Ok(found.answers().iter().map(|r| format!("{} {}", r.ttl, text(&r.data))).collect())
}

fn text(data: &RData) -> String {
    match data {
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange),
        other => other.to_string(),
    }
}

/// The code, whether there is an SOA, and the negative TTL of an answer without records.
async fn nothing(
    resolver: &TokioResolver,
    name: &str,
    of: RecordType,
) -> (ResponseCode, Option<u32>) {
    match answers(resolver, name, of).await.unwrap_err() {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            assert!(none.soa.is_some(), "{name}");
            (none.response_code, none.negative_ttl)
        }
        error => panic!("{name}: {error}"),
    }
}

#[tokio::test]
async fn records_are_answered_with_their_ttl() {
    let sandbox = sandbox(
        "settings.ttl = \"2m\"\n\
         [names.\"a.test\"]\nmx = [\"10 mx1.a.test\", \"20 mx2.a.test\"]\nttl = \"7s\"\n\
         txt = [\"v=spf1 -all\"]\naaaa = [\"2001:db8::1\"]\n\
         [names.\"null.test\"]\nmx = [\"0 .\"]\n\
         [names.\"alias.test\"]\ncname = \"a.test\"\n\
         [exchangers.\"mx1.a.test\"]\naddresses = 2\n[exchangers.\"mx2.a.test\"]\n",
    )
    .await;
    let resolver = resolver(&sandbox);
    let mx = ["7 10 mx1.a.test.", "7 20 mx2.a.test."];
    assert_eq!(answers(&resolver, "A.test", RecordType::MX).await.unwrap(), mx);
    assert_eq!(answers(&resolver, "null.test", RecordType::MX).await.unwrap(), ["120 0 ."]);
    assert_eq!(answers(&resolver, "a.test", RecordType::TXT).await.unwrap(), ["7 v=spf1 -all"]);
    assert_eq!(answers(&resolver, "a.test", RecordType::AAAA).await.unwrap(), ["7 2001:db8::1"]);
    let alias = answers(&resolver, "alias.test", RecordType::MX).await.unwrap();
    assert_eq!(alias, ["120 a.test.", mx[0], mx[1]]);
    assert_eq!(answers(&resolver, "mx1.a.test", RecordType::A).await.unwrap().len(), 2);
    let address = sandbox.exchanger("mx2.a.test").unwrap().ip();
    let expected = [format!("120 {address}")];
    assert_eq!(answers(&resolver, "mx2.a.test", RecordType::A).await.unwrap(), expected);
    let dns = sandbox.counts().dns;
    assert!(dns.mx >= 3 && dns.a >= 2 && dns.txt >= 1 && dns.aaaa >= 1, "{dns:?}");
}

#[tokio::test]
async fn nothing_is_said_with_an_soa_and_its_lifetime() {
    let sandbox = sandbox(
        "settings.negative_ttl = \"90s\"\n\
         [names.\"a.test\"]\nnegative_ttl = \"11s\"\n\
         [names.\"gone.test\"]\nfails = { any = \"nxdomain\" }\nnegative_ttl = \"5s\"\n\
         [names.\"deep.below.test\"]\n",
    )
    .await;
    let resolver = resolver(&sandbox);
    let (nx, no) = (ResponseCode::NXDomain, ResponseCode::NoError);
    assert_eq!(nothing(&resolver, "a.test", RecordType::MX).await, (no, Some(11)));
    assert_eq!(nothing(&resolver, "b.test", RecordType::MX).await, (nx, Some(90)));
    assert_eq!(nothing(&resolver, "gone.test", RecordType::MX).await, (nx, Some(5)));
    // A name with names below it exists (RFC 8020).
    assert_eq!(nothing(&resolver, "below.test", RecordType::MX).await.0, no);
}

#[tokio::test]
async fn failures_are_failures_and_may_be_of_one_type_only() {
    let sandbox = sandbox(
        "[names.\"servfail.test\"]\nfails = { any = \"servfail\" }\n\
         [names.\"refused.test\"]\nfails = { any = \"refused\" }\n\
         [names.\"silent.test\"]\nfails = { any = \"silence\" }\n\
         [names.\"half.test\"]\nmx = [\"10 mx.a.test\"]\nfails = { aaaa = \"servfail\" }\n",
    )
    .await;
    let resolver = resolver(&sandbox);
    for (name, expected) in
        [("servfail.test", ResponseCode::ServFail), ("refused.test", ResponseCode::Refused)]
    {
        match answers(&resolver, name, RecordType::MX).await {
            Err(NetError::Dns(DnsError::ResponseCode(code))) => assert_eq!(code, expected),
            other => panic!("{name}: {other:?}"),
        }
    }
    let impatient = resolver_with(&sandbox, Duration::from_millis(30));
    let silent = answers(&impatient, "silent.test", RecordType::MX).await;
    assert!(matches!(silent, Err(NetError::Timeout)), "{silent:?}");
    assert!(answers(&resolver, "half.test", RecordType::AAAA).await.is_err());
    assert_eq!(answers(&resolver, "half.test", RecordType::MX).await.unwrap().len(), 1);
}

#[tokio::test]
async fn large_and_truncated_answers_come_over_tcp() {
    let many: Vec<_> = (0..100).map(|n| format!("\"{n} mx{n}.large.test\"")).collect();
    let sandbox = sandbox(&format!(
        "names.\"large.test\".mx = [{}]\n\
         [names.\"cut.test\"]\nmx = [\"10 mx.a.test\"]\nfails = {{ mx = \"truncated\" }}\n",
        many.join(", ")
    ))
    .await;
    let resolver = resolver(&sandbox);
    assert_eq!(answers(&resolver, "large.test", RecordType::MX).await.unwrap().len(), 100);
    assert_eq!(
        answers(&resolver, "cut.test", RecordType::MX).await.unwrap(),
        ["300 10 mx.a.test."]
    );
    assert!(sandbox.counts().dns.mx >= 4);
}

#[tokio::test]
async fn a_wildcard_stands_for_names_that_do_not_exist() {
    let sandbox = sandbox(
        "names.\"*.wild.test\".mx = [\"10 mx.a.test\"]\nnames.\"x.wild.test\".txt = [\"x\"]\n",
    )
    .await;
    let resolver = resolver(&sandbox);
    let mx = ["300 10 mx.a.test."];
    assert_eq!(answers(&resolver, "y.wild.test", RecordType::MX).await.unwrap(), mx);
    assert_eq!(answers(&resolver, "z.y.wild.test", RecordType::MX).await.unwrap(), mx);
    assert_eq!(nothing(&resolver, "x.wild.test", RecordType::MX).await.0, ResponseCode::NoError);
}

#[tokio::test]
async fn a_blocklist_lists_by_address_with_a_reason() {
    let sandbox = sandbox(
        "[blocklists]\n\"bl.test\" = [\n\
         { network = \"127.0.0.9/32\", reason = \"bad\", code = \"127.0.0.4\" },\n\
         { network = \"127.0.0.0/24\", reason = \"listed\" }]\n",
    )
    .await;
    let resolver = resolver(&sandbox);
    for (name, code, reason) in
        [("2.0.0.127.bl.test", "127.0.0.2", "listed"), ("9.0.0.127.bl.test", "127.0.0.4", "bad")]
    {
        let a = answers(&resolver, name, RecordType::A).await.unwrap();
        let txt = answers(&resolver, name, RecordType::TXT).await.unwrap();
        assert_eq!((a, txt), (vec![format!("300 {code}")], vec![format!("300 {reason}")]));
    }
    for name in ["1.1.0.127.bl.test", "0.0.127.bl.test", "1.2.0.0.127.bl.test"] {
        assert_eq!(
            nothing(&resolver, name, RecordType::A).await.0,
            ResponseCode::NXDomain,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_blocklist_lists_ipv6_addresses_by_nibble() {
    let sandbox =
        sandbox("blocklists.\"bl.test\" = [{ network = \"2001:db8::/64\", reason = \"bad\" }]\n")
            .await;
    let resolver = resolver(&sandbox);
    let nibbles = |last: &str| format!("{last}.{}8.b.d.0.1.0.0.2.bl.test", "0.".repeat(23));
    let listed = answers(&resolver, &nibbles("1"), RecordType::A).await.unwrap();
    assert_eq!(listed, ["300 127.0.0.2"]);
    let elsewhere = nibbles("1").replace("8.b.d.0", "9.b.d.0");
    for name in [elsewhere.as_str(), &nibbles("11"), &nibbles("x")] {
        let (code, _) = nothing(&resolver, name, RecordType::A).await;
        assert_eq!(code, ResponseCode::NXDomain, "{name}");
    }
}

#[tokio::test]
async fn generated_names_are_computed() {
    let sandbox = sandbox(
        "[[generated]]\ndomain = \"d{n}.bench.test\"\ndomains = 50000\n\
         host = \"mx.e{n}.test\"\nhosts = 3\n",
    )
    .await;
    let resolver = resolver(&sandbox);
    let mx = answers(&resolver, "d49999.bench.test", RecordType::MX).await.unwrap();
    assert_eq!(mx, ["300 10 mx.e1.test."]);
    let address = sandbox.exchanger("mx.e1.test").unwrap().ip();
    let a = answers(&resolver, "mx.e1.test", RecordType::A).await.unwrap();
    assert_eq!(a, [format!("300 {address}")]);
    assert_eq!(
        nothing(&resolver, "d50000.bench.test", RecordType::MX).await.0,
        ResponseCode::NXDomain
    );
    assert_eq!(nothing(&resolver, "mx.e3.test", RecordType::A).await.0, ResponseCode::NXDomain);
    assert_eq!(nothing(&resolver, "mx.e1.test", RecordType::AAAA).await.0, ResponseCode::NoError);
}

#[tokio::test]
async fn an_exchangers_address_leads_back_to_its_name() {
    // hickory answers 127.in-addr.arpa by itself, so the packet is made by hand.
    let sandbox = one("").await;
    let IpAddr::V4(address) = sandbox.exchanger("mx.a.test").unwrap().ip() else { panic!() };
    let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    let mut labels: Vec<String> = address.octets().iter().rev().map(u8::to_string).collect();
    labels.extend(["in-addr".to_owned(), "arpa".to_owned()]);
    for label in labels {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend(b"\x00\x00\x0c\x00\x01");
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query, sandbox.nameserver()).await.unwrap();
    let mut answer = [0; 512];
    let length = timeout(TIME_LIMIT, socket.recv(&mut answer)).await.unwrap().unwrap();
    let wanted = b"\x02mx\x01a\x04test\x00";
    assert!(answer[..length].windows(wanted.len()).any(|w| w == wanted));
    assert_eq!(sandbox.counts().dns.ptr, 1);
}
