//! The four networks of a virtual machine's host, each with its example configuration and real
//! Linux hosts: bridge, host-only, NAT and DMZ.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use sekisho_tests::dhcp::{Client, Upstream};
use sekisho_tests::firewall::{Setup, example};
use sekisho_tests::namespace::Namespace;
use sekisho_tests::site::Site;
use sekisho_tests::skip;
use sekisho_tests::traffic::{Server, Service};

const LIMIT: Duration = Duration::from_secs(60);

/// How long a connection is tried that must not come about: longer than TCP's first repetition.
const CLOSED: Duration = Duration::from_millis(1500);

/// The one address of the virtual machine's host, which is on no segment of the firewall.
const HOST: &str = "203.0.113.5";

fn needs_root() -> bool {
    skip::without_root("real hosts need network namespaces")
}

/// What the server at an address says about who asks it.
#[track_caller]
fn who_am_i(host: &Namespace, server: &str, port: u16) -> String {
    let url = format!("curl -sS --connect-timeout 20 --max-time 40 http://{server}:{port}/");
    host.run(&url, LIMIT).expect_success().text
}

/// Checks that a connection is neither made nor seen by any of the servers that could have been meant.
#[track_caller]
fn expect_closed(host: &Namespace, address: &str, port: u16, servers: &[&Server]) {
    let before: Vec<usize> = servers.iter().map(|server| server.accepted()).collect();
    let ip: Ipv4Addr = address.parse().expect("an address");
    let socket: SocketAddr = (ip, port).into();
    let made = host.enter(|| TcpStream::connect_timeout(&socket, CLOSED));
    assert!(
        made.is_err(),
        "{} reached {address} port {port}",
        host.name()
    );
    let after: Vec<usize> = servers.iter().map(|server| server.accepted()).collect();
    assert_eq!(before, after, "{address} port {port} let somebody in");
}

#[track_caller]
fn expect_no_ping(host: &Namespace, address: &str) {
    let ping = host.run(&format!("ping -c 2 -i 0.2 -W 1 {address}"), LIMIT);
    assert!(!ping.status.success(), "{}", ping.text);
}

/// Gives the virtual machine's host the address of its own, and a server that listens on every address it has.
fn service_of_the_host(site: &Site) -> Server {
    site.switch.ip(&format!("address add {HOST}/32 dev lo"));
    let server = Server::start(&site.switch, 22, Service::WhoAmI);
    assert_eq!(
        who_am_i(&site.switch, HOST, 22),
        HOST,
        "the host's service works"
    );
    server
}

#[test]
fn bridge_routes_with_an_address_from_upstream_and_hides_the_host() {
    if needs_root() {
        return;
    }
    let site = Site::new(&["wan", "inside"]);
    let of_host = service_of_the_host(&site);
    let router = site.host_at("wan", "192.168.77.1/24", None);
    let upstream = Upstream::start(
        &router,
        "192.168.77.50",
        "192.168.77.50",
        "192.168.77.1",
        "192.168.77.1",
    );
    let firewall = site.boot(&Setup::default(), &example("bridge.toml"));
    firewall.console(|line| {
        line.contains("wan: address 192.168.77.50/24, gateway 192.168.77.1, by DHCP")
    });
    let address = upstream.leased().to_string();
    router.ip(&format!("route add 10.20.0.0/24 via {address}"));

    // A guest comes up by itself, and keeps its own address on its way out.
    let guest = site.host("inside");
    let client = Client::start(&guest);
    let lease = client.lease();
    let range = Ipv4Addr::new(10, 20, 0, 100)..=Ipv4Addr::new(10, 20, 0, 199);
    assert!(range.contains(&lease.address), "{lease:?}");
    assert_eq!(lease.routers, [Ipv4Addr::new(10, 20, 0, 1)]);
    let page = Server::start(&router, 80, Service::WhoAmI);
    assert_eq!(
        who_am_i(&guest, "192.168.77.1", 80),
        lease.address.to_string()
    );

    // From outside: mail and ping for the mail server, nothing else.
    let mail_host = site.host_at("inside", "10.20.0.25/24", Some("10.20.0.1"));
    let (mail, web) = (
        Server::start(&mail_host, 25, Service::WhoAmI),
        Server::start(&mail_host, 80, Service::WhoAmI),
    );
    let guests = Server::start(&guest, 25, Service::WhoAmI);
    assert_eq!(who_am_i(&router, "10.20.0.25", 25), "192.168.77.1");
    router
        .run("ping -c 2 -i 0.2 -W 10 10.20.0.25", LIMIT)
        .expect_success();
    router
        .run(&format!("ping -c 2 -i 0.2 -W 10 {address}"), LIMIT)
        .expect_success();
    let all = [&mail, &web, &guests, &page, &of_host];
    expect_closed(&router, "10.20.0.25", 80, &all);
    expect_closed(&router, &lease.address.to_string(), 25, &all);
    expect_closed(&router, &address, 25, &all);

    // The host has no address on its bridges, and nobody reaches it by way of the firewall.
    for bridge in ["br-wan", "br-inside"] {
        assert_eq!(
            site.switch
                .ip(&format!("-4 -brief address show dev {bridge}"))
                .split_whitespace()
                .nth(2),
            None
        );
    }
    router.ip(&format!("route add {HOST} via {address}"));
    for stranger in [&router, &guest] {
        expect_closed(stranger, HOST, 22, &all);
        expect_no_ping(stranger, HOST);
    }
}

#[test]
fn host_only_gives_addresses_and_no_way_out() {
    if needs_root() {
        return;
    }
    let site = Site::new(&["inside"]);
    let of_host = service_of_the_host(&site);
    let recording = site.record("inside");
    let firewall = site.boot(&Setup::default(), &example("host-only.toml"));
    let (one, two) = (site.host("inside"), site.host("inside"));
    let (first, second) = (Client::start(&one), Client::start(&two));
    let (first, second) = (first.lease(), second.lease());
    let range = Ipv4Addr::new(192, 168, 1, 128)..=Ipv4Addr::new(192, 168, 1, 254);
    assert!(
        range.contains(&first.address) && range.contains(&second.address),
        "{first:?} {second:?}"
    );
    assert_ne!(first.address, second.address);
    assert_eq!(
        (&first.routers, &first.names, first.seconds),
        (&vec![], &vec![], 1800)
    );

    // Guests reach each other and the firewall.
    let neighbour = Server::start(&two, 80, Service::WhoAmI);
    assert_eq!(
        who_am_i(&one, &second.address.to_string(), 80),
        first.address.to_string()
    );
    one.run("ping -c 2 -i 0.2 -W 10 192.168.1.1", LIMIT)
        .expect_success();

    // Even a guest who makes itself a route gets nowhere.
    one.ip("route add default via 192.168.1.1");
    for beyond in [HOST, "198.51.100.9", "10.0.2.2"] {
        expect_closed(&one, beyond, 22, &[&of_host, &neighbour]);
        expect_no_ping(&one, beyond);
    }
    expect_closed(&one, "192.168.1.1", 22, &[&of_host, &neighbour]);
    let totals = firewall.power_off();
    assert_eq!(totals.forwarded, 0, "{totals:?}");
    totals.expect_conserved();
    let recording = recording.finish();
    assert!(recording.count("icmp and src host 192.168.1.1") > 0);
    let strange = "ether src 52:54:00:00:00:01 and ip and not src host 192.168.1.1";
    assert_eq!(
        recording.lines(strange),
        [""; 0],
        "the firewall forwarded something"
    );
}

#[test]
fn nat_lets_guests_out_and_back_in_only_what_was_asked_or_forwarded() {
    if needs_root() {
        return;
    }
    let site = Site::new(&["wan", "guests"]);
    let of_host = service_of_the_host(&site);
    let recording = site.record("wan");
    let world = site.host_at("wan", "192.168.77.1/24", None);
    let upstream = Upstream::start(
        &world,
        "192.168.77.60",
        "192.168.77.60",
        "192.168.77.1",
        "192.168.77.53",
    );
    let firewall = site.boot(&Setup::default(), &example("nat.toml"));
    let address = upstream.leased().to_string();
    firewall.console(|line| line.contains(&format!("wan: address {address}/24")));

    let guest = site.host("guests");
    let client = Client::start(&guest);
    let lease = client.lease();
    let range = Ipv4Addr::new(192, 168, 8, 100)..=Ipv4Addr::new(192, 168, 8, 199);
    assert!(range.contains(&lease.address), "{lease:?}");
    assert_eq!(lease.routers, [Ipv4Addr::new(192, 168, 8, 1)]);
    assert_eq!(
        lease.names,
        [Ipv4Addr::new(192, 168, 77, 53)],
        "the name server of upstream"
    );
    assert_eq!(lease.seconds, 7200);

    // Out, with the firewall's address.
    let page = Server::start(&world, 80, Service::WhoAmI);
    assert_eq!(who_am_i(&guest, "192.168.77.1", 80), address);
    guest
        .run("ping -c 2 -i 0.2 -W 10 192.168.77.1", LIMIT)
        .expect_success();

    // The guest with the reservation offers its port 22 as 2222 of the firewall.
    let server = site.host("guests");
    server.ip("link set eth0 address 52:54:00:00:08:10");
    let client_of_server = Client::start(&server);
    assert_eq!(
        client_of_server.lease().address,
        Ipv4Addr::new(192, 168, 8, 10)
    );
    let ssh = Server::start(&server, 22, Service::WhoAmI);
    let hidden = Server::start(&server, 2222, Service::WhoAmI);
    let of_guest = Server::start(&guest, 22, Service::WhoAmI);
    assert_eq!(who_am_i(&world, &address, 2222), "192.168.77.1");
    // A guest that uses the outside address comes from there, too, so that the answers take the same way.
    assert_eq!(who_am_i(&guest, &address, 2222), address);
    assert_eq!((ssh.accepted(), hidden.accepted()), (2, 0));

    let all = [&ssh, &hidden, &of_guest, &of_host, &page];
    world.ip(&format!("route add 192.168.8.0/24 via {address}"));
    world.ip(&format!("route add {HOST} via {address}"));
    for (to, port) in [
        (address.as_str(), 22),
        (&address, 80),
        ("192.168.8.10", 22),
        ("192.168.8.10", 2222),
        (&lease.address.to_string(), 22),
        ("192.168.8.1", 22),
        (HOST, 22),
    ] {
        expect_closed(&world, to, port, &all);
    }
    expect_closed(&guest, HOST, 22, &all);
    for silent in [&address, "192.168.8.10", "192.168.8.1"] {
        expect_no_ping(&world, silent);
    }
    firewall.power_off().expect_conserved();
    let recording = recording.finish();
    assert!(recording.count(&format!("src host {address}")) > 0);
    assert_eq!(
        recording.lines("src net 192.168.8.0/24"),
        [""; 0],
        "an inside source left on the WAN"
    );
}

#[test]
fn dmz_offers_its_service_and_reaches_no_private_network() {
    if needs_root() {
        return;
    }
    let site = Site::new(&["wan", "dmz"]);
    let of_host = service_of_the_host(&site);
    let recording = site.record("wan");
    // The provider's side: a router with the name server, a private network and the world behind it.
    let router = site.host_at("wan", "10.0.2.2/24", None);
    for behind in ["10.0.2.3/24", "192.168.5.5/24", "198.51.100.9/24"] {
        router.ip(&format!("address add {behind} dev eth0"));
    }
    let upstream = Upstream::start(&router, "10.0.2.15", "10.0.2.15", "10.0.2.2", "10.0.2.3");
    let firewall = site.boot(&Setup::default(), &example("dmz.toml"));
    let address = upstream.leased().to_string();
    firewall.console(|line| line.contains("wan: address 10.0.2.15/24, gateway 10.0.2.2"));

    let server = site.host_at("dmz", "10.99.0.2/24", Some("10.99.0.1"));
    let public = Server::start(&server, 80, Service::WhoAmI);
    let others = [22, 443, 8080].map(|port| Server::start(&server, port, Service::WhoAmI));
    assert_eq!(
        who_am_i(&router, &address, 80),
        "10.0.2.2",
        "the public service"
    );
    let visitor = site.host_at("wan", "10.0.2.77/24", None);
    assert_eq!(who_am_i(&visitor, &address, 80), "10.0.2.77");

    // The DMZ's other ports, and all of it by its own address, are closed.
    let inside = [&public, &others[0], &others[1], &others[2], &of_host];
    visitor.ip(&format!("route add 10.99.0.0/24 via {address}"));
    for (to, port) in [
        (address.as_str(), 22),
        (&address, 443),
        (&address, 8080),
        ("10.99.0.2", 80),
        ("10.99.0.2", 22),
        ("10.99.0.1", 22),
    ] {
        expect_closed(&visitor, to, port, &inside);
    }
    for silent in [address.as_str(), "10.99.0.1", "10.99.0.2"] {
        expect_no_ping(&visitor, silent);
    }

    // From the DMZ: the world and the name server, no private network, not the host.
    let outside = Server::start(&router, 80, Service::WhoAmI);
    let names = Server::start(&router, 53, Service::WhoAmI);
    assert_eq!(who_am_i(&server, "198.51.100.9", 80), address);
    assert_eq!(who_am_i(&server, "10.0.2.3", 53), address);
    assert_eq!((outside.accepted(), names.accepted()), (1, 1));
    for (to, port) in [
        ("10.0.2.2", 80),
        ("10.0.2.2", 53),
        ("10.0.2.3", 80),
        ("192.168.5.5", 80),
        ("10.0.2.77", 80),
        ("10.99.0.1", 22),
    ] {
        expect_closed(&server, to, port, &[&outside, &names, &of_host]);
    }
    expect_no_ping(&server, "192.168.5.5");
    firewall.console(|line| line.starts_with("log: drop no-lan: dmz to wan"));
    // A guest without an address of its own gets one.
    let guest = site.host("dmz");
    let client = Client::start(&guest);
    let lease = client.lease();
    assert!(
        (100..=199).contains(&lease.address.octets()[3]),
        "{lease:?}"
    );
    assert_eq!(who_am_i(&guest, "198.51.100.9", 80), address);

    firewall.power_off().expect_conserved();
    let recording = recording.finish();
    assert!(recording.count(&format!("src host {address}")) > 0);
    assert_eq!(
        recording.lines("src net 10.99.0.0/24"),
        [""; 0],
        "an inside source left on the WAN"
    );
}

#[test]
fn a_changed_lease_takes_the_old_address_away_at_once() {
    if needs_root() {
        return;
    }
    let site = Site::new(&["wan", "guests"]);
    let world = site.host_at("wan", "192.168.77.1/24", None);
    let old = Upstream::start(
        &world,
        "192.168.77.50",
        "192.168.77.50",
        "192.168.77.1",
        "192.168.77.1",
    );
    let firewall = site.boot(&Setup::default(), &example("nat.toml"));
    assert_eq!(old.leased(), Ipv4Addr::new(192, 168, 77, 50));
    let guest = site.host_at("guests", "192.168.8.20/24", Some("192.168.8.1"));
    let page = Server::start(&world, 80, Service::WhoAmI);
    firewall.console(|line| line.contains("wan: address 192.168.77.50/24"));
    assert_eq!(who_am_i(&guest, "192.168.77.1", 80), "192.168.77.50");

    // A guest that never stops sending keeps the old mapping busy.
    let busy = guest.start("ping -i 0.05 192.168.77.1");
    busy.wait_for(|line| line.contains("bytes from"), LIMIT);
    // Upstream is another network when the cable is back, and its server refuses the old address.
    let vm = firewall.vm();
    vm.set_link(0, false).expect("the monitor answers");
    firewall.console(|line| line == "sekisho: wan: link down");
    drop(old);
    let recording = site.record("wan");
    let new = Upstream::start(
        &world,
        "192.168.77.60",
        "192.168.77.60",
        "192.168.77.1",
        "192.168.77.1",
    );
    vm.set_link(0, true).expect("the monitor answers");
    assert_eq!(new.leased(), Ipv4Addr::new(192, 168, 77, 60));
    firewall.console(|line| line.contains("wan: address 192.168.77.60/24"));
    assert_eq!(who_am_i(&guest, "192.168.77.1", 80), "192.168.77.60");
    assert_eq!(page.accepted(), 2);
    firewall.power_off().expect_conserved();
    let recording = recording.finish();
    assert!(recording.count("src host 192.168.77.60 and tcp") > 0);
    let with_old = recording.lines("ether src 52:54:00:00:00:01 and src host 192.168.77.50");
    assert_eq!(with_old, [""; 0], "the old address was still used");
    assert_eq!(
        recording.lines("src net 192.168.8.0/24"),
        [""; 0],
        "an inside source left on the WAN"
    );
}
