"""Servers for the tests of this folder: a Ceph with a pool `rbd` and a client that may use it, a Gluster."""
import shutil

import libvirt
import pytest

from ceph_server import Cluster
from gluster_server import Gluster
from harness.wait import wait_until

UUID = "6d4f6c4e-2f0b-4fb3-a0f5-5d1c0c1f7a01"


def require(group, *programs):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: tools/install_packages {group}")


@pytest.fixture(scope="session")
def gluster(tmp_path_factory):
    require("gluster", "glusterd", "gluster")
    with Gluster(tmp_path_factory.mktemp("gluster")) as server:
        yield server


@pytest.fixture(scope="session")
def ceph(tmp_path_factory):
    require("ceph", "ceph-mon", "ceph-osd", "ceph-mgr", "rbd")
    with Cluster(tmp_path_factory.mktemp("ceph")) as cluster:
        cluster.client = "domus"
        cluster.client_key = cluster.key(cluster.client)
        yield cluster


@pytest.fixture
def daemon(make_daemon):
    """In the network of the test's own, where the cluster is."""
    return make_daemon(private=False)


@pytest.fixture
def secret(conn, virsh, ceph, scratch):
    """The client's key as a secret of the daemon, set as Ceph's and libvirt's pages say."""
    made = conn.secretDefineXML(f"<secret ephemeral='no' private='yes'><uuid>{UUID}</uuid><usage type='ceph'>"
                                f"<name>client.{ceph.client} secret</name></usage></secret>")
    (scratch / "key").write_text(ceph.client_key)
    virsh("secret-set-value", UUID, "--file", scratch / "key")
    return made


def pool_xml(ceph, name="p", source="rbd", auth=True, port=None):
    login = f"<auth type='ceph' username='{ceph.client}'><secret usage='client.{ceph.client} secret'/></auth>" if auth else ""
    return (f"<pool type='rbd'><name>{name}</name><source><host name='{ceph.host}' port='{port or ceph.port}'/>"
            f"<name>{source}</name>{login}</source></pool>")


@pytest.fixture
def pool(conn, daemon, ceph, secret):
    """The pool, active and without volumes."""
    yield conn.storagePoolCreateXML(pool_xml(ceph))
    made = libvirt.open(daemon.uri).storagePoolLookupByName("p")
    wait_until(made.isActive, "the pool is not active")
    for line in ceph.run("rbd", "ls", "rbd").out.split():
        ceph.run("rbd", "snap", "unprotect", f"rbd/{line}@mine", check=False)
    if made.isActive():
        made.refresh()
        for _ in range(2):  # clones before their origins
            for volume in made.listAllVolumes():
                try:
                    volume.delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)
                except libvirt.libvirtError:
                    pass
    made.connect().close()
    assert ceph.run("rbd", "ls", "rbd").out.split() == []
