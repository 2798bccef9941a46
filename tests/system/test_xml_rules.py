"""What a document may say: twice, empty, without effect; and that what is printed can be defined again."""
import os
import re
import subprocess

import libvirt
import pytest

from harness.calls import refused

UNSUPPORTED, INVALID = libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_XML_INVALID_SCHEMA
NETWORK = """<network><name>{name}</name><forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>
  <bridge name='{bridge}'/><ip address='{subnet}.1' netmask='255.255.255.0'>
  <dhcp><range start='{subnet}.10' end='{subnet}.20'/></dhcp></ip></network>"""


def put(xml, after, more):
    """The document with a line more behind the first one that has `after`."""
    assert after in xml
    return xml.replace(after, f"{after}\n{more}\n", 1)


def parts(xml, *names):
    """The lines that name one of them."""
    return [line.strip() for line in xml.splitlines() if any(name in line for name in names)]


def another(xml, name, disk=None):
    """As a person copies a dump: another name, no UUID, no MAC addresses."""
    xml = re.sub(r"<name>[^<]*</name>", f"<name>{name}</name>", xml, count=1)
    xml = re.sub(r"\s*<uuid>[^<]*</uuid>", "", xml, count=1)
    xml = re.sub(r"\s*<mac address='[^']*'/>", "", xml)
    return xml.replace(*disk) if disk else xml


def require_valid(scratch, schema, *documents):
    """By libvirt's own schemas."""
    file = scratch / "printed.xml"
    for document in documents:
        file.write_text(document)
        done = subprocess.run(["virt-xml-validate", file, schema], text=True, capture_output=True)
        assert done.returncode == 0, f"{document}\n{done.stdout}{done.stderr}"


def test_of_what_stands_twice_the_first_counts(conn, daemon, guest):
    xml = put(guest("twice"), "<devices>", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices><devices>")
    xml = put(xml, "</features>", "<clock offset='localtime'/><clock offset='utc'/><on_crash>preserve</on_crash>")
    domain = conn.defineXML(xml)
    now = domain.XMLDesc()
    assert parts(now, "<clock", "<on_crash") == ["<clock offset='localtime'/>", "<on_crash>preserve</on_crash>"]
    assert "<rng" in now and "<serial" in now, "devices of both"
    said = refused(INVALID, conn.defineXMLFlags, xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    assert "duplicate element <clock> in <domain>" in said and "duplicate element <on_crash>" in said, said
    line = 1 + xml[:xml.index("<clock offset='utc'")].count("\n")
    assert f"line {line}: duplicate element <clock>" in said, said
    daemon.wait_logged("duplicate element <clock>")


def test_validation_names_what_is_unknown(conn, virsh, guest, scratch):
    xml = put(guest("typo"), "</kernel>", "<bootmenu enable='yes'/><botmenu enable='yes'/>")
    file = scratch / "typo.xml"
    file.write_text(xml)
    answer = virsh("define", file, "--validate", check=False)
    assert answer.code == 1 and "<os> has the element <botmenu>, which is not known" in answer.err, answer.err
    assert virsh("define", file).code == 0, "without validation it is kept"
    domain = conn.lookupByName("typo")
    assert "<botmenu" in domain.XMLDesc()
    refused(INVALID, conn.createXML, xml.replace("typo", "typo2"), libvirt.VIR_DOMAIN_START_VALIDATE)
    for call, flag, text in ((conn.networkDefineXMLFlags, libvirt.VIR_NETWORK_DEFINE_VALIDATE, "<network><name>n</name><bogus/></network>"),
                             (conn.networkCreateXMLFlags, libvirt.VIR_NETWORK_CREATE_VALIDATE, "<network><name>n</name><bogus/></network>"),
                             (conn.storagePoolDefineXML, libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE,
                              "<pool type='dir'><name>p</name><target><path>/tmp/p</path></target><bogus/></pool>"),
                             (conn.secretDefineXML, libvirt.VIR_SECRET_DEFINE_VALIDATE, "<secret><bogus/></secret>")):
        assert "<bogus>" in refused(INVALID, call, text, flag)
    for name in ("typo",):
        printed = conn.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE).replace("<botmenu enable='yes'/>", "")
        conn.defineXMLFlags(printed, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


def test_what_is_empty_is_not_there(conn, guest, scratch):
    empty = "<title/><description></description><genid/><uuid/>"
    devices = ("<emulator/><disk type='file' device='floppy'><source file=''/><target dev='fda'/></disk>"
               "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file=''/><target dev='sda' bus='sata'/></disk>"
               "<interface type='user'><script path=''/><model type=''/><link state=''/></interface>"
               "<graphics type='vnc' autoport='' listen=''/><controller type='pci' index='0' model='pcie-root'><pcihole64/></controller>")
    xml = put(guest("empty", devices=devices), "</name>", empty)
    xml = re.sub(r"<(kernel|initrd)>[^<]*</\1>", r"<\1/>", xml)
    xml = re.sub(r"<cmdline>[^<]*</cmdline>", "<cmdline></cmdline>", xml)
    domain = conn.defineXML(xml)
    now = domain.XMLDesc()
    assert not parts(now, "<title", "<description", "<script", "<kernel", "<initrd", "<cmdline", "file=''"), now
    assert re.search(r"<genid>[0-9a-f-]{36}</genid>", now), "libvirt makes one up"
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.updateDeviceFlags("<disk type='file' device='cdrom'><source file=''/><target dev='sda' bus='sata'/></disk>")
    for bad in ("<disk type=''><target dev='vdz' bus='virtio'/></disk>", "<controller type='scsi' index=''/>"):
        refused(libvirt.VIR_ERR_XML_ERROR, conn.defineXML, guest("bad", devices=bad))
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>e</name><target><path>{scratch}</path></target></pool>")
    volume = pool.createXML("<volume><name>v</name><capacity unit='M'>1</capacity><allocation/><target><format type=''/></target></volume>")
    assert volume.info()[1:] == [1 << 20, 1 << 20], "as without <allocation>"


@pytest.mark.parametrize("name, xml, said", [
    ("vlan", "<interface type='user'><vlan><tag id='10'/></vlan></interface>", "<vlan> is only valid for"),
    ("isolated", "<interface type='user'><port isolated='yes'/></interface>", "'isolated' of <port> ('yes')"),
    ("coalesce", "<interface type='network'><source network='default'/><coalesce><rx><frames max='8'/></rx></coalesce></interface>", "'max' of <frames>"),
    ("tap", "<interface type='network'><source network='default'/><backend tap='/dev/net/other'/></interface>", "'tap' of <backend>"),
    ("direct", "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>", "type 'direct' is not supported"),
    ("scsi", "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host99'/><address bus='0' target='0' unit='0'/></source></hostdev>",
     "<hostdev mode='subsystem' type='scsi'>"),
    ("spice", "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>", "not supported without spice graphics"),
    ("ide", "<disk type='file'><source file='/x'/><target dev='hda' bus='sata'/><readonly/></disk>", "readonly sata disks are not supported"),
    ("tag", "<filesystem type='mount'><source dir='/srv'/><target dir=''/></filesystem>", "lacks"),
])
def test_what_has_no_effect_is_refused_by_name(conn, guest, name, xml, said):
    full = guest(name, devices="\n" + xml)
    code = libvirt.VIR_ERR_XML_ERROR if said == "lacks" else UNSUPPORTED
    text = refused(code, conn.defineXML, full)
    assert said in text and re.search(r"line \d+", text), text
    if name not in ("spice", "ide", "tag"):
        plain = conn.lookupByName("plain") if "plain" in [d.name() for d in conn.listAllDomains()] else conn.defineXML(guest("plain"))
        assert said in refused(UNSUPPORTED, plain.attachDeviceFlags, xml, libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def test_parts_of_the_host_must_be_there(conn, guest):
    usb = "<hostdev mode='subsystem' type='usb'><source{policy}><address bus='99' device='1'/></source></hostdev>"
    assert "Did not find USB device bus:99 device:1" in refused(
        libvirt.VIR_ERR_OPERATION_FAILED, conn.createXML, guest("usb", devices=usb.format(policy="")))
    domain = conn.createXML(guest("usb", devices=usb.format(policy=" startupPolicy='optional'")), libvirt.VIR_DOMAIN_START_PAUSED)
    assert "<hostdev" not in domain.XMLDesc()
    assert "Did not find" in refused(libvirt.VIR_ERR_OPERATION_FAILED, domain.attachDevice, usb.format(policy=""))
    pages = "<memoryBacking><hugepages><page size='16' unit='G'/></hugepages></memoryBacking>"
    text = refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.createXML, put(guest("huge"), "</name>", pages))
    assert "16777216 KiB" in text and "hugepages" in text, text


def test_a_guest_runs_on_its_architecture(conn, guest):
    x86 = "arch='x86_64' machine='q35'"
    for arch, package in (("armv7l", "qemu-system-arm"), ("mips", "qemu-system-mips"), ("riscv64", "qemu-system-misc")):
        xml = guest("other").replace(x86, f"arch='{arch}' machine='virt'")
        text = refused(UNSUPPORTED, conn.defineXML, xml)
        assert refused(UNSUPPORTED, conn.domainXMLToNative, "qemu-argv", xml) == text
        assert os.path.exists("/usr/bin/qemu-system-" + {"armv7l": "arm"}.get(arch, arch)) or package in text, text
    assert "Unknown architecture foo" in refused(UNSUPPORTED, conn.defineXML, guest("other").replace(x86, "arch='foo'"))
    both = guest("other", devices="<emulator>/usr/bin/qemu-system-x86_64</emulator>").replace(x86, "arch='aarch64'")
    assert "does not support arch 'aarch64'" in refused(UNSUPPORTED, conn.defineXML, both)
    old = conn.defineXML(guest("old").replace(x86, "arch='i686' machine='pc'"))
    assert "qemu32" in old.XMLDesc()


def test_an_update_applies_all_or_says_what_it_does_not(conn, guest, scratch):
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", scratch / "cd.img", "1M"], check=True)
    drive = "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>{source}<target dev='sda' bus='{bus}'/>{more}</disk>"
    domain = conn.defineXML(guest("update", devices=drive.format(source="", bus="sata", more="")
                                  + "<interface type='user'><mac address='52:54:00:00:00:99'/><model type='virtio'/></interface>"
                                  + "<graphics type='vnc' passwd='a' autoport='yes'/>"))
    domain.create()
    image = f"<source file='{scratch}/cd.img'/>"
    for xml, field in ((drive.format(source=image, bus="scsi", more=""), "bus"),
                       (drive.format(source=image, bus="sata", more="<serial>other</serial>"), "serial"),
                       ("<interface type='user'><mac address='52:54:00:00:00:99'/><model type='virtio'/><mtu size='1400'/></interface>", "size"),
                       ("<graphics type='vnc' passwd='b' port='-1' autoport='yes' keymap='de'/>", "keymap")):
        assert f"cannot modify field '{field}'" in refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.updateDeviceFlags, xml)
    domain.updateDeviceFlags(drive.format(source=image, bus="sata", more=""))
    live = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    assert "cd.img" in live
    for element in ("disk", "interface", "graphics"):  # as clients do: what was printed, back again
        [xml] = re.findall(rf"<{element} .*?</{element}>", live, re.DOTALL)
        domain.updateDeviceFlags(xml)


def test_what_runs_is_defined_again_beside_itself(conn, guest, scratch):
    if os.geteuid() != 0:
        pytest.skip("networks need root")
    network = conn.networkCreateXML(NETWORK.format(name="first", bridge="dmsbr1", subnet="10.77.1"))
    for name in ("a.qcow2", "b.qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", scratch / name, "8M"], check=True)
    domain = conn.defineXML(guest("first", memory=64, agent=True, disks=[scratch / "a.qcow2"], networks=["first"],
                                  devices="<graphics type='vnc' port='-1' websocket='-1'/><memballoon model='virtio'/>"))
    domain.create()
    live = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    assert all(part in live for part in ("vnet0", "<alias", "/dev/pts/", "portid=", "id='")), live
    other = conn.defineXMLFlags(another(live, "second", ("a.qcow2", "b.qcow2")), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    plain = other.XMLDesc()
    left = parts(plain, "vnet", "<alias", "/dev/pts", "portid", "/domain-", "state=", "mode='bind'", "<label")
    assert not left and "port='-1'" in plain and "websocket='-1'" in plain, left
    require_valid(scratch, "domain", live, plain, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))
    require_valid(scratch, "network", network.XMLDesc())
    other.create()
    assert other.isActive() and domain.isActive()
    assert "vnet1" in other.XMLDesc()
    # The same of all else that is printed.
    second = network.XMLDesc().replace("first", "other").replace("dmsbr1", "dmsbr2").replace("10.77.1.", "10.77.2.")
    copy = conn.networkDefineXMLFlags(re.sub(r"\s*<(uuid>[^<]*</uuid>|mac address='[^']*'/>)", "", second), libvirt.VIR_NETWORK_DEFINE_VALIDATE)
    copy.create()
    snapshot = domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    domain.snapshotCreateXML(snapshot.getXMLDesc(libvirt.VIR_DOMAIN_XML_SECURE),
                             libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE)
    require_valid(scratch, "domainsnapshot", snapshot.getXMLDesc())
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{scratch}</path></target></pool>")
    conn.storagePoolDefineXML(another(pool.XMLDesc(), "q").replace(str(scratch), f"{scratch}/q"), libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE)
    volume = pool.storageVolLookupByName("b.qcow2")
    pool.createXML(another(volume.XMLDesc(), "c.qcow2"), libvirt.VIR_STORAGE_VOL_CREATE_VALIDATE)
    require_valid(scratch, "storagepool", pool.XMLDesc())
    require_valid(scratch, "storagevol", volume.XMLDesc())
    secret = conn.secretDefineXML("<secret><usage type='volume'><volume>/x</volume></usage></secret>")
    conn.secretDefineXML(secret.XMLDesc(), libvirt.VIR_SECRET_DEFINE_VALIDATE)
    require_valid(scratch, "secret", secret.XMLDesc())
    domain.save(str(scratch / "saved"))
    conn.saveImageDefineXML(str(scratch / "saved"), conn.saveImageGetXMLDesc(str(scratch / "saved"), libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE))
    conn.restore(str(scratch / "saved"))
    assert domain.isActive()
