"""A NAT of a chosen kind between hosts that the test speaks for; needs no root.

* `Nat`: the running NAT, a virtual machine in QEMU, and its two networks.
* `Network`: the segment on one side, with as many hosts as the test likes.
* `Host`: one of them, with UDP sockets.

With pytest, `pytest -p sekisho_nat.plugin` brings the fixture `nat`, which starts and ends them:

    def test_a_peer_sees_the_outside_address(nat):
        box = nat(kind="symmetric", seed=7)
        client = box.inside.host("10.99.0.2").udp(40000)
        server = box.outside.host("192.0.2.2").udp(3478)
        client.sendto(b"hello", server.address)
        data, seen = server.recvfrom()
        assert seen[0] == box.outside_address

Programs that need a real network card get a tap instead of hosts of the test: `Nat(inside="tap:tap0")`.
"""

from .frames import FrameError
from .hosts import Host, Network, UdpSocket
from .machine import Nat, NatError

__all__ = ["FrameError", "Host", "Nat", "NatError", "Network", "UdpSocket"]
