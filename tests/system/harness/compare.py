"""`domus` beside stock `virsh`: the same words to both, and whether a script could tell them apart."""
import re

from .daemon import BUILD, run

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000", re.M)


def said(result):
    """What a script sees: output, exit code, and the line that says what failed."""
    return UUID.sub("UUID", result.out), result.code, result.err.splitlines()[:1]


def differences(daemon, lines):
    """The lines to which both answer differently, which must not change anything."""
    found = []
    for line in lines:
        for _ in range(3):  # others write to the same file system, and its free space is shown
            theirs = said(daemon.virsh(*line.split(), check=False))
            ours = said(daemon.domus(*line.split(), check=False))
            if ours == theirs:
                break
        else:
            found.append((line, theirs, ours))
    return found


def offered(daemon, *words):
    """What the shell's completion offers after the words: the kind, and the set of candidates."""
    lines = run(BUILD / "bin/domus", "__complete", "-c", daemon.uri, *words).out.splitlines()
    return lines[0], {line.split("\t")[0] for line in lines[1:]}


def verbs_of(daemon, group):
    return [line.split()[0] for line in daemon.virsh("help", group).out.splitlines()[1:] if line.strip()]


def options_of(client, verb):
    """In their order, which decides what is taken by its place."""
    synopsis = client("help", verb).out.split("SYNOPSIS")[1].split("DESCRIPTION")[0].split("OPTIONS")[0]
    return [name or option for name, option in re.findall(r"<(\w+)>|--([\w-]+)", synopsis) if name not in ("string", "number")]


def assert_same_options(daemon, verbs):
    manual = run(BUILD / "bin/domus", "__manual").out
    for verb in verbs:
        theirs, ours = options_of(daemon.virsh, verb), options_of(daemon.domus, verb)
        assert [option for option in ours if option in theirs] == theirs, verb
        assert f"*{verb}*" in manual


def assert_hint(daemon, line):
    failed = daemon.domus(*line.split(), check=False)
    assert failed.code == 1 and failed.out.strip() == "", failed
    assert failed.err.strip().splitlines()[-1].startswith("hint: ") and failed.err.count("hint: ") == 1, failed
