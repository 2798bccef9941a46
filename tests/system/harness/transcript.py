"""Sessions as tests: a text file of commands and what they print, run against a private daemon.

    # a comment, up to the first command or after a blank line
    $ virsh list --all
     Id   Name   State
    --------------------

    $ cat >pool.xml <<END
    > <pool type='dir'/>
    > END
    $ virsh start nobody
    error: failed to get domain 'nobody'
    ...
    [exit 1]

A line `> ` goes on with the command above it. In the output a line `...` stands for any lines, `...` within a line
for any text, and `<<regex>>` for what the regular expression matches. Blank lines at the end of an output do not
count. `[exit N]` is the exit code if it is not 0. Commands are run by bash in one scratch folder, with stdout and
stderr together; `virsh`, `domus` and `guest-xml NAME [options]` speak of the private daemon, $ROOT is its folder.
"""
import os
import pathlib
import re
import subprocess

from .daemon import BUILD

ONE_LINE = re.compile(r"\.\.\.|<<(.*?)>>")


class Step:
    def __init__(self, line, command):
        self.line, self.command, self.output = line, command, []


def parse(text):
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif line.startswith(">") and steps and not steps[-1].output and line[1:2] in ("", " "):
            steps[-1].command += "\n" + line[2:]
        elif line.startswith("#") and (not steps or not steps[-1].output or not steps[-1].output[-1]):
            continue
        elif steps:
            steps[-1].output.append(line)
    return steps


def pattern_of(lines):
    """The regular expression that the expected lines stand for."""
    lines = _without_blank_end(list(lines))
    lines, exit_code = (lines[:-1], lines[-1:]) if lines and lines[-1].startswith("[exit ") else (lines, [])
    lines = _without_blank_end(lines) + exit_code
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
            continue
        done = 0
        for special in ONE_LINE.finditer(line):
            parts.append(re.escape(line[done:special.start()]))
            parts.append(r"[^\n]*" if special.group(1) is None else f"(?:{special.group(1)})")
            done = special.end()
        # Tables are padded to the width of a column; editors take such blanks away.
        parts.append(re.escape(line[done:].rstrip()) + r"[ \t]*\n")
    return "".join(parts)


def _without_blank_end(lines):
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def matches(expected_lines, actual):
    actual = actual.rstrip()
    return re.fullmatch(pattern_of(expected_lines), actual + "\n" if actual else "") is not None


def run(path, daemon, scratch):
    """Runs the file at `path`; raises AssertionError at the first command that printed something else."""
    environment = _environment(daemon, scratch)
    for step in parse(pathlib.Path(path).read_text()):
        done = subprocess.run(["bash", "-c", step.command], cwd=scratch, env=environment, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = done.stdout.rstrip()
        if done.returncode:
            said = f"{said}\n[exit {done.returncode}]".lstrip("\n")
        expected = "\n".join(step.output).rstrip()
        assert matches(step.output, said), (
            f"{path}:{step.line}: $ {step.command}\n--- expected ---\n{expected}\n--- printed ---\n{said}\n---")


def _environment(daemon, scratch):
    programs = pathlib.Path(scratch) / ".programs"
    programs.mkdir()
    for name, line in {
        "virsh": f'exec /usr/bin/virsh -c "{daemon.uri}" "$@"',
        "domus": f'exec "{BUILD}/bin/domus" -c "{daemon.uri}" "$@"',
        "guest-xml": f'exec /usr/bin/python3 "{pathlib.Path(__file__).parent}/guest.py" "$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    return dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}", LC_ALL="C", ROOT=str(daemon.root),
                LIBVIRT_AUTOSTART="0", COLUMNS="120")
