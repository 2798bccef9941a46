"""REST on the Unix socket: what is done over it is seen over RPC, and the other way round; who may only read is refused the
same; what a client of it does badly harms nobody."""
import base64
import http.client
import json
import os
import socket
import threading
import time

import libvirt
import pytest

from harness.calls import refused
from harness.daemon import run
from harness.wait import wait_until
from test_audit import audit, has

PAUSED = libvirt.VIR_DOMAIN_PAUSED
SERVED = "[http]\nsocket = true\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("domus", timeout=120)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.text}"


class Client:
    def __init__(self, daemon, read_only=False):
        self.connection = UnixConnection(daemon.root / "run/domus" / ("http-sock-ro" if read_only else "http-sock"))

    def ask(self, method, path, body=None, **fields):
        if isinstance(body, (dict, list)):
            fields["Content-Type"], body = "application/json", json.dumps(body)
        elif isinstance(body, str):
            fields["Content-Type"] = "application/xml"
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        self.connection.request(method, f"/api/v1{path}", body, fields)
        return Answer(self.connection.getresponse())

    def get(self, path, **fields):
        answer = self.ask("GET", path, **fields)
        assert answer.status == 200, answer
        return answer

    def change(self, method, path, body=None, status=204):
        answer = self.ask(method, path, body)
        assert answer.status == status, answer
        return answer

    def work(self, method, path, body=None):
        """A job, to its end."""
        answer = self.ask(method, path, body, Prefer="wait=60")
        assert answer.status == 200 and answer.json["state"] == "completed", answer
        return answer


@pytest.fixture
def daemon(make_daemon):
    """Serves HTTP."""
    if os.geteuid() != 0:
        pytest.skip("the socket for reading alone is the system daemon's")
    return make_daemon(config=SERVED, default_network=True)


@pytest.fixture
def client(daemon):
    return Client(daemon)


def names(answer):
    return [item["name"] for item in answer.json["items"]]


def test_nothing_is_served_unless_it_is_configured(make_daemon):
    daemon = make_daemon(session=os.geteuid() != 0)
    assert not list(daemon.root.rglob("http-sock*"))


def test_the_sockets_are_for_those_for_whom_libvirts_are(daemon):
    folder = daemon.root / "run/domus"
    for end in ("", "-ro"):
        ours, libvirts = (folder / f"http-sock{end}").stat(), (folder / f"libvirt-sock{end}").stat()
        assert (ours.st_mode, ours.st_uid, ours.st_gid) == (libvirts.st_mode, libvirts.st_uid, libvirts.st_gid)


def test_a_domain_lives_its_life(client, conn, daemon, guest):
    made = client.change("POST", "/domains", guest("web", memory=32), status=201)
    uuid = made.json["uuid"]
    assert made.headers["Location"] == f"/api/v1/domains/{uuid}"
    assert conn.lookupByUUIDString(uuid).name() == "web"
    assert names(client.get("/domains")) == ["web"]
    assert client.get("/domains?name=web").json["uuid"] == uuid
    state = client.get("/domains/web").json
    assert (state["state"], state["persistent"], state["memory"]) == ("shutoff", True, 32 << 20)

    client.change("POST", "/domains/web/start", {"flags": ["paused"]}, status=200)
    assert conn.lookupByName("web").state()[0] == PAUSED
    state = client.get(f"/domains/{uuid}").json
    assert (state["state"], state["reason"], state["id"]) == ("paused", "user", conn.lookupByName("web").ID())
    assert client.get("/domains?flags=active").json["items"][0]["id"] == state["id"]
    client.change("POST", "/domains/web/resume")
    assert client.get("/domains/web/info").json["state"] == "running"
    assert len(client.get("/domains/web/vcpus").json["items"]) == 1
    assert client.get("/statistics?domains=web").json["items"][0]["statistics"]["state.state"] == 1
    client.change("PUT", "/domains/web/autostart", {"on": True})
    assert conn.lookupByName("web").autostart() == 1
    client.change("POST", "/domains/web/destroy")
    again = client.ask("POST", "/domains/web/destroy")
    assert again.status == 409 and again.json["code"] == libvirt.VIR_ERR_OPERATION_INVALID, again
    assert again.json["hint"] == "start it with 'domus start web'"
    assert again.headers["Content-Type"] == "application/problem+json"
    client.change("DELETE", "/domains/web")
    gone = client.ask("GET", "/domains/web")
    assert gone.status == 404 and gone.json["type"] == "urn:domus:error:no-domain", gone
    has(daemon, "domain.start", "domain 'web'", "ok")
    has(daemon, "domain.destroy", "domain 'web'", "failed with code 55")
    has(daemon, "domain.undefine", "domain 'web'", "ok")


def test_a_definition_goes_back_as_json(client, conn, guest):
    conn.defineXML(guest("web", memory=32))
    before = conn.lookupByName("web").XMLDesc()
    definition = client.get("/domains/web/definition").json
    assert definition["name"] == "web" and definition["memory"]["value"] == 32 << 20
    client.change("POST", "/domains", {"definition": definition}, status=201)
    assert conn.lookupByName("web").XMLDesc() == before
    definition["vcpu"]["value"] = 2
    client.change("POST", "/domains", {"definition": definition, "flags": ["validate"]}, status=201)
    assert conn.lookupByName("web").maxVcpus() == 2
    assert client.get("/domains/web/definition", Accept="application/xml").text == conn.lookupByName("web").XMLDesc()
    definition["devices"]["disc"] = []
    wrong = client.ask("POST", "/domains", {"definition": definition})
    assert wrong.status == 400 and "devices/disc is unknown" in wrong.json["detail"], wrong
    unsound = client.ask("POST", "/domains", "<domain type='qemu'><name>x</name></domain>")
    assert unsound.status == 422 and unsound.json["code"] in (27, 67), unsound


def test_storage_networks_and_secrets(client, conn, scratch):
    folder = scratch / "vms"
    folder.mkdir()
    pool = client.change("POST", "/pools", {"definition": {"type": "dir", "name": "vms", "target": {"path": str(folder)}}}, status=201)
    client.change("POST", "/pools/vms/start", {})
    client.work("POST", "/pools/vms/volumes", {"definition": {"name": "a b.raw", "capacity": 1 << 20}})
    volume = client.get("/pools/vms/volumes/a%20b.raw").json
    assert (volume["capacity"], volume["path"]) == (1 << 20, str(folder / "a b.raw"))
    assert names(client.get(f"/pools/{pool.json['uuid']}/volumes")) == ["a b.raw"]
    client.work("POST", "/pools/vms/volumes/a%20b.raw/resize", {"bytes": 2 << 20})
    assert conn.storagePoolLookupByName("vms").storageVolLookupByName("a b.raw").info()[1] == 2 << 20
    client.change("DELETE", "/pools/vms/volumes/a%20b.raw")
    assert client.get("/pools/vms/volumes").json == {"items": []}

    wait_until(lambda: client.get("/networks/default").json["active"], "the network does not start by itself")
    assert client.get("/networks/default/leases").json == {"items": []}
    client.change("POST", "/networks/default/destroy")
    assert not conn.networkLookupByName("default").isActive()

    secret = client.change("POST", "/secrets", {"definition": {"usage": {"type": "ceph", "name": "key"}}}, status=201).json
    client.change("PUT", f"/secrets/{secret['uuid']}/value", {"value": base64.b64encode(b"\0open\xff").decode()})
    assert conn.secretLookupByUUIDString(secret["uuid"]).value() == b"\0open\xff"
    assert base64.b64decode(client.get(f"/secrets/{secret['uuid']}/value").json["value"]) == b"\0open\xff"


def test_long_work_is_a_job(client, daemon, conn, guest, scratch):
    pool = {"definition": {"type": "dir", "name": "vms", "target": {"path": str(scratch)}}}
    client.work("POST", "/pools?transient=", pool)
    begun = client.ask("POST", "/pools/vms/volumes", {"definition": {"name": "one.raw", "capacity": 8 << 20}})
    assert begun.status == 202 and begun.json["operation"] == "volume.create", begun
    place = begun.headers["Location"].removeprefix("/api/v1")
    ended = client.get(f"{place}/wait?timeout=60").json
    assert ended["state"] == "completed" and "volume 'vms/one.raw'" in ended["objects"], ended
    assert ended in client.get("/jobs?flags=ended").json["items"]
    assert client.get(place).json == ended
    assert f"{ended['id']}" in daemon.domus("job", "list", "--all").out

    again = client.ask("POST", "/pools/vms/volumes", {"definition": {"name": "one.raw", "capacity": 1}}, Prefer="wait=60")
    assert again.status == 409 and again.json["code"] == libvirt.VIR_ERR_STORAGE_VOL_EXIST, again
    late = client.ask("DELETE", place)
    assert late.status == 409 and late.json["code"] == libvirt.VIR_ERR_OPERATION_INVALID, late
    none = client.ask("GET", "/jobs/123456789")
    assert none.status == 404, none

    client.change("POST", "/domains", guest("web", memory=32), status=201)
    client.change("POST", "/domains/web/start", {}, status=200)
    client.work("POST", "/domains/web/managed-save")
    assert conn.lookupByName("web").hasManagedSaveImage()
    reader = Client(daemon, read_only=True)
    assert reader.get("/jobs").json["items"]
    assert reader.ask("POST", "/pools/vms/volumes", {}).status == 403


def test_who_may_only_read_is_refused_what_rpc_refuses(daemon, conn, guest):
    conn.defineXML(guest("web", memory=32))
    reader, over_rpc = Client(daemon, read_only=True), libvirt.open(daemon.readonly_uri)
    assert names(reader.get("/domains")) == ["web"]
    assert reader.get("/domains/web").json["state"] == "shutoff"
    assert "read only access prevents" in refused(libvirt.VIR_ERR_OPERATION_DENIED, over_rpc.lookupByName("web").create)
    has(daemon, "domain.start", "", "refused with code 29")
    before = audit(daemon).count(("domain.start", "", "refused with code 29"))
    answer = reader.ask("POST", "/domains/web/start")
    assert answer.status == 403 and answer.json["code"] == libvirt.VIR_ERR_OPERATION_DENIED, answer
    wait_until(lambda: audit(daemon).count(("domain.start", "", "refused with code 29")) == before + 1, "the refusal is not written once")
    secrets = reader.ask("GET", "/domains/web/definition?flags=secure")
    assert secrets.status == 403, secrets
    over_rpc.close()


def operations(document):
    return {entry["name"]: entry for entry in document["x-operations"]}


def test_each_look_without_arguments_answers(client):
    """All that the document offers to who knows nothing yet; of the rest the unit tests have each row."""
    document = client.get("/openapi.json").json
    assert document["openapi"] == "3.1.0" and len(operations(document)) > 130
    asked = 0
    for path, methods in document["paths"].items():
        needed = [each for each in methods.get("get", {}).get("parameters", []) if each["required"]]
        if "get" not in methods or "{" in path or needed:
            continue
        answer = client.ask("GET", path)
        if path == "/host/sysinfo" and not os.path.exists("/sys/class/dmi/id"):
            assert answer.json["code"] == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
            continue
        assert answer.status in (200, 204), f"{path}: {answer}"
        asked += 1
    assert asked > 15


def test_the_daemon_prints_the_same_document(client, daemon):
    assert json.loads(run(daemon.binary, "--print-openapi").out) == client.get("/openapi.json").json


def test_autodestroy_ends_with_the_connection(client, conn, daemon, guest):
    conn.defineXML(guest("web", memory=32))
    other = Client(daemon)
    other.change("POST", "/domains/web/start", {"flags": ["autodestroy", "paused"]}, status=200)
    assert conn.lookupByName("web").isActive()
    other.connection.close()
    wait_until(lambda: not conn.lookupByName("web").isActive(), "the guest outlives its connection")


def test_clients_that_behave_badly_delay_nobody(client, daemon, conn):
    """Half a request, a body that never comes, answers that nobody reads, and one after the other without a pause."""
    path = daemon.root / "run/domus/http-sock-ro"
    asleep = []
    for beginning in (b"", b"GET /api", b"POST /api/v1/domains HTTP/1.1\r\nContent-Length: 1000\r\n\r\n<") * 8:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        sock.sendall(beginning)
        asleep.append(sock)
    ended = threading.Event()

    def flood():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.settimeout(0.2)
            while not ended.is_set():
                try:
                    sock.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\n\r\n" * 100)  # and reads nothing
                except TimeoutError:
                    pass
                except OSError:
                    return

    floods = [threading.Thread(target=flood) for _ in range(4)]
    for each in floods:
        each.start()
    # As is the best of some, since the machine has others to serve too.
    best = 60.0
    for _ in range(20):
        begun = time.monotonic()
        assert client.get("/domains").json == {"items": []}
        conn.listAllDomains()
        best = min(best, time.monotonic() - begun)
    ended.set()
    for each in floods:
        each.join()
    for sock in asleep:
        sock.close()
    assert best < 1, f"the quickest of 20 answers came after {best:.1f} s"


def test_the_sockets_go_and_come_with_the_daemon(client, daemon, guest):
    client.change("POST", "/domains", guest("web", memory=32), status=201)
    client.change("POST", "/domains/web/start", {"flags": ["paused"]}, status=200)
    daemon.stop()
    assert not (daemon.root / "run/domus/http-sock").exists()
    daemon.start()
    assert Client(daemon).get("/domains/web").json["state"] == "paused"
