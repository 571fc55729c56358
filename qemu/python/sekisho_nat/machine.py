"""The NAT itself: the command `sekisho nat`, and the networks that it stands between."""

import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .hosts import Network

# How long the command may take to end the machine, in seconds.
END_LIMIT = 10


class NatError(RuntimeError):
    """The NAT did not start, with what it said instead."""


class Nat:
    """A running NAT; use it in `with`, or call `close`.

    kind        full-cone, restricted-cone, port-restricted-cone, symmetric, linux, or MAPPING/FILTERING
    seed        where random ports come from: the same seed gives the same ports to the same packets
    random_ports, port_parity, hairpin    as in the configuration's [nat]
    inside, outside    other networks than hosts of the test, such as "tap:tap0"; then that side's attribute is None
    """

    def __init__(
        self,
        kind="restricted-cone",
        seed=1,
        *,
        random_ports=False,
        port_parity=False,
        hairpin=True,
        inside=None,
        outside=None,
        inside_address="10.99.0.1/24",
        outside_address="192.0.2.1/24",
        command=None,
    ):
        self._folder = tempfile.TemporaryDirectory(prefix="sekisho-nat-")
        self._process = None
        self.kind, self.seed = kind, seed
        self.outside_address = outside_address.split("/")[0]
        self.inside = None if inside else Network(self._folder.name, "inside", inside_address)
        self.outside = None if outside else Network(self._folder.name, "outside", outside_address)
        switches = {"--random-ports": random_ports, "--port-parity": port_parity, "--no-hairpin": not hairpin}
        line = [command or find_command(), "nat", "--kind", kind, "--seed", str(seed)]
        line += ["--inside", inside or self.inside.spec, "--outside", outside or self.outside.spec]
        line += ["--inside-address", inside_address, "--outside-address", outside_address]
        line += [switch for switch, wanted in switches.items() if wanted]
        try:
            self._start(line)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the machine; raises NatError if it had ended by itself."""
        process, self._process = self._process, None
        ended = None
        if process:
            ended = process.poll()
            if ended is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(END_LIMIT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            process.stdout.close()
        for network in (self.inside, self.outside):
            if network:
                network.close()
        self._folder.cleanup()
        if ended is not None:
            raise NatError(f"the NAT ended during the test, with code {ended}")

    def _start(self, line):
        self._process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_end_with_parent
        )
        said = []
        for text in self._process.stdout:
            said.append(text)
            if text.startswith("sekisho: ready after "):
                return
        self._process.wait()
        process, self._process = self._process, None
        process.stdout.close()
        raise NatError("".join(said).strip() or f"{line[0]} ended with code {process.returncode}")


def find_command():
    """The program `sekisho`: the environment's SEKISHO, what ./run built in this repository, or the one on the PATH."""
    named = os.environ.get("SEKISHO")
    if named:
        return named
    target = pathlib.Path(__file__).resolve().parents[3] / "target"
    for built in (target / "release" / "sekisho", target / "debug" / "sekisho"):
        if built.is_file():
            return str(built)
    found = shutil.which("sekisho")
    if not found:
        raise NatError("there is no program `sekisho`: build it with ./run --build-only and cargo build, or set SEKISHO to its path")
    return found


def _end_with_parent():
    """A test process that is killed takes the machine along (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
