"""A host's network card for a test: one end of a veth in the daemon's network namespace, the other one in a namespace of its
own, where a peer lives. Connections between them go over the card and over nothing else."""
import json
import subprocess
import sys

ECHO = """
import socket, sys
server = socket.create_server((sys.argv[1], 7000), reuse_port=True)
print("ready", flush=True)
connection, _ = server.accept()
while data := connection.recv(4096):
    connection.sendall(data)
"""
TALK = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7000), timeout=30)
for line in sys.stdin:
    connection.sendall(line.encode())
    got = b""
    while not got.endswith(b"\\n"):
        got += connection.recv(4096) or sys.exit("the connection has ended")
    print(got.decode(), end="", flush=True)
"""


class Cable:
    """`run` runs a command at the host's end, `peer` at the other one."""

    def __init__(self, sandbox, name="eth0", mac="52:54:00:00:01:01"):
        self.sandbox, self.name = sandbox, name
        self._processes = []
        self._holder = subprocess.Popen(sandbox.command("unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec cat"),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"ready\n"
        self.run("ip", "link", "add", name, "address", mac, "type", "veth", "peer", "name", "far", "netns", self._holder.pid)
        self.peer("ip", "link", "set", "far", "up")

    def run(self, *argv):
        done = self.sandbox.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def peer_command(self, *argv):
        return ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "--", *map(str, argv)]

    def peer(self, *argv):
        return subprocess.run(self.peer_command(*argv), check=True, text=True, capture_output=True).stdout

    def address(self, own="192.0.2.2/24", other="192.0.2.1/24"):
        """Gives both ends an address, and the host its default route."""
        self.run("ip", "link", "set", self.name, "up")
        self.run("ip", "addr", "add", own, "dev", self.name)
        self.peer("ip", "addr", "add", other, "dev", "far")
        self.run("ip", "route", "add", "default", "via", other.split("/")[0], "dev", self.name, "metric", "7")

    def talk(self, to="192.0.2.2"):
        """A TCP connection from the peer to the host: a function that sends a line and waits for its echo."""
        server = self._keep(subprocess.Popen(self.sandbox.command(sys.executable, "-c", ECHO, to), stdout=subprocess.PIPE, text=True))
        assert server.stdout.readline() == "ready\n"
        client = self._keep(subprocess.Popen(self.peer_command(sys.executable, "-c", TALK, to), stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, text=True))

        def say(line):
            client.stdin.write(line + "\n")
            client.stdin.flush()
            assert client.stdout.readline() == line + "\n", "the connection is lost"
        say("hello")
        return say

    def state(self):
        """What the kernel has: devices, addresses and routes, without what changes by itself."""
        devices = json.loads(self.run("ip", "-j", "addr"))
        links = sorted((each["ifname"], "UP" in each["flags"], each.get("master", ""), each.get("address")) for each in devices)
        addresses = sorted((each["ifname"], address["local"], address["prefixlen"], address.get("label", ""))
                           for each in devices for address in each["addr_info"] if address["scope"] == "global")
        routes = sorted(line.replace("linkdown", "").strip() for line in self.run("ip", "route", "show", "table", "all").splitlines()
                        if "proto kernel" not in line and "fe80" not in line)
        return links, addresses, routes

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()
        self.sandbox.run("ip", "link", "del", self.name)
        self._holder.stdin.close()
        self._holder.wait(10)
        self._holder.stdout.close()

    def _keep(self, process):
        self._processes.append(process)
        return process
