"""Real KVM, in the lab: the daemon finds it, and a guest boots Debian's stock kernel with it."""
import re

from harness.guest import guest_xml
from harness.wait import wait_until


def test_the_doctor_says_that_kvm_works(domus):
    said = domus("doctor").out
    assert re.search(r"^ok +CPU virtualization +the processor has 'svm'$", said, re.M), said
    assert re.search(r"^ok +KVM +a test guest ran [\d.]+ million instructions per second on /dev/kvm$", said, re.M), said


def test_capabilities_name_kvm(virsh):
    assert re.search(r"<domain type='kvm' ?/>", virsh("capabilities").out)
    assert "<domain>kvm</domain>" in virsh("domcapabilities").out


def test_a_guest_runs_with_kvm_and_ends_with_its_power_button(guest_assets, daemon, virsh, scratch, shell_of):
    (scratch / "fast.xml").write_text(guest_xml("fast", extra="<cpu mode='host-passthrough'/>").replace(
        "<domain type='qemu'>", "<domain type='kvm'>"))
    virsh("define", scratch / "fast.xml")
    virsh("start", "fast")
    assert re.search(r"<domain type='kvm' id='\d+'", virsh("dumpxml", "fast").out)
    assert daemon.pids_of("-accel kvm")
    shell = shell_of("fast")
    # The kernel names the hypervisor whose clock it uses; TCG has none.
    clocks = shell.run("cat /sys/devices/system/clocksource/clocksource0/available_clocksource")
    assert "kvm-clock" in clocks.split()
    virsh("shutdown", "fast")
    wait_until(lambda: virsh("domstate", "fast").out.strip() == "shut off", "the guest did not end")
