"""Ethernet, ARP, IPv4 and UDP: as much of them as a host with UDP sockets needs."""

import ipaddress
import struct
from dataclasses import dataclass

BROADCAST = b"\xff" * 6
ARP, IPV4 = 0x0806, 0x0800
REQUEST, REPLY = 1, 2
UDP = 17


class FrameError(ValueError):
    """A frame that is not what it says it is."""


@dataclass(frozen=True)
class Arp:
    """Who has an address, or says so."""

    operation: int
    sender_mac: bytes
    sender: str
    target: str


@dataclass(frozen=True)
class Datagram:
    """A UDP datagram and its ends, each an address and a port."""

    source: tuple
    destination: tuple
    payload: bytes


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packed(address):
    return ipaddress.IPv4Address(address).packed


def _text(packed):
    return str(ipaddress.IPv4Address(packed))


def arp(operation, sender, target, to):
    """An ARP frame; `sender` and `target` are pairs of card and address."""
    (sender_mac, sender_ip), (target_mac, target_ip) = sender, target
    body = struct.pack("!HHBBH", 1, IPV4, 6, 4, operation)
    body += sender_mac + _packed(sender_ip) + target_mac + _packed(target_ip)
    return to + sender_mac + struct.pack("!H", ARP) + body


def udp(macs, datagram, ident):
    """An Ethernet frame with a UDP datagram; `macs` are the cards that it comes from and goes to."""
    source, destination = _packed(datagram.source[0]), _packed(datagram.destination[0])
    length = 8 + len(datagram.payload)
    header = struct.pack("!HHHH", datagram.source[1], datagram.destination[1], length, 0)
    pseudo = source + destination + struct.pack("!BBH", 0, UDP, length)
    # UDP says 0 for "none"; a computed 0 goes out as its other form (RFC 768).
    total = checksum(pseudo + header + datagram.payload) or 0xFFFF
    header = header[:6] + struct.pack("!H", total)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, ident & 0xFFFF, 0, 64, UDP, 0) + source + destination
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return macs[1] + macs[0] + struct.pack("!H", IPV4) + ip + header + datagram.payload


def parse(frame):
    """What a frame carries: an `Arp`, a `Datagram`, or None for everything else.

    Raises FrameError where a checksum or a length is wrong: a router in between may not make it so.
    """
    if len(frame) < 14:
        raise FrameError(f"a frame of {len(frame)} bytes")
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == ARP and len(frame) >= 42:
        operation = struct.unpack("!H", frame[20:22])[0]
        return Arp(operation, frame[22:28], _text(frame[28:32]), _text(frame[38:42]))
    if kind != IPV4:
        return None
    return _ipv4(frame[14:])


def _ipv4(packet):
    if len(packet) < 20 or packet[0] >> 4 != 4:
        raise FrameError("a broken IPv4 header")
    header = (packet[0] & 15) * 4
    length = struct.unpack("!H", packet[2:4])[0]
    if header < 20 or not header <= length <= len(packet):
        raise FrameError("an IPv4 header with a wrong length")
    if checksum(packet[:header]):
        raise FrameError("an IPv4 header with a wrong checksum")
    fragment = struct.unpack("!H", packet[6:8])[0]
    if packet[9] != UDP or fragment & 0x3FFF:
        return None
    return _udp(packet[12:16], packet[16:20], packet[header:length])


def _udp(source, destination, segment):
    if len(segment) < 8:
        raise FrameError("a UDP datagram without a header")
    from_port, to_port, length, total = struct.unpack("!HHHH", segment[:8])
    if not 8 <= length <= len(segment):
        raise FrameError("a UDP datagram with a wrong length")
    segment = segment[:length]
    pseudo = source + destination + struct.pack("!BBH", 0, UDP, length)
    if total and checksum(pseudo + segment):
        raise FrameError("a UDP datagram with a wrong checksum")
    return Datagram((_text(source), from_port), (_text(destination), to_port), segment[8:])
