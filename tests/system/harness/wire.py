"""A bridge in a sandbox over which frames go from a guest's port to another, for tests of filters."""
import json
import pathlib
import subprocess

from harness import frames
from harness.wait import wait_until

FRAMES = pathlib.Path(frames.__file__)


class Wire:
    """A bridge with a port of a guest, and a port of who the guest talks to; each port is one end of a veth pair."""

    def __init__(self, sandbox, last_out, last_in):
        """`last_out`, `last_in`: frames that pass whatever filter is there, if a call names no others."""
        self.sandbox = sandbox
        self._last_out, self._last_in = last_out, last_in
        self._players = {}
        for words in ("link add br9 type bridge", "link add guest0 type veth peer name port0",
                      "link add peer0 type veth peer name port1", "link set port0 master br9", "link set port1 master br9"):
            self._ip(words)
        for device in ("br9", "guest0", "port0", "peer0", "port1"):
            sandbox.run("sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")
            self._ip(f"link set {device} up")
        wait_until(lambda: sandbox.run("bridge", "link").stdout.count("state forwarding") == 2, "the ports do not forward")

    def _ip(self, words):
        done = self.sandbox.run("ip", *words.split())
        assert done.returncode == 0, done.stderr

    def _start(self, *words):
        player = subprocess.Popen(self.sandbox.command("/usr/bin/python3", FRAMES, *words), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        assert player.stdout.readline() == "ready\n"
        return player

    def _carry(self, sender, receiver, all_frames, last):
        player = self._players.get(sender) or self._players.setdefault(sender, self._start(sender, receiver))
        player.stdin.write(json.dumps({"frames": [each.hex() for each in all_frames], "last": last.hex()}) + "\n")
        player.stdin.flush()
        passed = json.loads(player.stdout.readline())["passed"]
        assert passed is not None, "the frame that was to come last did not come"
        return passed

    def from_guest(self, named, last=None):
        """Names of those frames that arrive at the peer. `last` does, and ends the waiting."""
        passed = self._carry("guest0", "peer0", list(named.values()), last or self._last_out)
        return {list(named)[index] for index in passed}

    def to_guest(self, named, last=None):
        passed = self._carry("peer0", "guest0", list(named.values()), last or self._last_in)
        return {list(named)[index] for index in passed}

    def flood(self, good, bad):
        return self._start("--flood", "guest0", "peer0", good.hex(), bad.hex())

    def close(self):
        for player in self._players.values():
            player.stdin.close()
            player.wait(10)
        for device in ("guest0", "peer0", "br9"):
            self.sandbox.run("ip", "link", "delete", device)
