//! Each kind of NAT that can be configured: mapping, filtering, ports (RFC 4787 sections 4 and 5).

use super::tests::*;
use super::*;
use crate::key::Endpoint;
use alloc::collections::BTreeSet;
use core::net::Ipv4Addr;
use sekisho_config::model::{self, Behavior, Preset};

const MAPPINGS: [model::Mapping; 3] = [
    model::Mapping::EndpointIndependent,
    model::Mapping::AddressDependent,
    model::Mapping::AddressAndPortDependent,
];
const FILTERINGS: [Filtering; 3] = [
    Filtering::EndpointIndependent,
    Filtering::AddressDependent,
    Filtering::AddressAndPortDependent,
];

/// All mappings with all filterings, with and without preservation and parity.
pub(super) fn kinds() -> impl Iterator<Item = Behavior> {
    let pairs = MAPPINGS
        .into_iter()
        .flat_map(|mapping| FILTERINGS.map(|filtering| (mapping, filtering)));
    pairs.flat_map(|(mapping, filtering)| {
        [(true, false), (false, false), (true, true), (false, true)].map(|(kept, parity)| {
            Behavior {
                mapping,
                filtering,
                port_preservation: kept,
                port_parity: parity,
                hairpin: true,
            }
        })
    })
}

fn out(
    conntrack: &mut Conntrack,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    behavior: Behavior,
    at: u64,
) -> Result<FlowId, DropReason> {
    let key = udp_key(dmz(), from, to);
    let new = outward_as(key, behavior);
    conntrack.admit(&new, &packet(key, Content::Udp), tick(at))
}

/// The outside ports of one inside endpoint for: a peer, another port of it, another address.
fn ports_for(behavior: Behavior) -> [u16; 3] {
    let mut conntrack = conntrack(&config(), 64);
    let peers = [(PEER, 53), (PEER, 54), (STRANGER, 53)];
    let ids =
        peers.map(|peer| out(&mut conntrack, (HOST, 40_000), peer, behavior, 0).expect("room"));
    let ports = ids.map(|id| outside_port(&conntrack, id));
    let distinct: BTreeSet<u16> = ports.into_iter().collect();
    assert_eq!(conntrack.mappings(), distinct.len());
    assert_eq!(conntrack.leases() as usize, distinct.len());
    // The same peer again, from a flow that came back: the mapping is the same one.
    conntrack.revoke(ids[0]);
    let again = out(&mut conntrack, (HOST, 40_000), peers[0], behavior, 1).expect("room");
    conntrack.revoke(again);
    ids[1..].iter().for_each(|id| conntrack.revoke(*id));
    assert_nothing_left(&conntrack);
    ports
}

#[test]
fn rfc4787_s4_1_mapping_depends_on_what_is_configured() {
    for behavior in kinds() {
        let [first, port, address] = ports_for(behavior);
        let shared = (first == port, first == address);
        let expected = match behavior.mapping {
            model::Mapping::EndpointIndependent => (true, true),
            model::Mapping::AddressDependent => (true, false),
            model::Mapping::AddressAndPortDependent => (false, false),
        };
        assert_eq!(shared, expected, "{behavior:?}");
        assert_eq!(first == 40_000, behavior.port_preservation, "{behavior:?}");
        if behavior.port_parity {
            let odd = [first, port, address].map(|port| port % 2);
            assert_eq!(odd, [0; 3], "{behavior:?}");
        }
    }
}

#[test]
fn rfc4787_req8_each_filtering_admits_whom_it_says_with_each_mapping() {
    for behavior in kinds() {
        let mut conntrack = conntrack(&config(), 64);
        let id = out(&mut conntrack, (HOST, 40_000), (PEER, 53), behavior, 0).expect("room");
        let outside = (OUR, outside_port(&conntrack, id));
        let admits = |from| {
            let key = udp_key(wan(), from, outside);
            conntrack.inbound(wan(), &key) == Inbound::Admitted(Endpoint::new(HOST, 40_000))
        };
        let expected = match behavior.filtering {
            Filtering::EndpointIndependent => (true, true),
            Filtering::AddressDependent => (true, false),
            Filtering::AddressAndPortDependent => (false, false),
        };
        let found = (admits((PEER, 7777)), admits((STRANGER, 53)));
        assert_eq!(found, expected, "{behavior:?}");
        let answer = udp_key(wan(), (PEER, 53), outside);
        assert_eq!(conntrack.find(&answer), Some((id, Direction::Reply)));
    }
}

#[test]
fn a_mapping_for_one_peer_does_not_admit_the_peer_of_another() {
    // Filtering is by mapping: what was sent through another port opens nothing here.
    let behavior = Behavior {
        mapping: model::Mapping::AddressDependent,
        ..Preset::Rfc.behavior()
    };
    let mut conntrack = conntrack(&config(), 64);
    let ids = [PEER, STRANGER]
        .map(|peer| out(&mut conntrack, (HOST, 40_000), (peer, 53), behavior, 0).expect("room"));
    let [first, second] = ids.map(|id| outside_port(&conntrack, id));
    let inbound = |from, port| conntrack.inbound(wan(), &udp_key(wan(), (from, 9), (OUR, port)));
    let inside = Inbound::Admitted(Endpoint::new(HOST, 40_000));
    assert_eq!(inbound(PEER, first), inside);
    assert_eq!(inbound(PEER, second), Inbound::Filtered);
    assert_eq!(inbound(STRANGER, second), inside);
    assert_eq!(inbound(STRANGER, first), Inbound::Filtered);
}

/// A table whose ports are shared by flows to different peers.
fn overlapping(flows: usize) -> Conntrack {
    let mut config = config();
    config.nat.port_overlapping = true;
    conntrack(&config, flows)
}

#[test]
fn rfc7857_s3_a_port_is_shared_where_peers_differ_and_never_where_they_are_the_same() {
    let linux = Preset::Linux.behavior();
    let mut conntrack = overlapping(64);
    let first = out(&mut conntrack, (HOST, 40_000), (PEER, 53), linux, 0).expect("room");
    let shared = out(&mut conntrack, (SERVER, 40_000), (PEER, 54), linux, 0).expect("room");
    let refused = out(&mut conntrack, (SERVER, 40_000), (PEER, 53), linux, 0).expect("room");
    assert_eq!(outside_port(&conntrack, first), 40_000);
    assert_eq!(outside_port(&conntrack, shared), 40_000);
    assert_ne!(outside_port(&conntrack, refused), 40_000);
    // Each answer finds its own flow, and nothing else comes in.
    for (port, id) in [(53, first), (54, shared)] {
        let answer = udp_key(wan(), (PEER, port), (OUR, 40_000));
        assert_eq!(conntrack.find(&answer), Some((id, Direction::Reply)));
    }
    let stranger = udp_key(wan(), (PEER, 55), (OUR, 40_000));
    assert_eq!(conntrack.find(&stranger), None);
    assert_eq!(conntrack.inbound(wan(), &stranger), Inbound::Unmapped);
    assert_eq!((conntrack.mappings(), conntrack.leases()), (0, 0));
    for id in [first, shared, refused] {
        conntrack.revoke(id);
    }
    assert_nothing_left(&conntrack);
}

#[test]
fn attack_port_shadowing_no_shared_port_is_one_that_a_forward_or_our_dhcp_listens_on() {
    let linux = Preset::Linux.behavior();
    let mut conntrack = overlapping(64);
    let key = FlowKey {
        protocol: Protocol::TCP,
        ..udp_key(dmz(), (HOST, 80), (PEER, 4000))
    };
    let syn = tcp(key, crate::packet::Flags::SYN, 1, 0);
    let id = conntrack
        .admit(&outward_as(key, linux), &syn, tick(0))
        .expect("room");
    assert_ne!(outside_port(&conntrack, id), 80);
    let id = out(&mut conntrack, (HOST, 68), (PEER, 67), linux, 0).expect("room");
    assert_ne!(outside_port(&conntrack, id), 68);
    // Our own client is whom the port is kept for.
    let own = udp_key(Side::OWN, (OUR, 68), (PEER, 67));
    let id = conntrack
        .admit(&outward_as(own, linux), &packet(own, Content::Udp), tick(0))
        .expect("room");
    assert_eq!(outside_port(&conntrack, id), 68);
}

#[test]
fn rfc7857_s4_a_peer_whose_shared_ports_are_used_up_gets_no_more_flows_and_others_do() {
    let linux = Preset::Linux.behavior();
    let mut conntrack = overlapping(4096);
    // Inside ports below 1024 are translated to their own class, which is small.
    let opened = (0..1100_u32).filter(|i| {
        let host = Ipv4Addr::from_bits(HOST.to_bits() + i);
        out(
            &mut conntrack,
            (host, 500),
            (PEER, 500),
            linux,
            u64::from(*i),
        )
        .is_ok()
    });
    let opened = opened.count();
    assert!((900..=1021).contains(&opened), "{opened}");
    assert_eq!(
        out(&mut conntrack, (HOST, 501), (PEER, 501), linux, 0).map(|_| ()),
        Ok(())
    );
}
