"""`domus image` beside the real qemu-img, on images that a domain has and that nobody has."""
import json
import os
import subprocess

import pytest

from harness.daemon import BUILD, run
from harness.terminal import Terminal

FORMATS = ["raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "qcow"]
SAME = ["format", "virtual-size", "cluster-size", "backing-filename", "backing-filename-format", "full-backing-filename", "dirty-flag"]


def qemu_img(*words):
    return subprocess.run(["qemu-img", *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


def image(*words, check=True, folder=None):
    """The verbs need no daemon: nothing answers at this address."""
    return run(BUILD / "bin/domus", "-c", "qemu:///absent", "image", *words, check=check, cwd=folder)


def said(*words):
    return json.loads(image(*words, "--json").out)


@pytest.fixture
def disk(scratch):
    path = scratch / "disk.qcow2"
    image("create", path, "64M")
    return path


@pytest.fixture
def overlay(scratch, disk):
    path = scratch / "top.qcow2"
    image("create", path, "--backing", "disk.qcow2", "--backing-format", "qcow2")
    return path


def write(path, pattern, kind="qcow2", at="0", length="1M"):
    subprocess.run(["qemu-io", "-f", kind, "-c", f"write -P {pattern} {at} {length}", path], check=True, stdout=subprocess.DEVNULL)


# -- beside qemu-img --

@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_made_and_told_as_qemu_img_tells_it(scratch, kind):
    path = scratch / f"disk.{kind}"
    image("create", path, "48M", "--format", kind)
    ours, theirs = said("info", path), json.loads(qemu_img("info", "--output=json", path))
    assert {key: ours.get(key) for key in SAME if key in theirs} == {key: theirs[key] for key in SAME if key in theirs}
    assert ours["actual-size"] == theirs["actual-size"]


@pytest.mark.parametrize("kind", FORMATS)
def test_conversion_keeps_the_contents(scratch, disk, kind):
    write(disk, 0x5a, at="3M", length="2M")
    image("convert", disk, scratch / "copy", "--output-format", kind)
    assert said("compare", disk, scratch / "copy")["identical"] is True
    assert "identical" in qemu_img("compare", "-f", "qcow2", "-F", kind, disk, scratch / "copy")
    write(scratch / "copy", 0x11, kind=kind, at="60M")
    differs = image("compare", disk, scratch / "copy", check=False)
    assert differs.code == 1 and "mismatch at offset 3145728" not in differs.out and "mismatch" in differs.out


def test_sizes_change_and_nothing_is_lost_unasked(scratch, disk):
    image("resize", disk, "+16M")
    assert said("info", disk)["virtual-size"] == 80 << 20
    refused = image("resize", disk, "32M", check=False)
    assert refused.code == 1 and "--shrink" in refused.err
    assert said("info", disk)["virtual-size"] == 80 << 20
    image("resize", disk, "-48M", "--shrink")
    assert json.loads(qemu_img("info", "--output=json", disk))["virtual-size"] == 32 << 20
    for nonsense in ("x", "+", "-100M", "99999999999999999999", "1Q"):
        assert image("resize", "--shrink", "--", disk, nonsense, check=False).code == 1
    kept = disk.read_bytes()
    again = image("create", disk, "1M", check=False)
    assert again.code == 1 and "is there already" in again.err and "--overwrite" in again.err
    assert disk.read_bytes() == kept
    image("create", disk, "1M", "--overwrite", "--options", "cluster_size=4k")
    assert said("info", disk)["cluster-size"] == 4096


def test_snapshots_within_an_image(scratch):
    path = scratch / "with,comma.qcow2"
    image("create", path, "8M")
    write(path, 1)
    image("snapshot", path, "--create", "first")
    write(path, 2)
    assert "first" in qemu_img("snapshot", "-l", path)
    assert [each["name"] for each in said("snapshot", path)] == ["first"]
    image("snapshot", path, "--apply", "first")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "read -P 1 0 1M", path], check=True, stdout=subprocess.DEVNULL)
    image("convert", path, scratch / "of-first", "--snapshot", "first")
    image("snapshot", path, "--delete", "first")
    assert said("snapshot", path) == []
    assert image("snapshot", path, "--delete", "first", check=False).code == 1


def test_commit_rebase_and_map(scratch, disk, overlay):
    write(overlay, 7, at="1M")
    pieces = said("map", overlay, "--format", "qcow2")
    assert pieces == json.loads(qemu_img("map", "--output=json", "-f", "qcow2", overlay))
    assert "0x100000" in image("map", overlay, "--format", "qcow2").out
    qemu_img("convert", "-O", "raw", overlay, scratch / "whole")
    (scratch / "other").mkdir()
    image("create", scratch / "other/base.qcow2", "64M")
    image("rebase", overlay, "--format", "qcow2", "--backing", "other/base.qcow2", "--backing-format", "qcow2")
    assert said("info", overlay)["full-backing-filename"] == str(scratch / "other/base.qcow2")
    assert said("compare", overlay, scratch / "whole", "--format", "qcow2")["identical"]
    image("commit", overlay, "--format", "qcow2")
    assert said("compare", scratch / "other/base.qcow2", scratch / "whole")["identical"]
    image("rebase", overlay, "--format", "qcow2")
    assert "backing-filename" not in said("info", overlay)
    assert said("compare", overlay, scratch / "whole")["identical"]


def test_check_tells_and_repairs(disk):
    write(disk, 3)
    assert said("check", disk)["check-errors"] == 0
    with open(disk, "r+b") as file:  # the 40th cluster, which nobody uses, is counted as used
        file.seek(2 * 65536 + 2 * 40)
        file.write(b"\0\1")
        file.truncate(41 * 65536)
    found = image("check", disk, "--json", check=False)
    assert found.code == 1 and json.loads(found.out)["leaks"] == 1
    image("check", disk, "--repair", "leaks")
    assert image("check", disk).out.startswith("No errors")
    assert image("check", disk, "--repair", "everything", check=False).code == 1


def test_what_is_asked_wrongly_is_told(scratch, disk):
    for words in (["bogus", disk], [], ["info"], ["info", scratch / "absent"], ["info", scratch], ["info", disk, "--format", "vdi"],
                  ["info", disk, "--format", "tar"], ["create", scratch / "x"], ["rebase", disk, "--backing", "y"],
                  ["create", scratch / "x", "1M", "--format", "tar"], ["convert", disk, disk, "--overwrite"], ["snapshot", disk, "--create", "a", "--delete", "b"]):
        failed = image(*words, check=False)
        assert failed.code == 1 and failed.err.startswith("error: "), words
    assert not (scratch / "x").exists()
    named = image("info", "disk.qcow2", "--json", folder=scratch)
    assert json.loads(named.out)["filename"] == str(disk)


@pytest.mark.parametrize("kind", ["qcow2", "luks"])
def test_encrypted_images_take_their_passphrase_from_a_file(scratch, disk, kind):
    phrase, path = scratch / "a phrase, with a comma", scratch / "secret.img"
    phrase.write_text("letmein")
    write(disk, 0x42, at="2M")
    for _attempt in range(20):  # QEMU measures the host to choose its iterations, and on a busy one sometimes cannot
        made = image("convert", disk, path, "--output-format", kind, "--target-secret-file", phrase, "--overwrite", check=False)
        if "accurate CPU usage" not in made.err:
            break
    assert made.code == 0, made.err
    told = said("info", path)
    assert told["format"] == kind and told["encryption"]["method"] == "luks" and told["virtual-size"] == 64 << 20
    assert said("compare", path, disk, "--secret-file", phrase)["identical"]
    assert said("compare", disk, path, "--other-secret-file", phrase)["identical"]
    image("resize", path, "+1M", "--secret-file", phrase)
    assert said("info", path)["virtual-size"] == 65 << 20
    without = image("map", path, check=False)
    assert without.code == 1 and "secret" in without.err
    phrase.write_text("wrong")
    wrong = image("convert", path, scratch / "open", "--secret-file", phrase, check=False)
    assert wrong.code == 1 and "assw" in wrong.err  # QEMU's "Invalid password"
    plain = image("map", disk, "--secret-file", phrase, check=False)
    assert plain.code == 1 and "is not encrypted" in plain.err
    refused = image("create", scratch / "x", "1M", "--format", "vdi", "--secret-file", phrase, check=False)
    assert refused.code == 1 and not (scratch / "x").exists()


# -- what a guest may have written --

def test_a_guess_opens_no_other_file(scratch, overlay):
    for words in (["convert", overlay, scratch / "stolen"], ["map", overlay], ["commit", overlay], ["check", overlay],
                  ["info", overlay, "--backing-chain"], ["resize", overlay, "+1M"]):
        refused = image(*words, check=False)
        assert refused.code == 1 and "not opened on a guess" in refused.err and "--format qcow2" in refused.err, words
    assert not (scratch / "stolen").exists()
    assert said("info", overlay)["backing-filename"] == "disk.qcow2"
    assert [each["format"] for each in said("info", overlay, "--backing-chain", "--format", "qcow2")] == ["qcow2", "qcow2"]


def test_a_backing_file_without_a_format_is_never_followed(scratch):
    secret = scratch / "secret"
    secret.write_bytes(b"root:secret" + bytes(501))
    path = scratch / "evil.qcow2"
    image("create", path, "1M", "--backing", secret, "--backing-format", "raw")
    with open(path, "r+b") as file:
        file.seek(112)
        assert file.read(4) == bytes.fromhex("e2792aca")
        file.seek(112)
        file.write(b"\x12\x34\x56\x78")
    for words in (["convert", path, scratch / "stolen"], ["info", path, "--backing-chain"], ["map", path], ["check", path]):
        refused = image(*words, "--format", "qcow2", check=False)
        assert refused.code == 1 and "was not specified" in refused.err, words
    assert not (scratch / "stolen").exists()
    image("rebase", path, "--unsafe", "--backing", secret, "--backing-format", "raw", "--format", "qcow2")
    image("convert", path, scratch / "asked", "--format", "qcow2", "--output-format", "raw")
    assert (scratch / "asked").read_bytes().startswith(b"root:secret")


def test_a_header_with_absurd_sizes_costs_no_memory(scratch, disk):
    with open(disk, "r+b") as file:
        file.seek(60)
        file.write((65536).to_bytes(4, "big") + (1 << 20).to_bytes(8, "big"))
        file.seek(1 << 20)
        file.write(b"\xff" * 65536)
        file.truncate(1 << 40)
    refused = subprocess.Popen([BUILD / "bin/domus", "image", "info", disk], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    words = refused.stderr.read()
    refused.stderr.close()
    _, status, usage = os.wait4(refused.pid, 0)
    refused.returncode = os.waitstatus_to_exitcode(status)
    assert refused.returncode == 1 and "the qcow2 header is damaged" in words
    assert usage.ru_maxrss < 200 << 10  # KiB


# -- beside domains --

@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_an_image_in_use_is_left_alone(daemon, conn, guest, scratch, kind):
    path, base = scratch / f"used.{kind}", scratch / "base"
    image("create", base, "16M", "--format", "raw")
    if kind == "qcow2":
        image("create", path, "--backing", "base", "--backing-format", "raw")
    else:
        image("create", path, "16M", "--format", "raw")
    domain = conn.createXML(guest("user", memory=32, disks=[path]), 0)
    before = path.read_bytes() if kind == "raw" else None
    changing = [["resize", path, "+1M"], ["snapshot", path, "--create", "s"], ["check", path, "--repair", "all"], ["create", path, "1M", "--overwrite"],
                ["rebase", path, "--unsafe"], ["convert", base, path, "--overwrite"]]
    for words in changing + [["convert", path, scratch / "copy"], ["compare", path, base], ["map", path]]:
        own = ["--format", kind] if words[0] != "create" and words[1] == path else []
        refused = daemon.domus("image", *words, *own, check=False)
        assert refused.code == 1, words
        assert f"in use by domain 'user' (uuid {domain.UUIDString()}, process " in refused.err and f'domus -c "{daemon.uri}" shutdown user' in refused.err, (words, refused.err)
    if kind == "qcow2":
        refused = daemon.domus("image", "resize", base, "+1M", "--format", "raw", check=False)
        assert f"in use by domain 'user' (uuid {domain.UUIDString()}, process " in refused.err
    assert daemon.domus("image", "info", path, "--format", kind).code == 0
    daemon.domus("image", "convert", path, scratch / "copy", "--format", kind, "--force-share")
    without = image("resize", path, "+1M", "--format", kind, check=False)
    assert without.code == 1 and "in use by domain 'user' (uuid" in without.err
    assert before is None or path.read_bytes() == before
    domain.destroy()
    assert daemon.domus("image", "resize", path, "+1M", "--format", kind).code == 0


# -- progress --

def test_long_work_shows_a_bar_on_a_terminal_only(scratch):
    source = scratch / "source"
    source.write_bytes(os.urandom(1 << 20) * 48)
    words = ["image", "convert", source, scratch / "copy", "--rate-limit", "12M", "--overwrite"]
    terminal = Terminal(BUILD / "bin/domus", *words)
    try:
        terminal.expect(r"convert \[#+ *\] +\d+ %   \d+(\.\d)? MiB/s   \d:\d\d left")
        terminal.expect(r"left\x1b\[K\r\x1b\[KImage '[^']*' converted to")  # the bar is gone
    finally:
        terminal.close()
    piped = run(BUILD / "bin/domus", *words)
    assert "%" not in piped.out + piped.err and "#" not in piped.err
    document = json.loads(run(BUILD / "bin/domus", "--json", *words).out)
    assert document["target"] == str(scratch / "copy")


def test_completion_and_help_know_the_verbs():
    complete = run(BUILD / "bin/domus", "__complete", "image", "").out
    assert all(f"\n{verb}\t" in complete for verb in ("info", "create", "convert", "resize", "check", "rebase", "commit", "snapshot", "map", "compare"))
    assert run(BUILD / "bin/domus", "__complete", "image", "info", "").out.startswith("files")
    assert "image-convert" in run(BUILD / "bin/domus", "help", "image").out
    assert "image-convert" in run(BUILD / "bin/domus", "__manual").out
