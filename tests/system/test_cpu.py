"""Processors compared and combined, with stock virsh and with domus in its words."""
import xml.etree.ElementTree as ET

import libvirt
import pytest


@pytest.fixture
def host_cpu(virsh):
    return ET.fromstring(virsh("capabilities").out).find("host/cpu")


def model(name, *features, match=None):
    extra = "".join(f"<feature policy='{policy}' name='{feature}'/>" for policy, feature in features)
    return f"<cpu{f' match={match!r}' if match else ''}><model>{name}</model>{extra}</cpu>"


def test_the_host_is_described_and_is_itself(conn, host_cpu):
    assert host_cpu.findtext("model") and host_cpu.findall("feature")
    assert conn.compareCPU(ET.tostring(host_cpu, encoding="unicode")) == libvirt.VIR_CPU_COMPARE_IDENTICAL
    assert conn.compareCPU(f"<capabilities><host>{ET.tostring(host_cpu, encoding='unicode')}</host></capabilities>") == libvirt.VIR_CPU_COMPARE_IDENTICAL


def test_comparison(conn):
    assert conn.compareCPU(model("qemu64", ("disable", "svm"), ("disable", "3dnow"))) in (libvirt.VIR_CPU_COMPARE_SUPERSET, libvirt.VIR_CPU_COMPARE_INCOMPATIBLE)
    assert conn.compareCPU("<cpu><model>kvm32</model></cpu>") == libvirt.VIR_CPU_COMPARE_SUPERSET
    assert conn.compareCPU(model("kvm32", match="strict")) == libvirt.VIR_CPU_COMPARE_INCOMPATIBLE
    assert conn.compareCPU(model("kvm32", ("forbid", "sse2"))) == libvirt.VIR_CPU_COMPARE_INCOMPATIBLE
    assert conn.compareCPU(model("kvm32", ("require", "ia64"))) == libvirt.VIR_CPU_COMPARE_INCOMPATIBLE
    assert conn.compareCPU("<cpu><arch>s390x</arch><model>kvm32</model></cpu>") == libvirt.VIR_CPU_COMPARE_INCOMPATIBLE


@pytest.mark.parametrize("xml, flags, code", [
    (model("kvm32", ("require", "ia64")), libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE, libvirt.VIR_ERR_CPU_INCOMPATIBLE),
    (model("Abacus"), 0, libvirt.VIR_ERR_CONFIG_UNSUPPORTED),
    (model("kvm32", ("require", "warp-drive")), 0, libvirt.VIR_ERR_CONFIG_UNSUPPORTED),
    ("<toaster/>", 0, libvirt.VIR_ERR_XML_ERROR),
    ("<cpu", 0, libvirt.VIR_ERR_XML_ERROR),
])
def test_refusals(conn, xml, flags, code):
    with pytest.raises(libvirt.libvirtError) as error:
        conn.compareCPU(xml, flags)
    assert error.value.get_error_code() == code, error.value


def test_baseline(conn):
    same = ET.fromstring(conn.baselineCPU([model("Nehalem")]))
    assert same.findtext("model") == "Nehalem" and not same.findall("feature")
    older = ET.fromstring(conn.baselineCPU([model("Haswell"), model("Nehalem", ("require", "avx"))]))
    assert older.findtext("model") == "Nehalem"
    assert {each.get("name") for each in older.findall("feature")} <= {"avx"}
    expanded = ET.fromstring(conn.baselineCPU([model("Penryn")], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES))
    names = {each.get("name") for each in expanded.findall("feature")}
    assert {"sse4.1", "lahf_lm", "pni", "nx", "lm"} <= names and not names & {"sse4_1", "sse4-1", "sse3", "i64"}
    assert all(each.get("policy") == "require" for each in expanded.findall("feature"))


def test_the_hypervisor_under_tcg(conn):
    assert conn.compareHypervisorCPU(None, None, None, "qemu", model("qemu64")) == libvirt.VIR_CPU_COMPARE_SUPERSET
    assert conn.compareHypervisorCPU(None, None, None, "qemu", model("Icelake-Server")) == libvirt.VIR_CPU_COMPARE_INCOMPATIBLE
    within = ET.fromstring(conn.baselineHypervisorCPU(None, None, None, "qemu", [model("Icelake-Server")]))
    assert within.findtext("model") != "Icelake-Server"
    assert conn.compareHypervisorCPU(None, None, None, "qemu", ET.tostring(within, encoding="unicode")) != libvirt.VIR_CPU_COMPARE_INCOMPATIBLE
    with pytest.raises(libvirt.libvirtError):
        conn.compareHypervisorCPU(None, "s390x", None, None, model("qemu64"))


@pytest.mark.parametrize("verb, extra", [("cpu-compare", []), ("cpu-compare", ["--error"]), ("cpu-baseline", []), ("cpu-baseline", ["--features"]),
                                         ("hypervisor-cpu-compare", ["--virttype", "qemu"]), ("hypervisor-cpu-baseline", ["--virttype", "qemu"])])
@pytest.mark.parametrize("xml", [model("kvm32"), model("kvm32", ("require", "ia64")), "<domain><cpu><model>Penryn</model></cpu></domain>", model("Abacus")])
def test_domus_speaks_as_virsh_does(virsh, domus, scratch, verb, extra, xml):
    (scratch / "cpu.xml").write_text(xml)
    theirs = virsh(verb, scratch / "cpu.xml", *extra, check=False)
    ours = domus(verb, scratch / "cpu.xml", *extra, check=False)
    assert (ours.out, ours.code) == (theirs.out, theirs.code)
    assert ours.err.splitlines()[:1] == theirs.err.splitlines()[:1]
