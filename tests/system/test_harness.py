"""The harness itself: needs no daemon."""
import os
import subprocess
import sys

import pytest

from harness import transcript
from harness.sandbox import Sandbox
from harness.terminal import Terminal

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root")


def test_a_transcript_is_commands_with_their_output():
    steps = transcript.parse("# first\n$ cat <<E\n> a\n>\n> E\na\n\n# second\n$ true\n")
    assert [(step.command, step.output) for step in steps] == [("cat <<E\na\n\nE", ["a", ""]), ("true", [])]


@pytest.mark.parametrize("expected, printed, same", [
    (["a", "b"], "a\nb\n\n", True),
    (["a", "b"], "a\nc\n", False),
    (["a", "...", "z"], "a\nb\nc\nz", True),
    (["a", "...", "z"], "a\nz", True),
    (["..."], "", True),
    (["id ..., ok"], "id 17, ok", True),
    (["id ..., ok"], "id 17\n, ok", False),
    (["took <<[0-9]+>> ms"], "took 12 ms", True),
    (["took <<[0-9]+>> ms"], "took x ms", False),
    ([" Id   Name"], " Id   Name   ", True),
    ([], "", True),
    ([], "something", False),
    (["a.c"], "abc", False),
    (["error: no", "", "[exit 1]", ""], "error: no\n[exit 1]", True),
])
def test_output_is_compared_with_dots_and_regular_expressions(expected, printed, same):
    assert transcript.matches(expected, printed) == same


def test_a_terminal_waits_for_words_and_sends_answers():
    terminal = Terminal(sys.executable, "-c", "print('name?'); print('hello', input())")
    try:
        terminal.expect(r"name\?")
        terminal.send("world\r")
        terminal.expect("hello world")
        assert terminal.wait() == 0
    finally:
        terminal.close()


@needs_root
def test_a_sandbox_tells_what_was_left_in_it():
    sandbox = Sandbox()
    try:
        assert sandbox.leftovers() == []
        sandbox.run("ip", "link", "add", "left0", "type", "bridge", check=True)
        sandbox.run("nft", "add", "table", "inet", "left", check=True)
        sandbox.run("mount", "-t", "tmpfs", "left", "/mnt", check=True)
        sleeper = subprocess.Popen(sandbox.command("sleep", "60"))
        try:
            while f"process {sleeper.pid}: sleep 60" not in sandbox.leftovers():
                assert sleeper.poll() is None
            found = sandbox.leftovers()
        finally:
            sleeper.kill()
            sleeper.wait()
        assert any(thing.startswith("link left0") for thing in found)
        assert "nft table inet left" in found
        assert "mount /mnt" in found
        assert not os.path.ismount("/mnt")
    finally:
        sandbox.close()
