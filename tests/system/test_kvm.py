"""Whether this machine has KVM, the doctor says and the daemon knows, and both mean the same. In the lab it has."""
import re

from harness.guest import guest_xml


def without_numbers(text):
    return re.sub(r"[\d.]+", "N", text)


def test_doctor_and_daemon_agree(domus, virsh, scratch):
    doctor = domus("doctor").out
    verdict, reason, hint = re.search(r"^(\w+) +KVM +(.*)\n(?: +-> (.+)\n)?", doctor, re.M).groups()
    (scratch / "fast.xml").write_text(guest_xml("fast").replace("<domain type='qemu'>", "<domain type='kvm'>"))
    defined = virsh("define", scratch / "fast.xml", check=False)
    works = verdict == "ok"
    assert works or (verdict == "warning" and hint), doctor
    assert ("<domain>kvm</domain>" in virsh("domcapabilities").out) == works
    assert (defined.code == 0) == works, defined
    assert works or without_numbers(f"cannot run a domain of type 'kvm': {reason}") in without_numbers(defined.err)
