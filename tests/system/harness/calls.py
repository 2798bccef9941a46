"""Calls that are refused, calls beside the test, and calls whose time is promised."""
import contextlib
import threading
import time

import libvirt
import pytest


def code_of(call, *arguments):
    """The code with which it is refused."""
    with pytest.raises(libvirt.libvirtError) as error:
        call(*arguments)
    return error.value.get_error_code()


def refused(code, call, *arguments):
    """What is said when it is refused, with that code."""
    with pytest.raises(libvirt.libvirtError) as error:
        call(*arguments)
    assert error.value.get_error_code() == code, str(error.value)
    return str(error.value)


class Outcome(threading.Thread):
    """`call` with a connection as its argument, in a thread of its own; `error` is what it raised. The connection is its
    own, too: libvirt 9.0's client loses the waking of the thread that waits for a reply when a second one calls just
    then, which has to wait for that reply also.
    """

    def __init__(self, daemon, call):
        super().__init__(daemon=True)
        self._uri, self._call, self.error = daemon.uri, call, None
        self.start()

    def run(self):
        connection = libvirt.open(self._uri)
        try:
            self._call(connection)
        except libvirt.libvirtError as error:
            self.error = error
        finally:
            with contextlib.suppress(libvirt.libvirtError):
                connection.close()

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
