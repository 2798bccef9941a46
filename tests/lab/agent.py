"""First process of the lab once the outer file system is there: runs one command and tells `run` about it.

Both speak over one virtio-serial port. `run` sends one line of JSON: the job. We send frames (`FRAME`: kind, length;
then the bytes): what the command wrote to its output (kind 1) and its errors (2), a tar of what is to be copied out
(`COPIES`), whose members are named by their number in the job, and at last the exit status (`STATUS`) or why there is
none (`FAILED`). Every few seconds a `BEAT` says that this host still runs.
"""
import json
import os
import pathlib
import resource
import select
import signal
import struct
import subprocess
import threading
import time
import traceback

FRAME = struct.Struct(">BI")
STATUS, COPIES, FAILED, BEAT = 0, 3, 4, 5
BEAT_INTERVAL = 5  # seconds
LARGEST_PIPE = 1 << 20
CANNOT_RUN, NOT_FOUND, COPY_FAILED = 126, 127, 125


class Port:
    """The way to `run`; frames of several threads do not mix."""

    def __init__(self, name):
        self._file = open(find_port(name), "r+b", buffering=0)
        self._lock = threading.Lock()

    def read_line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self._file.read(65536) or b""  # nothing is there until QEMU's side is open
        return line

    def write(self, data):
        left = memoryview(data)
        while left:
            left = left[self._file.write(left):]

    def send(self, kind, data):
        with self._lock:
            self.write(FRAME.pack(kind, len(data)) + data)


class Heart(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self._port = port
        self.start()

    def run(self):
        while True:
            self._port.send(BEAT, b"")
            time.sleep(BEAT_INTERVAL)


def find_port(name):
    while True:
        for port in pathlib.Path("/sys/class/virtio-ports").iterdir():
            if (port / "name").exists() and (port / "name").read_text().strip() == name:
                return f"/dev/{port.name}"
        time.sleep(0.005)


def become_host(job):
    """What systemd and udev would have done."""
    pathlib.Path("/proc/sys/kernel/hostname").write_text(job["name"])
    modules = pathlib.Path("/lib/modules", os.uname().release)
    if not modules.exists():
        modules.parent.mkdir(exist_ok=True)
        modules.symlink_to(pathlib.Path(job["modules"], os.uname().release))
    # Devices whose opening loads their module, as `kmod static-nodes` knows them.
    for line in (modules / "modules.devname").read_text().splitlines():
        if not line.startswith("#"):
            make_node(*line.split()[1:])
    controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    pathlib.Path("/sys/fs/cgroup/cgroup.subtree_control").write_text(" ".join("+" + each for each in controllers))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 524288))
    if os.path.exists("/sys/class/net/eth0"):
        subprocess.run(["ip", "link", "set", "eth0", "name", "lab0", "up"], check=True)


def make_node(name, numbers):
    path = pathlib.Path("/dev", name)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        major, minor = map(int, numbers[1:].split(":"))
        os.mknod(path, 0o20600, os.makedev(major, minor))


class Relay(threading.Thread):
    """Sends what comes out of a pipe. Ends with the pipe, or with the command, whoever else still holds it."""

    def __init__(self, port, kind, pipe):
        super().__init__()
        self._port, self._kind, self._pipe = port, kind, pipe
        self._ended, self._end = os.pipe()
        self.start()

    def run(self):
        last = False
        while not last:
            ready, _, _ = select.select([self._pipe, self._ended], [], [])
            last = self._ended in ready
            if self._pipe in ready:
                data = os.read(self._pipe.fileno(), LARGEST_PIPE)
                last = last or not data
                self._port.send(self._kind, data)

    def finish(self):
        os.write(self._end, b".")
        self.join()


def run_command(job, port):
    """Returns the exit status as a shell would."""
    environment = dict(job["environment"], DOMUS_LAB=job["name"])
    try:
        process = subprocess.Popen(job["command"], cwd=job["folder"], env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, start_new_session=True,
                                   stderr=subprocess.STDOUT if job["merge"] else subprocess.PIPE)
    except OSError as problem:
        port.send(2, f"lab: cannot run '{job['command'][0]}': {problem}\n".encode())
        return NOT_FOUND if isinstance(problem, FileNotFoundError) else CANNOT_RUN
    relays = [Relay(port, kind, pipe) for kind, pipe in ((1, process.stdout), (2, process.stderr)) if pipe]
    while True:  # the orphans are ours, too
        pid, status = os.wait()
        if pid == process.pid:
            break
    for relay in relays:
        relay.finish()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def missing_copies(job, port):
    missing = [path for path in job["copies"] if not os.path.lexists(path)]
    for path in missing:
        port.send(2, f"lab: there is no '{path}' to copy out\n".encode())
    return missing


class CopiesStream:
    """Where tarfile writes to."""

    def __init__(self, port):
        self._port = port

    def write(self, data):
        self._port.send(COPIES, data)


def send_copies(copies, port):
    import tarfile  # here, since it takes half a second on a machine this slow
    with tarfile.open(fileobj=CopiesStream(port), mode="w|", bufsize=LARGEST_PIPE) as archive:
        for number, path in enumerate(copies):
            if os.path.lexists(path):
                archive.add(path, arcname=str(number))


def do_job(port):
    """The exit status for `run`."""
    job = json.loads(port.read_line())
    os.umask(0o022)
    become_host(job)
    status = run_command(job, port)
    if missing_copies(job, port):
        status = status or COPY_FAILED
    if job["copies"]:
        send_copies(job["copies"], port)
    return status


def main():
    port = Port("lab")
    Heart(port)
    try:
        port.send(STATUS, bytes([do_job(port)]))
    except Exception:
        port.send(FAILED, traceback.format_exc().encode())
    while True:
        signal.pause()  # `run` ends the machine


if __name__ == "__main__":
    main()
