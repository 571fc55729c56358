"""Does hole punching work behind a NAT of this kind? What a peer-to-peer program finds out, as tests.

Run it with `PYTHONPATH=qemu/python pytest -p sekisho_nat.plugin qemu/python/examples`.
"""

import pytest

CLIENT, SERVER, PEER = "10.99.0.2", "192.0.2.2", "192.0.2.77"
KINDS = ["full-cone", "restricted-cone", "port-restricted-cone", "symmetric", "linux"]


class Client:
    """A program behind the NAT that has asked a rendezvous server for its outside endpoint."""

    def __init__(self, box):
        self.socket = box.inside.host(CLIENT).udp(40000)
        self.server = box.outside.host(SERVER).udp(3478)
        self.peer = box.outside.host(PEER).udp(5000)
        self.endpoint = self.seen_by(self.server)

    def seen_by(self, other):
        """Sends to `other` and returns where it says that came from."""
        self.socket.sendto(b"where am I?", other.address)
        data, seen = other.recvfrom()
        assert data == b"where am I?"
        # The answer makes the NAT ask for the client's card: a datagram that waits for that can be overtaken by a later one.
        other.sendto(b"there", seen)
        assert self.socket.recvfrom() == (b"there", other.address)
        return seen

    def is_reached_by(self, other):
        """Whether a datagram from `other` to the endpoint that the server saw arrives.

        What does not arrive cannot be waited for: the server's own datagram, sent after it, always arrives.
        """
        other.sendto(b"knock", self.endpoint)
        self.server.sendto(b"that was all", self.endpoint)
        heard = []
        while True:
            data, source = self.socket.recvfrom()
            if data == b"that was all":
                return (b"knock", other.address) in heard
            heard.append((data, source))


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_is_seen_by_the_outside_address(nat, kind):
    box = nat(kind=kind)
    assert Client(box).endpoint == (box.outside_address, 40000)


@pytest.mark.parametrize("kind, expected", [(kind, kind == "full-cone") for kind in KINDS])
def test_only_behind_a_full_cone_does_a_stranger_get_in(nat, kind, expected):
    client = Client(nat(kind=kind))
    assert client.is_reached_by(client.peer) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_sent_to_gets_in_by_another_port_behind_cones_that_look_at_addresses_only(nat, kind):
    box = nat(kind=kind)
    client = Client(box)
    other_port = box.outside.host(SERVER).udp(3479)
    assert client.is_reached_by(other_port) == (kind in ("full-cone", "restricted-cone"))


@pytest.mark.parametrize("kind, expected", [(kind, kind != "symmetric") for kind in KINDS])
def test_hole_punching_works_behind_everything_but_a_symmetric_nat(nat, kind, expected):
    client = Client(nat(kind=kind))
    # Both sides know from the server where the other one is; the client opens the hole.
    client.seen_by(client.peer)
    assert client.is_reached_by(client.peer) == expected


def test_two_clients_behind_one_nat_meet_at_their_outside_endpoints(nat):
    box = nat(kind="endpoint-independent/address-and-port-dependent")
    server = box.outside.host(SERVER).udp(3478)
    one, two = (box.inside.host(address).udp(4000) for address in (CLIENT, "10.99.0.3"))
    seen = []
    for client in (one, two):
        client.sendto(b"register", server.address)
        seen.append(server.recvfrom()[1])
    one.sendto(b"hello", seen[1])
    assert two.recvfrom() == (b"hello", seen[0])


def ports(box):
    """The outside ports that a client is seen with by eight peers."""
    client = box.inside.host(CLIENT).udp(40000)
    found = []
    for last in range(10, 18):
        peer = box.outside.host(f"192.0.2.{last}").udp(5000)
        client.sendto(b"?", peer.address)
        found.append(peer.recvfrom()[1][1])
    return found


def test_the_seed_decides_the_random_ports(nat):
    first = ports(nat(kind="symmetric", seed=7, random_ports=True))
    assert len(set(first)) == 8
    assert ports(nat(kind="symmetric", seed=7, random_ports=True)) == first
    assert ports(nat(kind="symmetric", seed=8, random_ports=True)) != first
