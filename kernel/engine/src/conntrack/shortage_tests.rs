//! What becomes of new flows when ports, a host's share or the table run out.

use super::tests::*;
use super::*;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

#[test]
fn rfc7857_s4_without_a_port_left_a_new_flow_is_dropped_and_nothing_stays() {
    let mut conntrack = conntrack(&config(), 2048);
    // The low class has 1,023 ports, and DHCP's two are reserved.
    for host in 0..1021u16 {
        let [high, low] = host.to_be_bytes();
        let from = (Ipv4Addr::new(10, 1, high, low), 100);
        udp_out(&mut conntrack, from, (PEER, 53), 0).expect("a port is left");
    }
    let late = udp_out(&mut conntrack, (HOST, 101), (PEER, 53), 0);
    assert_eq!(late, Err(DropReason::NatPortsExhausted));
    assert_eq!(conntrack.flows(), 1021);
    assert!(udp_out(&mut conntrack, (HOST, 5000), (PEER, 53), 0).is_ok());
}

#[test]
fn attack_port_exhaustion_leaves_half_of_the_ports_to_the_others() {
    let mut config = config();
    config.limits.flows_per_source = Some(1_000_000);
    let mut conntrack = conntrack(&config, 100_000);
    let opened = (1024..=u16::MAX)
        .take_while(|port| udp_out(&mut conntrack, (HOST, *port), (PEER, 53), 0).is_ok())
        .count();
    assert_eq!(opened, 32_256);
    udp_out(&mut conntrack, (SERVER, 2000), (PEER, 53), 0).expect("ports are left");
    // Flows of mappings that it has already are no matter of ports.
    udp_out(&mut conntrack, (HOST, 1024), (STRANGER, 53), 0).expect("the same mapping");
}

#[test]
fn attack_one_host_cannot_have_more_flows_than_its_share() {
    let mut config = config();
    config.limits.flows_per_source = Some(3);
    let mut conntrack = conntrack(&config, 64);
    for port in 1..=3 {
        udp_out(&mut conntrack, (HOST, 40_000 + port), (PEER, 53), 0).expect("below the limit");
    }
    assert_eq!(
        udp_out(&mut conntrack, (HOST, 50_000), (PEER, 53), 0),
        Err(DropReason::SourceLimit)
    );
    udp_out(&mut conntrack, (SERVER, 50_000), (PEER, 53), 0).expect("another source");
}

#[test]
fn attack_one_host_cannot_begin_flows_faster_than_it_may() {
    let mut config = config();
    config.limits.new_flows_per_second_per_source = Some(3);
    let mut conntrack = conntrack(&config, 64);
    for second in 0..3 {
        for port in 1..=3 {
            let from = (HOST, 40_000 + 100 * second as u16 + port);
            udp_out(&mut conntrack, from, (PEER, 53), second).expect("below the limit");
        }
        assert_eq!(
            udp_out(&mut conntrack, (HOST, 50_000), (PEER, 53), second),
            Err(DropReason::SourceRate)
        );
        udp_out(
            &mut conntrack,
            (SERVER, 50_000 + second as u16),
            (PEER, 53),
            second,
        )
        .expect("another source");
    }
    assert_eq!(conntrack.leases(), 12, "what was refused left nothing");
}

#[test]
fn as_the_table_fills_half_open_flows_live_shorter_and_established_ones_as_long() {
    let mut conntrack = conntrack(&config(), 128);
    let lives = |conntrack: &Conntrack| conntrack.flows();
    for port in 0..40 {
        let id = syn_to_forward(&mut conntrack, (PEER, port), 100, 0).expect("room");
        establish(&mut conntrack, id, 0);
    }
    for port in 0..24 {
        syn_to_forward(&mut conntrack, (STRANGER, port), 100, 0).expect("room");
    }
    expire_all(&mut conntrack, 200);
    assert_eq!(
        lives(&conntrack),
        64,
        "half full: all have their whole time"
    );
    // At three quarters half of the four minutes is left: the old ones go, until the table is empty enough for their age.
    for port in 100..132 {
        syn_to_forward(&mut conntrack, (STRANGER, port), 100, 200).expect("room");
    }
    expire_all(&mut conntrack, 200);
    assert_eq!(lives(&conntrack), 74);
    let newer = |port| FlowKey {
        protocol: Protocol::TCP,
        ..udp_key(wan(), (STRANGER, port), (OUR, 80))
    };
    assert!((100..132).all(|port| conntrack.find(&newer(port)).is_some()));
    assert!(
        (0..22).all(|port| conntrack.find(&newer(port)).is_none()),
        "oldest first"
    );
    expire_all(&mut conntrack, 445);
    assert_eq!(lives(&conntrack), 40, "the established ones");
}

#[test]
fn attack_syn_flood_evicts_the_oldest_half_open_flows_and_no_established_one() {
    let mut conntrack = conntrack(&config(), 128);
    let established: Vec<FlowId> = (0..32)
        .map(|port| {
            let id = syn_to_forward(&mut conntrack, (PEER, port), 100, 0).expect("room");
            establish(&mut conntrack, id, 0);
            id
        })
        .collect();
    for n in 0..10_000u32 {
        let [a, b, c, d] = n.to_be_bytes();
        let from = Ipv4Addr::new(100 + a, b, c, d);
        assert!(syn_to_forward(&mut conntrack, (from, 1000), 7, 1).is_some());
        assert!(conntrack.flows() <= 96, "three quarters");
    }
    let late = syn_to_forward(&mut conntrack, (STRANGER, 5), 100, 2).expect("room");
    establish(&mut conntrack, late, 2);
    for (port, id) in (0..).zip(&established) {
        let key = FlowKey {
            protocol: Protocol::TCP,
            ..udp_key(wan(), (PEER, port), (OUR, 80))
        };
        assert_eq!(conntrack.find(&key), Some((*id, Direction::Original)));
    }
    // The youngest of the flood are still there, the oldest are not.
    let of = |n: u32| FlowKey {
        protocol: Protocol::TCP,
        ..udp_key(wan(), (Ipv4Addr::from(100u32 << 24 | n), 1000), (OUR, 80))
    };
    assert!(conntrack.find(&of(9_999)).is_some());
    assert!(conntrack.find(&of(9_900)).is_none());
}

#[test]
fn a_table_full_of_established_flows_refuses_new_ones() {
    let mut conntrack = conntrack(&config(), 16);
    let mut count = 0;
    for port in 0..20 {
        let host = Ipv4Addr::new(198, 51, 100, port as u8);
        if let Some(id) = syn_to_forward(&mut conntrack, (host, port), 100, 0) {
            establish(&mut conntrack, id, 0);
            count += 1;
        }
    }
    assert_eq!(count, 16);
    let key = udp_key(dmz(), (HOST, 1), (PEER, 1));
    let refused = conntrack.admit(&outward(key), &packet(key, Content::Udp), tick(0));
    assert_eq!(refused, Err(DropReason::FlowTableFull));
    assert_eq!((conntrack.mappings(), conntrack.leases()), (0, 0));
}
