"""The help of `domus`: virsh's groups and keywords, and summaries that are sentences in the imperative."""
import json
import re

import pytest

from harness.daemon import BUILD, run

VERBS = set("""abort apply attach autostart build cancel change check clone commit compare compute connect convert create define delete
detach download edit find import inject leave list pause print reboot remove rename replace rescan reset resize restore resume revert
save send set show shut start stop update upload wait wipe""".split())
OURS = {"image", "job", "domus"}  # groups that virsh does not have; it calls the last one 'virsh'


@pytest.fixture(scope="module")
def domus():
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    return lambda *words, **options: run(BUILD / "bin/domus", *words, **options)


def groups_of(text):
    """{keyword: (title, verbs)} in the order of `help`."""
    found, verbs = {}, []
    for line in text.splitlines():
        if heading := re.fullmatch(r" (.+) \(help keyword '(\w+)'\):?", line):
            verbs = []
            found[heading[2]] = (heading[1], verbs)
        elif verb := re.match(r"    ([a-z][a-z0-9-]*) ", line):
            verbs.append(verb[1])
    return found


def test_the_groups_are_virshs(domus):
    ours, theirs = groups_of(domus("help").out), groups_of(run("virsh", "help").out)
    shared = [keyword for keyword in theirs if keyword in ours]
    assert shared == [keyword for keyword in ours if keyword in theirs]
    assert set(ours) - set(theirs) == OURS
    assert {"domain", "monitor", "events", "host", "checkpoint", "interface", "filter", "network", "secret", "snapshot", "pool", "volume"} == set(shared)
    where = {verb: keyword for keyword, (_title, verbs) in theirs.items() for verb in verbs}
    for keyword, (title, verbs) in ours.items():
        assert keyword in OURS or title == theirs[keyword][0]
        for verb in verbs:
            assert where.get(verb, keyword) in (keyword, "virsh"), verb


def test_the_help_of_a_group(domus):
    everything = domus("help").out
    for keyword, (title, verbs) in groups_of(everything).items():
        text = domus("help", keyword).out
        assert groups_of(text) == {keyword: (title, verbs)} and text.strip() in everything
        assert [verb["name"] for verb in json.loads(domus("--json", "help", keyword).out)] == verbs
        assert f"domus help {keyword} " in domus("--help").out
    assert domus("help", "nonsense", check=False).err.startswith("error: command or command group 'nonsense' doesn't exist\n")


def test_summaries_are_imperatives(domus):
    for verb in json.loads(domus("--json", "help").out):
        words = verb["summary"].split()
        assert words[0].rstrip(",") in VERBS, (verb["name"], verb["summary"])
        assert len(verb["summary"]) <= 70 and not verb["summary"].endswith("."), verb["name"]
        assert not verb["about"] or verb["about"].endswith("."), verb["name"]
        for option in verb["options"]:
            assert option["help"] and not option["help"].removesuffix("...").endswith("."), (verb["name"], option)
            assert not re.match(r"(only (those|of|what) )", option["help"]), (verb["name"], option)


def test_the_help_of_a_verb(domus):
    assert "pool create NAME FOLDER" in domus("pool", "--help").out  # 'help pool' is that of the group
    for words in (["help", "domid"], ["domid", "--help"]):
        text = domus(*words).out
        assert "domid - print the domain's ID" in text and "domid <domain>" in text
    assert "wait until a domain reaches a state" in domus("help").out
    manual = domus("__manual").out
    for part in ("## INTERFACE", "## CHECKPOINT", "*iface-list*", "*domblkstat*"):
        assert part in manual
