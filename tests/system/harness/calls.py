"""Calls beside the test, and calls whose time is promised."""
import threading
import time

import libvirt


class Outcome(threading.Thread):
    """A call in a thread of its own; `error` is what it raised."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call, self.error = call, None
        self.start()

    def run(self):
        try:
            self._call()
        except libvirt.libvirtError as error:
            self.error = error

    def wait(self, timeout=60):
        self.join(timeout)
        assert not self.is_alive(), "the call did not return"
        return self.error


def within(seconds, call, attempts=6):
    """What `call` returns, once one of some attempts takes less than `seconds`: a busy machine makes one slow, a defect all."""
    for _ in range(attempts):
        begun = time.monotonic()
        result = call()
        took = time.monotonic() - begun
        if took < seconds:
            return result
    raise AssertionError(f"the last of {attempts} attempts took {took:.2f} s, not {seconds}")
