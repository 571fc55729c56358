//! UDP datagrams in IPv4 in Ethernet, whole frames.

use core::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket,
};

use crate::Mac;

/// Bytes of the longest frame that a service sends or takes: an ordinary Ethernet frame.
pub const LONGEST: usize = 1514;

/// Bytes before a datagram's payload.
const HEADERS: usize = 14 + 20 + 8;

/// Whether a frame's checksums are still to be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Verify the transport checksum.
    Verify,
    /// The card has verified it, or it never crossed a wire.
    Verified,
}

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Ethernet source and destination.
    pub macs: (Mac, Mac),
    /// IPv4 source and destination.
    pub addresses: (Ipv4Addr, Ipv4Addr),
    /// UDP source and destination port.
    pub ports: (u16, u16),
}

/// Reads the payload of a UDP datagram; `None` if the frame holds none, or it is damaged.
#[must_use]
pub fn read(frame: &[u8], trust: Trust) -> Option<(Route, &[u8])> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let macs = (ethernet.src_addr().0, ethernet.dst_addr().0);
    let packet = Ipv4Packet::new_checked(frame.get(14..)?).ok()?;
    if packet.next_header() != IpProtocol::Udp || packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let addresses = (packet.src_addr(), packet.dst_addr());
    let (from, to) = (
        14 + usize::from(packet.header_len()),
        14 + usize::from(packet.total_len()),
    );
    let datagram = UdpPacket::new_checked(frame.get(from..to)?).ok()?;
    let verified = trust == Trust::Verified
        || datagram.verify_checksum(&addresses.0.into(), &addresses.1.into());
    let ports = (datagram.src_port(), datagram.dst_port());
    let payload = frame.get(from + 8..from + usize::from(datagram.len()))?;
    let route = Route {
        macs,
        addresses,
        ports,
    };
    verified.then_some((route, payload))
}

/// Writes a datagram whose payload `write` fills; gives the frame's length, `None` if it does not fit.
pub fn write(
    frame: &mut [u8],
    route: &Route,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]) -> Option<()>,
) -> Option<usize> {
    let frame = frame.get_mut(..HEADERS + payload_len)?;
    let checksums = ChecksumCapabilities::default();
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(route.macs.0),
        dst_addr: EthernetAddress(route.macs.1),
        ethertype: EthernetProtocol::Ipv4,
    };
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
    let ip = Ipv4Repr {
        src_addr: route.addresses.0,
        dst_addr: route.addresses.1,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload_len,
        hop_limit: 64,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
    fill(&mut frame[HEADERS..])?;
    let (src, dst) = (route.addresses.0.into(), route.addresses.1.into());
    let mut datagram = UdpPacket::new_unchecked(&mut frame[34..]);
    datagram.set_src_port(route.ports.0);
    datagram.set_dst_port(route.ports.1);
    datagram.set_len((8 + payload_len).try_into().ok()?);
    datagram.fill_checksum(&src, &dst);
    Some(HEADERS + payload_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route {
            macs: ([2; 6], [4; 6]),
            addresses: (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9)),
            ports: (67, 68),
        }
    }

    fn sample(frame: &mut [u8]) -> usize {
        write(frame, &route(), 5, |payload| {
            payload.copy_from_slice(b"hello");
            Some(())
        })
        .expect("it fits")
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut frame = [0; 100];
        let len = sample(&mut frame);
        assert_eq!(
            read(&frame[..len], Trust::Verify),
            Some((route(), &b"hello"[..]))
        );
    }

    #[test]
    fn padding_after_the_packet_is_no_payload() {
        let mut frame = [0; 60];
        sample(&mut frame);
        assert_eq!(
            read(&frame, Trust::Verify).map(|(_, payload)| payload),
            Some(&b"hello"[..])
        );
    }

    #[test]
    fn a_damaged_payload_is_refused_unless_the_card_vouches_for_it() {
        let mut frame = [0; 100];
        let len = sample(&mut frame);
        frame[HEADERS] ^= 1;
        assert_eq!(read(&frame[..len], Trust::Verify), None);
        assert!(read(&frame[..len], Trust::Verified).is_some());
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused() {
        let mut frame = [0; 100];
        let len = sample(&mut frame);
        for cut in 0..len {
            assert_eq!(read(&frame[..cut], Trust::Verified), None, "cut at {cut}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        assert_eq!(write(&mut [0; 40], &route(), 5, |_| Some(())), None);
    }
}
