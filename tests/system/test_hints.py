"""Hints name commands that there are."""
import re

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
