#!/usr/bin/python3
"""Domains for tests: the XML of a guest that boots tests/guest/build's system under TCG, and a shell in it."""
import argparse
import pathlib
import time
from xml.sax.saxutils import escape, quoteattr

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
ASSETS = REPOSITORY / "build/guest"
PROMPT = r"[\w-]+# (\x1b\[6n)?$"


def guest_xml(name, memory=96, vcpus=1, agent=False, disks=(), networks=(), serial="pty", cmdline="", uuid=None,
              devices="", extra=""):
    """A domain on q35 without KVM. `disks` are paths of images, `networks` names of virtual networks or whole
    <interface> elements, `serial` is pty or the path of a file, `devices` and `extra` go in as they are.
    """
    def disk(index, path):
        kind = "qcow2" if str(path).endswith("qcow2") else "raw"
        return (f"<disk type='file' device='disk'><driver name='qemu' type='{kind}'/><source file={quoteattr(str(path))}/>"
                f"<target dev='vd{chr(ord('a') + index)}' bus='virtio'/></disk>")

    def interface(network):
        if network.startswith("<"):
            return network
        return f"<interface type='network'><source network={quoteattr(network)}/><model type='virtio'/></interface>"

    console = ("<serial type='pty'/><console type='pty'/>" if serial == "pty"
               else f"<serial type='file'><source path={quoteattr(str(serial))}/></serial>")
    channel = ("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>" if agent else "")
    return f"""<domain type='qemu'>
  <name>{escape(name)}</name>
  {f"<uuid>{uuid}</uuid>" if uuid else ""}
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{ASSETS / "vmlinuz"}</kernel>
    <initrd>{ASSETS / ("initrd-agent.gz" if agent else "initrd.gz")}</initrd>
    <cmdline>{escape(f"console=ttyS0 quiet {cmdline}".strip())}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    {"".join(disk(index, path) for index, path in enumerate(disks))}
    {"".join(map(interface, networks))}
    {console}{channel}{devices}
  </devices>
  {extra}
</domain>
"""


class GuestShell:
    """The root shell of a running guest, over a Terminal that runs `virsh console`."""

    def __init__(self, terminal):
        self._terminal = terminal

    def wait_up(self, timeout=60):
        """Returns once the shell answers, whenever the console was opened."""
        deadline = time.monotonic() + timeout
        while True:
            self._terminal.send("\r")
            if self._terminal.search(PROMPT, timeout=1):
                return self
            assert time.monotonic() < deadline, f"no shell in the guest:\n{self._terminal.text}"

    def wait_anew(self, timeout=60):
        """Returns once the guest has booted again since the last command, and its shell answers."""
        self._terminal.expect("GUEST-UP", timeout)
        return self.wait_up()

    def run(self, command, timeout=60):
        """Runs `command` in the guest; its output without the echo and the prompt."""
        self._terminal.clear()
        # The marks are written so that the echo of this line does not contain them.
        self._terminal.send(f"echo BE''GIN; {command}; echo E''ND\r")
        found = self._terminal.expect(r"BEGIN\r*\n(.*?)END\r*\n", timeout)
        return found.group(1).replace("\r", "").strip()


def main():
    parser = argparse.ArgumentParser(description="prints the XML of a test guest")
    parser.add_argument("name")
    parser.add_argument("--memory", type=int, default=96)
    parser.add_argument("--vcpus", type=int, default=1)
    parser.add_argument("--agent", action="store_true")
    parser.add_argument("--disk", action="append", default=[])
    parser.add_argument("--network", action="append", default=[])
    parser.add_argument("--serial", default="pty", help="pty, or the path of a file")
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--uuid")
    wanted = parser.parse_args()
    print(guest_xml(wanted.name, wanted.memory, wanted.vcpus, wanted.agent, wanted.disk, wanted.network, wanted.serial,
                    wanted.cmdline, wanted.uuid), end="")


if __name__ == "__main__":
    main()
