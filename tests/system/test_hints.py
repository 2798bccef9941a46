"""Hints name commands that there are."""
import re

from harness.daemon import BUILD, REPOSITORY, run

COMMAND = re.compile(r"'(?:sudo )?domus ([a-z][a-z0-9-]*)(?: ([a-z]+))?")
ELSEWHERE = re.compile(r"'virsh ([a-z-]+)")
BY_VIRSH_ALONE = {"send-key"}  # domus has no such command, the daemon has the call


def test_a_hint_names_a_command_that_domus_has():
    known = set(re.findall(r"^ +([a-z][a-z0-9-]*) ", run(BUILD / "bin/domus", "help").out, re.M))
    assert {"start", "image-check"} <= known
    unknown = []
    for path in sorted((REPOSITORY / "src").rglob("*.cpp")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for first, second in COMMAND.findall(line):
                if first not in known and f"{first}-{second}" not in known:
                    unknown.append(f"{path.name}:{number}: domus {first}")
            unknown += [f"{path.name}:{number}: virsh {name}" for name in ELSEWHERE.findall(line) if name not in BY_VIRSH_ALONE]
    assert not unknown, unknown
