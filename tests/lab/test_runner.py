"""`run` itself, from outside: what it brings back, and that it ends and leaves nothing, whatever happens inside."""
import os
import pathlib
import signal
import subprocess

import pytest

from harness.sandbox import live_processes
from harness.wait import wait_until

RUN = pathlib.Path(__file__).with_name("run")
SMALL = ["--memory", "512"]
BOOT = 120  # seconds, when others use the processors too
pytestmark = [pytest.mark.timeout(3 * BOOT), pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")]


@pytest.fixture
def start(tmp_path):
    """Function that starts `run` with these arguments. At the end nothing of it may be left: no process, no file."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    started = []

    def begin(*arguments, **options):
        options.setdefault("env", dict(os.environ, TMPDIR=str(temporary)))
        started.append(subprocess.Popen([RUN, *SMALL, *arguments], text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    wait_until(lambda: not machines(temporary), f"{machines(temporary)} did not end")
    assert list(temporary.iterdir()) == []


@pytest.fixture
def lab(start):
    """Function that runs `run` to its end: exit status, output, errors."""
    def run(*arguments, **options):
        process = start("--timeout", str(BOOT), *arguments, **options)
        out, err = process.communicate()
        return process.returncode, out, err
    return run


def machines(temporary):
    """Pids and command lines of the processes that inherited this TMPDIR."""
    def ours(pid):
        try:
            return f"TMPDIR={temporary}".encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
    return [(pid, line) for pid, line in live_processes() if ours(pid)]


def inside(process, word="inside"):
    """Waits until the command in the lab has printed a line."""
    assert process.stdout.readline() == word + "\n", process.stderr.read()


def test_output_status_and_place_are_as_of_a_local_command(lab, tmp_path):
    script = f"""
        echo to output; echo to errors >&2
        echo "$(hostname) $WORD $(pwd) $(id -u) $DOMUS_LAB"
        echo changed >{tmp_path}/outside; cat {tmp_path}/outside
        exit 7"""
    (tmp_path / "outside").write_text("untouched\n")
    code, out, err = lab("--name", "host1", "sh", "-c", script, cwd=tmp_path, env=dict(os.environ, WORD="a b"))
    assert (code, err) == (7, "to errors\n")
    assert out.splitlines() == ["to output", f"host1 a b {tmp_path} 0 host1", "changed"]
    assert (tmp_path / "outside").read_text() == "untouched\n"


def test_the_host_has_what_a_kvm_host_has(lab):
    script = """
        set -e
        test -c /dev/kvm
        ip link add d0 type dummy; ip link add link d0 name d0.7 type vlan id 7
        ip link add br0 type bridge vlan_filtering 1; ip link add v0 type veth peer name v1
        for module in dm_mod dm_thin_pool dm_snapshot loop iscsi_tcp nfs nfsd vhost_net; do modprobe $module; done
        test -c /dev/mapper/control; test -c /dev/loop-control; test -c /dev/vhost-net; test -c /dev/net/tun
        grep -qw memory /sys/fs/cgroup/cgroup.subtree_control
        echo all there"""
    assert lab("sh", "-xc", script)[:2] == (0, "all there\n")


@pytest.mark.parametrize("command, expected, said", [
    # What the command leaves behind holds its output open, and nobody up.
    (["sh", "-c", "(trap '' HUP; sleep 1000) & kill -9 $$"], 128 + signal.SIGKILL, ""),
    (["/does/not/exist"], 127, "lab: cannot run '/does/not/exist'"),
    (["sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000"], 125, "lab: the kernel panicked"),
    (["sh", "-c", "echo o >/proc/sysrq-trigger; sleep 1000"], 125, "lab: the host ended before the command"),
], ids=["signal", "not-found", "panic", "power-off"])
def test_each_end_has_its_status(lab, command, expected, said):
    code, out, err = lab(*command)
    assert (code, out) == (expected, ""), err
    assert (err.splitlines() or [""])[-1].startswith(said)


def test_it_ends_when_its_time_is_over(start):
    process = start("--timeout", "1", "sleep", "1000")
    out, err = process.communicate()
    assert (process.returncode, out) == (124, "")
    assert err.endswith("lab: ended after 1 s\n")


def test_a_host_that_hangs_is_told_from_one_that_is_slow(start, tmp_path):
    process = start("--silence", "15", "--timeout", str(2 * BOOT), "sh", "-c", "echo inside; sleep 20; echo still; sleep 1000")
    inside(process)
    assert process.stdout.readline() == "still\n"  # a command may be silent
    qemu = next(pid for pid, line in machines(tmp_path / "tmp") if line.startswith("/usr/bin/qemu-system"))
    os.kill(qemu, signal.SIGSTOP)
    _, err = process.communicate()
    assert process.returncode == 123
    assert err.endswith("lab: the host gave no sign of life for 15 s\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_takes_the_machine_with_it(start, tmp_path, number):
    process = start("--timeout", str(BOOT), "sh", "-c", "echo inside; sleep 1000")
    inside(process)
    assert any("qemu-system" in line for _, line in machines(tmp_path / "tmp"))
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)


def test_files_are_copied_out(lab, tmp_path):
    script = "mkdir -p /run/a/b; echo text >/run/a/b/c; ln /run/a/b/c /run/a/d; ln -s d /run/a/e; chmod 600 /run/a/d; " \
             "truncate -s 3M /run/large"
    code, out, err = lab("--copy-out", f"/run/a:{tmp_path}/folder", "--copy-out", f"/run/none:{tmp_path}/none",
                         "--copy-out", f"/run/large:{tmp_path}/large", "sh", "-c", script)
    assert (code, out, err) == (125, "", "lab: there is no '/run/none' to copy out\n")
    assert (tmp_path / "folder/b/c").read_text() == "text\n"
    assert (tmp_path / "folder/d").stat().st_mode & 0o777 == 0o600
    assert os.readlink(tmp_path / "folder/e") == "d"
    assert (tmp_path / "large").stat().st_size == 3 << 20
    assert not (tmp_path / "none").exists()


def test_bad_requests_are_refused_before_anything_starts(lab):
    for arguments in ([], ["--timeout", "soon", "true"], ["--copy-out", "/run/x", "true"],
                      ["--copy-out", "/run/x:/does/not/exist/x", "true"], ["--memory", "0", "true"]):
        assert lab(*arguments)[0] == 2, arguments


def test_two_labs_are_joined_by_a_link(start, tmp_path):
    """Each pings the other, and goes only when it has been pinged, too."""
    script = """
        ip address add 192.0.2.$1/24 dev lab0
        until busybox ping -c 1 -W 1 192.0.2.$2 >/dev/null; do sleep 0.1; done
        until nstat -asz IcmpInEchos | grep -q 'IcmpInEchos *[1-9]'; do sleep 0.1; done
        sleep 1
        echo inside"""
    link = ["--timeout", str(2 * BOOT), "--cpus", "1", "--link", tmp_path.name]
    pair = [start(*link, "sh", "-c", script, "lab", *numbers) for numbers in (("1", "2"), ("2", "1"))]
    for process in pair:
        out, err = process.communicate()
        assert (process.returncode, out) == (0, "inside\n"), err
