"""`domus wait`: what can be waited for, and what its exit code says."""
import json
import threading

import pytest

from harness.compare import assert_hint, offered
from harness.daemon import BUILD


@pytest.fixture
def pair(daemon, conn, guest):
    """'off' is defined, 'on' is paused."""
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    conn.defineXML(guest("off"))
    conn.createXML(guest("on", memory=32), 1)
    yield daemon
    daemon.virsh("destroy", "on", check=False)


def test_what_is_so_already_needs_no_waiting(pair):
    for words in (["on", "paused"], ["off", "shutdown"], ["off", "shutoff"], ["off", "--for", "shutdown"], ["--for", "paused", "on"],
                  ["on", "paused", "--timeout", "0"]):
        done = pair.domus("wait", *words)
        assert (done.out.strip(), done.err) == ("", ""), done
    assert json.loads(pair.domus("--json", "wait", "on", "paused").out) == {"domain": "on", "for": "paused", "found": "paused"}


@pytest.mark.parametrize("domain, goal, cause, state", [("on", "running", "resume", "running"), ("on", "shutdown", "destroy", "gone"),
                                                         ("off", "running", "start", "running")])
def test_it_returns_when_the_state_is_reached(pair, domain, goal, cause, state):
    results = []
    waiter = threading.Thread(target=lambda: results.append(pair.domus("--json", "wait", domain, goal, "--timeout", "80")))
    waiter.start()
    waiter.join(0.5)
    assert waiter.is_alive() and not results
    pair.virsh(cause, domain)
    waiter.join(90)
    assert json.loads(results[0].out) == {"domain": domain, "for": goal, "found": state}
    pair.virsh("destroy", "off", check=False)


def test_the_timeout_says_what_the_domain_is_instead(pair):
    for domain, goal, instead in (("on", "running", "it is paused"), ("off", "running", "it is shut off"), ("on", "shutdown", "it is paused")):
        failed = pair.domus("wait", domain, goal, "--timeout", "0", check=False)
        assert failed.code == 1 and failed.out.strip() == "" and instead in failed.err and f"'{goal}' within 0 s" in failed.err
        assert_hint(pair, f"wait {domain} {goal} --timeout 0")
        failed = json.loads(pair.domus("--json", "wait", domain, goal, "--timeout", "0", check=False).err)
        assert failed["error"]["code"] == 68  # VIR_ERR_OPERATION_TIMEOUT
    failed = pair.domus("wait", "on", "agent", "--timeout", "0", check=False)
    assert failed.code == 1 and "no channel for an agent" in failed.err


def test_what_cannot_come_is_an_error_at_once(pair):
    for goal in ("ip", "agent"):
        failed = pair.domus("wait", "off", goal, check=False)
        assert failed.code == 1 and "is shut off" in failed.err and "domus" in failed.err
    for words in (["on", "bogus"], ["on", "running|paused"], ["on", "running", "--timeout", "x"], ["on", "running", "--timeout", "-1"], ["on"], ["absent", "running"]):
        failed = pair.domus("wait", *words, check=False)
        assert failed.code == 1 and failed.err.startswith("error: "), failed
    assert_hint(pair, "wait on bogus")


def test_the_agent_of_a_guest(daemon, conn, guest):
    conn.createXML(guest("smart", agent=True))
    done = json.loads(daemon.domus("--json", "wait", "smart", "agent", "--timeout", "80").out)
    assert done["found"] == "connected"
    conn.lookupByName("smart").destroy()


def test_completion_and_help(pair):
    assert {"running", "paused", "shutdown", "ip", "agent"} <= offered(pair, "wait", "on", "")[1]
    assert "wait <domain> <for> [--timeout <number>]" in pair.domus("help", "wait").out
