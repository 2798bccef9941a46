"""The test guest under bare QEMU, so that its faults are not taken for the daemon's."""
import json
import socket
import subprocess
import time

import pytest


class BareQemu:
    def __init__(self, folder, assets, initrd, *extra):
        self.serial, self.monitor = folder / "serial", folder / "monitor"
        self.process = subprocess.Popen([
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "96", "-nodefaults", "-display", "none",
            "-kernel", assets / "vmlinuz", "-initrd", assets / initrd, "-append", "console=ttyS0 quiet",
            "-serial", f"file:{self.serial}", "-qmp", f"unix:{self.monitor},server=on,wait=off", *extra])

    def wait_for(self, text, timeout=90):
        deadline = time.monotonic() + timeout
        while text not in self.printed():
            assert self.process.poll() is None and time.monotonic() < deadline, self.printed()
            time.sleep(0.02)

    def printed(self):
        return self.serial.read_text(errors="replace") if self.serial.exists() else ""

    def execute(self, command):
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.monitor))
            lines = monitor.makefile("rw")
            lines.readline()
            for name in ("qmp_capabilities", command):
                lines.write(json.dumps({"execute": name}))
                lines.flush()
                lines.readline()

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def bare_qemu(scratch, guest_assets):
    started = []

    def start(*arguments):
        started.append(BareQemu(scratch, guest_assets, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_it_boots_gets_an_address_and_follows_the_power_button(bare_qemu):
    guest = bare_qemu("initrd.gz", "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n")
    guest.wait_for("GUEST-UP")
    guest.wait_for("GUEST-IP 10.0.2.15")
    guest.execute("system_powerdown")
    assert guest.process.wait(20) == 0


def test_the_agent_answers(bare_qemu, scratch):
    path = scratch / "agent"
    guest = bare_qemu("initrd-agent.gz", "-device", "virtio-serial", "-chardev",
                      f"socket,path={path},server=on,wait=off,id=a",
                      "-device", "virtserialport,chardev=a,name=org.qemu.guest_agent.0")
    guest.wait_for("GUEST-UP")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(str(path))
        agent.settimeout(20)
        agent.send(b'{"execute": "guest-ping"}\n')
        assert json.loads(agent.recv(4096)) == {"return": {}}
        agent.send(b'{"execute": "guest-shutdown"}\n')
        assert guest.process.wait(20) == 0
