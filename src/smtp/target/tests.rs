use super::*;

fn dialled(address: &str, allowed: &[&str]) -> bool {
    let texts: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    AllowedNetworks::try_from(texts).unwrap().target(address.parse().unwrap()).is_some()
}

#[test]
fn global_unicast_is_dialled() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe::1",
        "3fff:1000::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ] {
        assert!(dialled(address, &[]), "{address}");
    }
}

#[test]
fn special_purpose_ipv4_is_refused() {
    for address in [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!dialled(address, &[]), "{address}");
    }
}

#[test]
fn special_purpose_ipv6_is_refused() {
    for address in [
        "::",
        "::1",
        "::2",
        "100::1",
        "100:0:0:1::1",
        "200::1",
        "400::1",
        "1fff::1",
        "4000::1",
        "5f00::1",
        "2001::1",
        "2001:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ffff::1",
    ] {
        assert!(!dialled(address, &[]), "{address}");
    }
}

#[test]
fn a_private_ipv4_address_is_private_in_every_disguise() {
    for v4 in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "0.0.0.0", "224.0.0.1"] {
        let bits: Ipv4Addr = v4.parse().unwrap();
        let [a, b, c, d] = bits.octets();
        for address in [
            format!("::ffff:{v4}"),
            format!("::{v4}"),
            format!("::ffff:0:{v4}"),
            format!("64:ff9b::{v4}"),
            format!("64:ff9b:1::{v4}"),
            format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            // Teredo hides the client's address by inverting it.
            format!("2001:0:808:808::{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d),
        ] {
            assert!(!dialled(&address, &[]), "{address}");
        }
    }
    // Forms that lead nowhere certain are refused whatever they carry.
    for address in ["::8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:0:1::8.8.8.8", "64:ff9c::1"] {
        assert!(!dialled(address, &[]), "{address}");
    }
}

#[test]
fn an_allowed_network_is_dialled_and_nothing_beside_it() {
    assert!(dialled("127.0.0.1", &["127.0.0.0/8"]));
    assert!(dialled("::ffff:127.0.0.1", &["127.0.0.0/8"]), "a mapped form counts as what it is");
    assert!(dialled("127.0.0.1", &["::ffff:127.0.0.0/104"]), "in the configuration too");
    assert!(dialled("::1", &["::1"]));
    assert!(dialled("10.1.2.3", &["127.0.0.1", "10.1.2.3"]));
    assert!(dialled("fd00::1", &["fd00::/8"]));
    assert!(!dialled("127.0.0.2", &["127.0.0.1"]));
    assert!(!dialled("10.0.0.1", &["127.0.0.0/8"]));
    assert!(!dialled("::1", &["127.0.0.0/8"]));
    assert!(!dialled("::127.0.0.1", &["127.0.0.0/8"]), "not a mapped form");
    assert!(!dialled("64:ff9b::10.0.0.1", &["10.0.0.0/8"]), "not reached as 10.0.0.1");
    assert!(!dialled("10.0.0.1", &["::/0"]), "IPv6 networks hold no IPv4 addresses");
}

#[test]
fn a_target_is_dialled_in_its_own_form() {
    let target = AllowedNetworks::default().target("::ffff:8.8.8.8".parse().unwrap()).unwrap();
    assert_eq!(target.address(), IpAddr::from([8, 8, 8, 8]));
}

#[test]
fn a_network_that_is_none_is_named_in_the_error() {
    let error = AllowedNetworks::try_from(vec!["10.0.0.0/33".to_owned()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"10.0.0.0/33\" is not a network; write one such as 127.0.0.0/8, ::1 or fd00::/8"
    );
}
