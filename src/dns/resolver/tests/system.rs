//! The name servers that the system names.

use super::*;

#[test]
fn a_link_local_name_server_is_left_out_and_where_it_is_the_only_one_the_remedy_is_told() {
    let servers: [SocketAddr; 2] =
        ["[fe80::1]:53", "192.0.2.1:53"].map(|server| server.parse().unwrap());
    assert_eq!(reachable(servers.to_vec()).unwrap(), servers[1..]);
    let told = reachable(servers[..1].to_vec()).unwrap_err().to_string();
    assert!(told.contains("fe80::1 needs its interface, as in [fe80::1%INDEX]:53"), "{told}");
    assert!(reachable(Vec::new()).unwrap_err().to_string().contains("none is configured"));
    let named: SocketAddr = "[fe80::1%2]:53".parse().unwrap();
    assert!(matches!(named, SocketAddr::V6(named) if named.scope_id() == 2));
}
