"""Emulated TPMs: swtpm runs for the guest as the guest's own user, ends with it, and what it keeps is kept."""
import os
import pathlib
import shutil

import libvirt
import pytest

from harness.calls import refused
from harness.tpm import GuestTpm
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(not shutil.which("swtpm_setup"), reason="swtpm and swtpm-tools are not installed")

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED
UUID = "6a1f0c52-6f0b-4c3e-9d43-0f7b9a3f0001"
SECRET = "6a1f0c52-6f0b-4c3e-9d43-0f7b9a3f00ff"
NO_CAPABILITIES = ["0000000000000000"]


def tpm_xml(attributes="version='2.0'", inner="", model="tpm-tis"):
    return f"<tpm model='{model}'><backend type='emulator' {attributes}>{inner}</backend></tpm>"


@pytest.fixture
def with_tpm(guest):
    """Function that returns the XML of a guest whose TPM's registers it may touch."""
    def xml(name="web", memory=96, **options):
        return guest(name, memory=memory, uuid=UUID, cmdline="iomem=relaxed", devices=tpm_xml(**options))
    return xml


def swtpms(daemon):
    return daemon.pids_of("swtpm socket")


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def state_of(daemon, version="tpm2"):
    return daemon.root / "var/lib/domus/swtpm" / UUID / version


def all_of(folder):
    return [folder, *folder.rglob("*")]


def require_ended(daemon):
    wait_until(lambda: not daemon.pids_of("swtpm"), "swtpm does not end", timeout=10)
    assert all(path.stat().st_uid == os.geteuid() for path in all_of(daemon.root / "var/lib/domus/swtpm"))


def test_it_is_nobody_and_ends_with_the_guest(daemon, conn, with_tpm):
    domain = conn.defineXML(with_tpm())
    domain.createWithFlags(PAUSED)
    [pid] = swtpms(daemon)
    status, state = status_of(pid), state_of(daemon)
    assert status["NoNewPrivs"] == ["1"] and status["CapEff"] == status["CapPrm"] == NO_CAPABILITIES
    assert state.stat().st_mode & 0o777 == 0o700 and (state / "tpm2-00.permall").stat().st_size > 0
    if os.geteuid() == 0:
        [qemu] = daemon.pids_of("guest=web,")
        assert status["Uid"] == status_of(qemu)["Uid"] and status["CapBnd"] == NO_CAPABILITIES
        assert state.stat().st_uid == int(status["Uid"][0])
        root = pathlib.Path(f"/proc/{pid}/root")
        assert (root / "tpm/tpm2-00.permall").exists()
        for hidden in ("etc/shadow", "home", "var", "root", "etc/swtpm-localca.conf"):
            assert not (root / hidden).exists(), hidden
    domain.destroy()
    require_ended(daemon)
    domain.createWithFlags(PAUSED)  # with what is there
    assert len(swtpms(daemon)) == 1


def test_the_guest_finds_it_and_what_it_keeps(daemon, conn, with_tpm, shell_of, scratch):
    domain = conn.defineXML(with_tpm())
    domain.create()
    shell = shell_of("web")
    assert "TPM2" in shell.run("ls /sys/firmware/acpi/tables").split()
    tpm = GuestTpm(shell)
    fresh = tpm.pcr()
    tpm.extend()
    extended = tpm.pcr()
    assert tpm.remembered() is None and extended != fresh
    tpm.remember("to keep.")
    domain.managedSave()
    require_ended(daemon)
    domain.create()
    tpm = GuestTpm(shell_of("web"))
    assert (tpm.pcr(), tpm.remembered()) == (extended, "to keep.")
    domain.save(str(scratch / "saved"))
    shutil.rmtree(state_of(daemon).parent)
    conn.restore(str(scratch / "saved"))  # which has all of the state in it
    tpm = GuestTpm(shell_of("web"))
    assert (tpm.pcr(), tpm.remembered()) == (extended, "to keep.")
    domain.destroy()
    domain.create()
    tpm = GuestTpm(shell_of("web"))
    assert (tpm.pcr(), tpm.remembered()) == (fresh, "to keep.")


@pytest.mark.parametrize("attributes, model, file", [("version='1.2'", "tpm-tis", "tpm1.2/tpm-00.permall"), ("", "tpm-crb", "tpm2/tpm2-00.permall")])
def test_each_version_and_model(daemon, conn, with_tpm, attributes, model, file):
    domain = conn.defineXML(with_tpm(attributes=attributes, model=model, inner=""))
    domain.createWithFlags(PAUSED)
    assert (state_of(daemon).parent / file).exists()
    domain.destroy()
    require_ended(daemon)


def test_banks_are_chosen_at_each_start(daemon, conn, with_tpm, shell_of):
    banks = "<active_pcr_banks><sha1/><sha384/></active_pcr_banks>"
    conn.defineXML(with_tpm(inner=banks)).create()
    assert not GuestTpm(shell_of("web")).has_sha256()
    conn.lookupByName("web").destroy()
    conn.defineXML(with_tpm(inner="<active_pcr_banks><sha256/></active_pcr_banks>")).create()
    assert GuestTpm(shell_of("web")).has_sha256()


def test_an_encrypted_state_needs_its_secret(daemon, conn, with_tpm, shell_of):
    domain = conn.defineXML(with_tpm(inner=f"<encryption secret='{SECRET}'/>"))
    refused(libvirt.VIR_ERR_NO_SECRET, domain.create)
    secret = conn.secretDefineXML(f"<secret><uuid>{SECRET}</uuid><usage type='vtpm'><name>web</name></usage></secret>")
    refused(libvirt.VIR_ERR_NO_SECRET, domain.create)
    assert not state_of(daemon).parent.exists()
    secret.setValue(b"correct horse")
    domain.create()
    [pid] = swtpms(daemon)
    assert b"correct horse" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    GuestTpm(shell_of("web")).remember("secrets.")
    domain.managedSave()
    domain.create()
    assert GuestTpm(shell_of("web")).remembered() == "secrets."
    domain.destroy()
    assert not any(b"secrets." in path.read_bytes() for path in state_of(daemon).iterdir())
    require_ended(daemon)
    secret.setValue(b"another")
    assert "swtpm cannot open the state" in refused(libvirt.VIR_ERR_OPERATION_FAILED, domain.create)
    assert not domain.isActive() and not daemon.pids_of("guest=web,") and not swtpms(daemon)
    secret.setValue(b"correct horse")
    domain.create()
    assert GuestTpm(shell_of("web")).remembered() == "secrets."


def test_an_end_without_the_daemon_leaves_none(daemon, conn, with_tpm):
    conn.defineXML(with_tpm()).createWithFlags(PAUSED)
    before = swtpms(daemon)
    daemon.kill()
    daemon.start()
    assert swtpms(daemon) == before and len(before) == 1
    daemon.virsh("destroy", "web")
    require_ended(daemon)
    daemon.virsh("start", "web", "--paused")
    [pid] = daemon.pids_of("guest=web,")
    daemon.kill()
    os.kill(pid, 9)
    daemon.start()
    wait_until(lambda: "shut off" in daemon.virsh("domstate", "web").out, "the end is not noticed")
    require_ended(daemon)


def test_one_that_ends_too_early_is_named(daemon, conn, with_tpm):
    domain = conn.defineXML(with_tpm())
    domain.createWithFlags(PAUSED)
    os.kill(swtpms(daemon)[0], 9)
    said = wait_until(lambda: domain.messages(), "nobody is told")
    assert "swtpm of 'tpm0' was killed by signal 9" in said[0], said
    assert "swtpm of 'tpm0'" in daemon.log_tail() and domain.isActive()
    domain.destroy()
    domain.createWithFlags(PAUSED)
    assert domain.messages() == []


def test_a_start_that_fails_leaves_none(daemon, conn, with_tpm):
    xml = with_tpm().replace("</domain>", "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
                             "<qemu:arg value='-no-such-option'/></qemu:commandline></domain>")
    with pytest.raises(libvirt.libvirtError, match="no-such-option"):
        conn.createXML(xml)
    require_ended(daemon)
    assert not state_of(daemon).parent.exists()  # it was transient


def test_undefine_follows_libvirts_rule(daemon, conn, with_tpm):
    folder = state_of(daemon).parent
    keep, remove = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM, libvirt.VIR_DOMAIN_UNDEFINE_TPM

    def stopped(attributes):
        domain = conn.defineXML(with_tpm(attributes=attributes))
        domain.createWithFlags(PAUSED)
        domain.destroy()
        return domain

    refused(libvirt.VIR_ERR_INVALID_ARG, stopped("version='2.0'").undefineFlags, keep | remove)
    for attributes, flags, kept in (("version='2.0'", 0, False), ("version='2.0'", keep, True),
                                    ("version='2.0' persistent_state='yes'", 0, True),
                                    ("version='2.0' persistent_state='yes'", remove, False)):
        stopped(attributes).undefineFlags(flags)
        assert folder.exists() == kept, (attributes, flags)
    domain = conn.defineXML(with_tpm())
    domain.createWithFlags(PAUSED)
    domain.undefineFlags(keep)
    domain.destroy()
    assert folder.exists()


@pytest.mark.parametrize("attributes, kept", [("version='2.0'", False), ("version='2.0' persistent_state='yes'", True)])
def test_the_state_of_a_transient_domain_goes_with_it(daemon, conn, with_tpm, attributes, kept):
    conn.createXML(with_tpm(attributes=attributes), PAUSED).destroy()
    assert state_of(daemon).parent.exists() == kept
    require_ended(daemon)


def test_a_new_name_keeps_the_state(daemon, conn, with_tpm, shell_of):
    domain = conn.defineXML(with_tpm())
    domain.create()
    GuestTpm(shell_of("web")).remember("the same")
    domain.destroy()
    domain.rename("other")
    domain.create()
    assert GuestTpm(shell_of("other")).remembered() == "the same"


@pytest.mark.parametrize("xml, said", [
    (tpm_xml("version='1.2'", model="tpm-crb"), "tpm-crb"),
    (tpm_xml("version='1.2'", "<active_pcr_banks><sha256/></active_pcr_banks>"), "active_pcr_banks"),
    (tpm_xml() * 2, "one TPM"),
])
def test_what_swtpm_cannot_do_is_refused_before_anything_is_made(daemon, conn, guest, xml, said):
    with pytest.raises(libvirt.libvirtError, match=said):
        conn.createXML(guest("web", devices=xml))
    assert not (daemon.root / "var/lib/domus/swtpm").exists()
