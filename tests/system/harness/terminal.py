"""A program on a terminal of its own, for clients that ask or draw: `virsh console`, the shell of `domus`."""
import os
import pty
import re
import select
import subprocess
import termios
import time


class Terminal:
    def __init__(self, *argv, env=None):
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen([*map(str, argv)], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
                                        start_new_session=True, env=dict(env or os.environ, LC_ALL="C", TERM="xterm"))
        os.close(slave)
        self.text = ""

    def send(self, text):
        os.write(self._master, text.encode())

    def clear(self):
        """Forgets what was written so far."""
        self._read(0)
        self.text = ""

    def search(self, pattern, timeout=180):
        """The match of `pattern` in all that was written since the last `expect` or `clear`, or None in the end."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.text, re.S)
            left = deadline - time.monotonic()
            if found or left <= 0 or not self._read(left):
                return found or re.search(pattern, self.text, re.S)

    def expect(self, pattern, timeout=180):
        """As `search`, but must be found; forgets what was written up to its end."""
        found = self.search(pattern, timeout)
        assert found, f"no {pattern!r} within {timeout} s in:\n{self.text}"
        self.text = self.text[found.end():]
        return found

    def wait_unseen(self, timeout=180):
        """Returns once the program reads without echo: it may throw away what was typed before."""
        deadline = time.monotonic() + timeout
        while termios.tcgetattr(self._master)[3] & termios.ECHO:
            assert time.monotonic() < deadline, "what is typed stays visible"
            time.sleep(0.01)

    def wait(self, timeout=180):
        """Reads to the end and returns the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(max(0, deadline - time.monotonic())):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self, timeout):
        """Takes what is there, waiting for the first of it; False at the end or when nothing came."""
        if not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)
