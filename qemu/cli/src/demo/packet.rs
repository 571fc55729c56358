//! What a smoke test wants to know of a frame, and frames that no honest host sends.

use std::net::SocketAddrV4;

use sekisho_qemu::Protocol;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol,
    Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket,
};

/// Where a TCP segment or a UDP datagram came from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The protocol.
    pub protocol: Protocol,
    /// From.
    pub from: SocketAddrV4,
    /// To.
    pub to: SocketAddrV4,
}

impl Packet {
    /// The packet in a frame, if it is one of those.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
        let (protocol, from, to) = match ip.next_header() {
            IpProtocol::Tcp => {
                let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
                (Protocol::Tcp, tcp.src_port(), tcp.dst_port())
            }
            IpProtocol::Udp => {
                let udp = UdpPacket::new_checked(ip.payload()).ok()?;
                (Protocol::Udp, udp.src_port(), udp.dst_port())
            }
            _ => return None,
        };
        Some(Self {
            protocol,
            from: SocketAddrV4::new(ip.src_addr(), from),
            to: SocketAddrV4::new(ip.dst_addr(), to),
        })
    }
}

/// A TCP SYN as a frame between two cards, whatever its addresses claim.
pub fn syn(from_card: [u8; 6], to_card: [u8; 6], from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let tcp = TcpRepr {
        src_port: from.port(),
        dst_port: to.port(),
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1),
        ack_number: None,
        window_len: 64240,
        window_scale: None,
        max_seg_size: Some(1460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let ip = Ipv4Repr {
        src_addr: *from.ip(),
        dst_addr: *to.ip(),
        next_header: IpProtocol::Tcp,
        payload_len: tcp.buffer_len(),
        hop_limit: 64,
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from_card),
        dst_addr: EthernetAddress(to_card),
        ethertype: EthernetProtocol::Ipv4,
    };
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + tcp.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
    let (source, destination) = (IpAddress::Ipv4(*from.ip()), IpAddress::Ipv4(*to.ip()));
    tcp.emit(&mut segment, &source, &destination, &checksums);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_frame_made_here_is_read_back_and_has_good_checksums() {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 99, 0, 7), 5000);
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 80);
        let frame = syn([2; 6], [4; 6], from, to);
        let packet = Packet::of(&frame).unwrap();
        assert_eq!(
            packet,
            Packet {
                protocol: Protocol::Tcp,
                from,
                to
            }
        );
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert!(ip.verify_checksum());
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert!(tcp.syn() && !tcp.ack());
    }

    #[test]
    fn other_frames_are_no_packets() {
        assert_eq!(Packet::of(&[]), None);
        assert_eq!(Packet::of(&[0; 60]), None);
    }
}
