"""The fixture `nat` for pytest."""

import pytest

from .machine import Nat


@pytest.fixture
def nat():
    """Starts NATs, as many as the test asks for: `nat(kind="symmetric", seed=7)`. They end with the test."""
    running = []

    def start(kind="restricted-cone", seed=1, **options):
        box = Nat(kind, seed, **options)
        running.append(box)
        return box

    yield start
    for box in running:
        broken = [error for network in (box.inside, box.outside) if network for error in network.broken]
        box.close()
        assert not broken, f"frames came broken out of the NAT: {broken}"
