"""Hosts on one side of the NAT, which speak Ethernet over a Unix socket."""

import ipaddress
import os
import queue
import socket
import threading

from . import frames

# What a socket waits for a datagram where nothing else is said, in seconds.
PATIENCE = 5.0


class Network:
    """One segment. All addresses of its prefix but the NAT's own are the test's to use."""

    def __init__(self, folder, name, interface):
        self._interface = ipaddress.IPv4Interface(interface)
        self.router = str(self._interface.ip)
        self._ours = os.path.join(folder, f"{name}-host")
        self._theirs = os.path.join(folder, f"{name}-nat")
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wire.bind(self._ours)
        self._hosts = {}
        self._macs = {}
        self._learned = threading.Condition()
        self._ident = 0
        self.broken = []
        self._reader = threading.Thread(target=self._read, name=name, daemon=True)
        self._reader.start()

    @property
    def spec(self):
        """What `sekisho` calls this network."""
        return f"socket:{self._theirs},{self._ours}"

    def host(self, address):
        """The host with an address of the segment."""
        ip = ipaddress.IPv4Address(address)
        network = self._interface.network
        if ip not in network or str(ip) == self.router or ip in (network.network_address, network.broadcast_address):
            raise ValueError(f"{address} is no host's address in {network}: {self.router} is the NAT's own")
        with self._learned:
            return self._hosts.setdefault(str(ip), Host(self, str(ip)))

    def close(self):
        """Nothing is heard any more."""
        try:
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._wire.close()

    def _send(self, frame):
        self._wire.sendto(frame, self._theirs)

    def _mac_of(self, asker, address):
        """The card that holds an address; asked for by ARP."""
        with self._learned:
            for _ in range(int(PATIENCE)):
                if address in self._macs:
                    return self._macs[address]
                question = ((asker.mac, asker.address), (b"\0" * 6, address))
                self._send(frames.arp(frames.REQUEST, *question, frames.BROADCAST))
                self._learned.wait_for(lambda: address in self._macs, timeout=1.0)
        raise TimeoutError(f"nobody answers ARP for {address}")

    def _deliver(self, sender, datagram):
        target = datagram.destination[0]
        if target in self._hosts and target != self.router:
            # Hosts of one segment reach each other without a router.
            self._hosts[target]._take(datagram)
            return
        on_link = ipaddress.IPv4Address(target) in self._interface.network
        mac = self._mac_of(sender, target if on_link else self.router)
        with self._learned:
            self._ident += 1
            ident = self._ident
        self._send(frames.udp((sender.mac, mac), datagram, ident))

    def _read(self):
        while True:
            try:
                frame = self._wire.recv(65_536)
            except OSError:
                return
            if not frame:
                return
            try:
                self._hear(frames.parse(frame))
            except frames.FrameError as error:
                self.broken.append(error)

    def _hear(self, found):
        if isinstance(found, frames.Arp):
            self._hear_arp(found)
        elif isinstance(found, frames.Datagram):
            host = self._hosts.get(found.destination[0])
            if host:
                host._take(found)

    def _hear_arp(self, arp):
        with self._learned:
            self._macs[arp.sender] = arp.sender_mac
            self._learned.notify_all()
            host = self._hosts.get(arp.target)
        if host and arp.operation == frames.REQUEST:
            answer = ((host.mac, host.address), (arp.sender_mac, arp.sender))
            self._send(frames.arp(frames.REPLY, *answer, arp.sender_mac))


class Host:
    """A host with one card and one address."""

    def __init__(self, network, address):
        self._network = network
        self.address = address
        self.mac = b"\x02\0" + ipaddress.IPv4Address(address).packed
        self._sockets = {}

    def udp(self, port):
        """A socket bound to a port."""
        if not 0 < port < 65_536:
            raise ValueError(f"{port} is no port: 1 to 65535")
        if port in self._sockets:
            raise OSError(f"{self.address}:{port} is in use")
        bound = UdpSocket(self, port)
        self._sockets[port] = bound
        return bound

    def _take(self, datagram):
        bound = self._sockets.get(datagram.destination[1])
        if bound:
            bound._queue.put((datagram.payload, datagram.source))


class UdpSocket:
    """A UDP socket, with the methods of Python's own."""

    def __init__(self, host, port):
        self._host = host
        self._queue = queue.Queue()
        self._timeout = PATIENCE
        self.address = (host.address, port)

    def getsockname(self):
        return self.address

    def settimeout(self, seconds):
        """How long `recvfrom` waits; None for ever."""
        self._timeout = seconds

    def sendto(self, data, address):
        datagram = frames.Datagram(self.address, tuple(address), bytes(data))
        self._host._network._deliver(self._host, datagram)
        return len(data)

    def recvfrom(self):
        """The next datagram and who sent it; raises TimeoutError when none comes."""
        try:
            return self._queue.get(timeout=self._timeout)
        except queue.Empty:
            raise TimeoutError(f"no datagram for {self.address[0]}:{self.address[1]}") from None

    def close(self):
        self._host._sockets.pop(self.address[1], None)
