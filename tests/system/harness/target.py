"""An iSCSI target in user space (tgtd), whose disks are files: it needs nothing of the kernel but a network."""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile

from .daemon import run
from .wait import wait_until

SETTLE = 30  # seconds: the lab is slow


class Target:
    """`host`, `port` and `iqn` as an initiator names it; `files` are its disks, LUN 1 and on."""
    host, port = "127.0.0.1", 3260

    def __init__(self, iqn, server, administer, folder):
        self.iqn, self.files = iqn, []
        self._server, self._administer, self._folder = server, administer, folder

    def add(self, size):
        """One disk more."""
        number = len(self.files) + 1
        file = pathlib.Path(self._folder, f"lun{number}")
        with open(file, "wb") as disk:
            disk.truncate(size)
        self._administer("new", "logicalunit", "--tid", "1", "--lun", str(number), "--backing-store", str(file))
        self.files.append(file)

    @property
    def portal(self):
        return f"{self.host}:{self.port}"

    def cut(self):
        """Ends it as a lost server."""
        self._server.kill()
        self._server.wait()

    def freeze(self):
        """It holds its connections, and answers nothing."""
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._server.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def iscsi_target(iqn, sizes, login=None, inside=lambda *argv: argv):
    """A target with disks of these sizes in bytes. `login`: name and password, which it asks for by CHAP. `inside` makes
    a command one that runs where the target is to be."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="tgt-") as folder:
        environment = {**os.environ, "TGT_IPC_SOCKET": f"{folder}/socket"}  # several can live beside each other

        def administer(operation, mode, *more, check=True):
            return run("tgtadm", "--lld", "iscsi", "--op", operation, "--mode", mode, *more, check=check, env=environment)

        with open(f"{folder}/log", "w+") as log:
            server = subprocess.Popen(inside("tgtd", "-f", "--iscsi", f"portal={Target.host}:{Target.port}"), env=environment,
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            try:
                def up():
                    assert server.poll() is None, f"tgtd ended with {server.returncode}:\n{pathlib.Path(log.name).read_text()}"
                    return administer("show", "target", check=False).code == 0
                wait_until(up, "tgtd was not ready", SETTLE)
                administer("new", "target", "--tid", "1", "-T", iqn)
                target = Target(iqn, server, administer, folder)
                for size in sizes:
                    target.add(size)
                if login:
                    administer("new", "account", "--user", login[0], "--password", login[1])
                    administer("bind", "account", "--tid", "1", "--user", login[0])
                administer("bind", "target", "--tid", "1", "--initiator-address", "ALL")
                yield target
            finally:
                server.kill()  # asked to end, it waits for its initiators
                server.wait()
