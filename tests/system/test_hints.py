"""Hints name commands that there are, and that work where they are printed."""
import json
import os
import re
import shlex
import subprocess

import pytest

from harness.daemon import BUILD, REPOSITORY, run

CHECK = REPOSITORY / "tools/check_hints"

WRONG = {
    "'domus strat web'": "no verb 'strat'",
    "'virsh nonsense'": "no verb 'nonsense'",
    "'domus start web --fast'": "no option --fast",
    "'domus start web again and again'": "takes no further word",
    "'domus wait web sleeping'": "does not know 'sleeping'",
    "'domus event --event nonsense'": "does not know 'nonsense'",
    "'domus vol-resize disk --shrink'": "requires capacity",
    "'domus start web --mode'": "no option --mode",
    "'domus image inf disk.qcow2'": "no verb 'image'",
    "'domus -c qemu:///session strat web'": "no verb 'strat'",
    "'domus list; domus strat web'": "no verb 'strat'",
    "say: domus strat web": "no verb 'strat'",
    "'virsh start web'": "our own command",
}
RIGHT = ["'domus start {}'", "'domus image info {}'", "'sudo domus doctor'", "'domus vol-resize'", "'domus'", "domus-strat", "'domusd strat'",
         "'domus list; domus start web'", "domus strat web", "'domus -c qemu:///session'", "'domus wait {} --for {}'", "'domus help pool'"]


@pytest.fixture(scope="module")
def domus_binary():
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    return BUILD / "bin/domus"


def test_a_hint_names_a_command_that_domus_has(domus_binary):
    checked = run(CHECK, domus_binary)
    assert int(re.match(r"\d+", checked.out)[0]) > 150


def test_the_check_finds_what_is_wrong(domus_binary, scratch):
    lines = [f'hint(fmt::format("do {text}"\n     " now", x));' for text in WRONG if not text.startswith("say")]
    lines += [f'hint("{text}");' for text in WRONG if text.startswith("say")]
    (scratch / "wrong.cpp").write_text("\n".join(lines))
    found = run(CHECK, domus_binary, scratch / "wrong.cpp", check=False)
    assert found.code == 1 and len(found.out.splitlines()) == len(WRONG), found.out
    for reason in WRONG.values():
        assert reason in found.out
    (scratch / "right.cpp").write_text("\n".join(f'text("{text}");' for text in RIGHT))
    assert run(CHECK, domus_binary, scratch / "right.cpp").code == 0


def test_the_check_reads_adjacent_literals_and_documents(domus_binary, scratch):
    (scratch / "x.cpp").write_text('hint("\'domus "\n     "strat web\'");\n// "\'domus strat\'"\n')
    assert "x.cpp:1" in run(CHECK, domus_binary, scratch / "x.cpp", check=False).out
    (scratch / "x.md").write_text("one\n\n    domus strat \\\n        web\n\nand `domus strot`\n")
    found = run(CHECK, domus_binary, scratch / "x.md", check=False).out
    assert "x.md:3" in found and "x.md:6" in found and len(found.splitlines()) == 2


def hint_of(result):
    return re.search(r"^hint: (.*)$", result.err, re.M)[1]


def test_a_hint_repeats_the_uri_and_works(daemon, domus, conn, guest):
    conn.defineXML(guest("web", memory=32))
    hint = hint_of(domus("domdisplay", "web", check=False))
    assert hint == f"start it with 'domus -c \"{daemon.uri}\" start web'"
    environment = dict(os.environ, LC_ALL="C", PATH=f"{BUILD}/bin:{os.environ['PATH']}")
    subprocess.run(re.search("'(.*)'", hint)[1], shell=True, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    assert domus("domstate", "web").out.strip() == "running"
    domus("destroy", "web")
    as_json = json.loads(domus("--json", "domdisplay", "web", check=False).err)["error"]["hint"]
    assert as_json == hint


def test_a_hint_of_the_daemon_repeats_the_uri_too(daemon, domus):
    hint = hint_of(domus("start", "missing", check=False))
    assert "domus -c" in hint and shlex.split(re.search("'(domus [^']*)'", hint)[1])[2] == daemon.uri
    by_name = run(BUILD / "bin/domus", f"--connect={daemon.uri}", "start", "missing", check=False)
    assert hint_of(by_name) == hint


def test_without_a_uri_on_the_command_line_none_is_named(daemon, domus_binary):
    environment = dict(os.environ, LC_ALL="C", LIBVIRT_DEFAULT_URI=daemon.uri)
    plain = run(domus_binary, "start", "missing", check=False, env=environment)
    assert "'domus list" in hint_of(plain) and "-c" not in hint_of(plain)
    assert "-c" not in hint_of(run(domus_binary, "-c", daemon.uri, "help", "nonsense", check=False))


def test_connecting_elsewhere_changes_the_uri(daemon, domus_binary):
    done = run(domus_binary, input=f"connect {daemon.uri}\nstart missing\nquit\n", check=False)
    assert f'-c "{daemon.uri}"' in hint_of(done)
