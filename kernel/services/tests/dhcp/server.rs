//! A server against hand-made clients.

use std::net::Ipv4Addr;

use sekisho_config::check;
use sekisho_services::Mac;
use sekisho_services::datagram::{self, Route};
use sekisho_services::leases::{self, Refused};
use sekisho_services::message::ClientKey;
use sekisho_services::server::{Outcome, Server};
use smoltcp::wire::DhcpMessageType;

use crate::hosts::*;

#[test]
fn an_offer_tells_all_that_a_host_needs() {
    let mut server = server(
        "range = \"10.9.0.100-10.9.0.101\"\nlease = \"1h\"\ndns = [\"192.0.2.53\", \"192.0.2.54\"]\nrouter = \"self\"\ndomain = \"lan.example\"",
    );
    let discover = says(DhcpMessageType::Discover, GUEST);
    let answer = tell(&mut server, &discover, at(1)).0.expect("an offer");
    assert_eq!(answer.route.macs, (SERVER_MAC, GUEST));
    assert_eq!(
        answer.route.addresses.1, answer.your,
        "unicast to the offered address"
    );
    assert!(answer.len >= 300, "BOOTP's size");
    assert_eq!(answer.option(1), Some(&[255, 255, 255, 0][..]));
    assert_eq!(answer.option(3), Some(&[10, 9, 0, 1][..]));
    assert_eq!(answer.option(6), Some(&[192, 0, 2, 53, 192, 0, 2, 54][..]));
    assert_eq!(answer.option(15), Some(&b"lan.example"[..]));
    assert_eq!(answer.option(28), Some(&[10, 9, 0, 255][..]));
    assert_eq!(answer.option(51), Some(&3600_u32.to_be_bytes()[..]));
    assert_eq!(answer.option(54), Some(&[10, 9, 0, 1][..]));
    assert_eq!(answer.option(58), Some(&1800_u32.to_be_bytes()[..]));
    assert_eq!(answer.option(59), Some(&3150_u32.to_be_bytes()[..]));
}

#[test]
fn upstreams_name_servers_are_passed_on() {
    let config = check(
        b"version = 1\n[zone.wan]\ncard = \"52:54:00:00:00:02\"\naddress = \"dhcp\"\n[zone.inside]\ncard = \"52:54:00:00:00:01\"\naddress = \"10.9.0.1/24\"\ndhcp = { range = \"10.9.0.100-10.9.0.101\", dns = \"upstream\" }\n",
    )
    .unwrap_or_else(|report| panic!("{report}"))
    .config;
    let dhcp = config.zones.iter().find_map(|zone| zone.dhcp.as_ref());
    let own = "10.9.0.1/24".parse().expect("a prefix");
    let mut server = Server::new(dhcp.expect("a server"), own, SERVER_MAC, 1500, 7);
    let discover = says(DhcpMessageType::Discover, GUEST);
    let answer = tell(&mut server, &discover, at(1)).0.expect("an offer");
    assert_eq!(answer.option(6), Some(&[192, 0, 2, 53, 192, 0, 2, 54][..]));
}

#[test]
fn a_client_that_cannot_take_unicast_gets_a_broadcast() {
    let discover = Says {
        broadcast: true,
        ..says(DhcpMessageType::Discover, GUEST)
    };
    let answer = tell(&mut small(), &discover, at(1)).0.expect("an offer");
    assert_eq!(answer.route.macs.1, [0xff; 6]);
    assert_eq!(answer.route.addresses.1, Ipv4Addr::BROADCAST);
}

#[test]
fn a_client_identifier_is_echoed_and_tells_clients_apart() {
    let mut server = small();
    let with = |identifier: &[u8]| Says {
        identifier: Some(identifier.to_vec()),
        ..says(DhcpMessageType::Discover, GUEST)
    };
    let first = tell(&mut server, &with(b"\xffabc"), at(1))
        .0
        .expect("an offer");
    let second = tell(&mut server, &with(b"\xffabd"), at(1))
        .0
        .expect("an offer");
    assert_eq!(first.option(61), Some(&b"\xffabc"[..]), "RFC 6842");
    assert_ne!(first.your, second.your);
}

#[test]
fn the_same_client_gets_the_same_address_again() {
    let mut server = small();
    let address = lease(&mut server, GUEST, at(1));
    assert_eq!(lease(&mut server, GUEST, at(10)), address);
    assert_eq!(
        lease(&mut server, GUEST, at(100_000)),
        address,
        "even long after its end"
    );
}

#[test]
fn a_bound_address_is_never_given_to_another() {
    let mut server = small();
    let (first, second) = (
        lease(&mut server, mac(1), at(1)),
        lease(&mut server, mac(2), at(1)),
    );
    assert_ne!(first, second);
    let third = says(DhcpMessageType::Discover, mac(3));
    let (answer, outcome) = tell(&mut server, &third, at(2));
    assert!(answer.is_none());
    assert_eq!(outcome, Some(Outcome::Exhausted(mac(3))));
    assert_eq!(
        request(&mut server, mac(3), first, at(2)),
        DhcpMessageType::Nak
    );
    assert!(
        discover(&mut server, mac(3), at(2 + 3600)).is_some(),
        "leases end"
    );
}

#[test]
fn an_offer_is_kept_for_a_minute_only() {
    let mut server = small();
    discover(&mut server, mac(1), at(1));
    discover(&mut server, mac(2), at(1));
    assert_eq!(discover(&mut server, mac(3), at(30)), None);
    assert!(discover(&mut server, mac(3), at(62)).is_some());
}

#[test]
fn a_client_that_takes_another_servers_offer_frees_ours() {
    let mut server = small();
    discover(&mut server, mac(1), at(1));
    discover(&mut server, mac(2), at(1));
    let elsewhere = Says {
        requested: Some(Ipv4Addr::new(10, 9, 0, 77)),
        server: Some(Ipv4Addr::new(10, 9, 0, 2)),
        ..says(DhcpMessageType::Request, mac(1))
    };
    assert!(
        tell(&mut server, &elsewhere, at(2)).0.is_none(),
        "not for us"
    );
    assert!(discover(&mut server, mac(3), at(3)).is_some());
}

#[test]
fn a_guest_that_outlived_our_restart_keeps_its_address() {
    let address = Ipv4Addr::new(10, 9, 0, 101);
    let renewing = Says {
        current: address,
        ..says(DhcpMessageType::Request, GUEST)
    };
    let (answer, outcome) = tell(&mut small(), &renewing, at(1));
    let answer = answer.expect("an answer");
    assert_eq!((answer.kind, answer.your), (DhcpMessageType::Ack, address));
    assert_eq!(
        answer.route.addresses.1, address,
        "unicast to the address it uses"
    );
    assert_eq!(outcome, Some(Outcome::Leased(GUEST, address)));

    let rebooted = Says {
        requested: Some(address),
        ..says(DhcpMessageType::Request, GUEST)
    };
    let answer = tell(&mut small(), &rebooted, at(1)).0.expect("an answer");
    assert_eq!((answer.kind, answer.your), (DhcpMessageType::Ack, address));
}

#[test]
fn a_guest_from_another_network_is_refused_at_once_and_by_broadcast() {
    let rebooted = Says {
        requested: Some(Ipv4Addr::new(192, 168, 77, 5)),
        ..says(DhcpMessageType::Request, GUEST)
    };
    let answer = tell(&mut small(), &rebooted, at(1)).0.expect("an answer");
    assert_eq!(answer.kind, DhcpMessageType::Nak);
    assert_eq!(answer.route.macs.1, [0xff; 6]);
    assert_eq!(answer.your, NOBODY);
    for absent in [1, 3, 6, 51] {
        assert_eq!(answer.option(absent), None, "option {absent} in a refusal");
    }
}

#[test]
fn a_released_address_is_free_again_and_only_its_holder_can_release_it() {
    let mut server = small();
    let (first, _) = (
        lease(&mut server, mac(1), at(1)),
        lease(&mut server, mac(2), at(1)),
    );
    let release = |from: Mac| Says {
        current: first,
        server: Some(Ipv4Addr::new(10, 9, 0, 1)),
        ..says(DhcpMessageType::Release, from)
    };
    tell(&mut server, &release(mac(3)), at(2));
    assert_eq!(
        discover(&mut server, mac(3), at(2)),
        None,
        "a stranger's release counts for nothing"
    );
    tell(&mut server, &release(mac(1)), at(2));
    assert_eq!(discover(&mut server, mac(3), at(2)), Some(first));
}

#[test]
fn a_declined_address_is_avoided_for_a_while() {
    let mut server = small();
    let address = lease(&mut server, GUEST, at(1));
    let decline = Says {
        requested: Some(address),
        server: Some(Ipv4Addr::new(10, 9, 0, 1)),
        ..says(DhcpMessageType::Decline, GUEST)
    };
    let (answer, outcome) = tell(&mut server, &decline, at(2));
    assert!(answer.is_none());
    assert_eq!(outcome, Some(Outcome::Declined(GUEST, address)));
    assert_ne!(lease(&mut server, GUEST, at(3)), address);
    assert_eq!(
        request(&mut server, mac(5), address, at(3)),
        DhcpMessageType::Nak
    );
    assert_eq!(
        request(&mut server, mac(5), address, at(700)),
        DhcpMessageType::Ack
    );
}

#[test]
fn a_reservation_is_for_one_card_whatever_it_calls_itself() {
    let keys = "range = \"10.9.0.100-10.9.0.101\"\nreservations = [{ mac = \"52:54:00:00:09:09\", address = \"10.9.0.50\" }]";
    let mut server = server(keys);
    let reserved = Ipv4Addr::new(10, 9, 0, 50);
    assert_eq!(
        request(&mut server, mac(1), reserved, at(1)),
        DhcpMessageType::Nak
    );
    assert_eq!(lease(&mut server, GUEST, at(1)), reserved);
    let other_name = Says {
        identifier: Some(b"\x00other".to_vec()),
        ..says(DhcpMessageType::Discover, GUEST)
    };
    let answer = tell(&mut server, &other_name, at(2)).0.expect("an offer");
    assert_eq!(answer.your, reserved, "its second boot loader, say");
    let wrong = request(&mut server, GUEST, Ipv4Addr::new(10, 9, 0, 100), at(3));
    assert_eq!(wrong, DhcpMessageType::Nak, "it has its own");
}

#[test]
fn inform_gets_settings_and_no_address() {
    let inform = Says {
        current: Ipv4Addr::new(10, 9, 0, 20),
        ..says(DhcpMessageType::Inform, GUEST)
    };
    let answer = tell(&mut small(), &inform, at(1)).0.expect("an answer");
    assert_eq!((answer.kind, answer.your), (DhcpMessageType::Ack, NOBODY));
    assert_eq!(
        answer.option(51),
        None,
        "RFC 2131 section 4.3.5: no lease time"
    );
    assert_eq!(answer.option(6), Some(&[192, 0, 2, 53][..]));
}

#[test]
fn relayed_messages_and_rubbish_are_not_answered() {
    let relayed = Says {
        relay: Ipv4Addr::new(10, 8, 0, 1),
        ..says(DhcpMessageType::Discover, GUEST)
    };
    assert!(tell(&mut small(), &relayed, at(1)).0.is_none());
    let group = says(DhcpMessageType::Discover, [0xff; 6]);
    assert!(tell(&mut small(), &group, at(1)).0.is_none());
    let answerlike = says(DhcpMessageType::Offer, GUEST);
    assert!(tell(&mut small(), &answerlike, at(1)).0.is_none());
    let route = Route {
        macs: (GUEST, [0xff; 6]),
        addresses: (NOBODY, Ipv4Addr::BROADCAST),
        ports: (68, 67),
    };
    let mut frame = [0; datagram::LONGEST];
    for len in 0..400 {
        for fill in [0, 1, 0x63, 0xff] {
            let payload = vec![fill; len];
            let result = small().receive((&route, &payload), &[], at(1), &mut frame);
            assert_eq!(result, (None, None), "{len} times {fill}");
        }
    }
}

#[test]
fn the_table_says_why() {
    let config = check(b"version = 1\n[zone.a]\ncard = \"52:54:00:00:00:01\"\naddress = \"10.9.0.1/24\"\ndhcp = { range = \"10.9.0.5-10.9.0.5\" }\n")
        .unwrap_or_else(|report| panic!("{report}"))
        .config;
    let dhcp = config.zones[0].dhcp.as_ref().expect("a server");
    let mut table = leases::Leases::new(dhcp);
    let message = |mac: Mac| leases::Client {
        key: ClientKey::new(1, 1, &mac),
        mac,
    };
    let address = Ipv4Addr::new(10, 9, 0, 5);
    assert_eq!(table.bind(message(mac(1)), address, at(1)), Ok(true));
    assert_eq!(
        table.bind(message(mac(1)), address, at(2)),
        Ok(false),
        "a renewal"
    );
    assert_eq!(
        table.bind(message(mac(2)), address, at(2)),
        Err(Refused::Taken)
    );
    let elsewhere = Ipv4Addr::new(10, 9, 0, 6);
    assert_eq!(
        table.bind(message(mac(2)), elsewhere, at(2)),
        Err(Refused::NotYours)
    );
    assert_eq!(table.bound(at(2)), 1);
    assert_eq!(table.bound(at(90_000)), 0);
}
