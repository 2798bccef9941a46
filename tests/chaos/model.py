"""What a client of the chaos test believes of its objects: for each property the set of values that it may have. A call
that was acknowledged leaves one; a call that the daemon refused changes nothing; one whose connection broke may have
happened or not.
"""
import libvirt

LOST = {libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_NO_CONNECT}
UNDECIDED = {libvirt.VIR_ERR_OPERATION_TIMEOUT}


class Lost(Exception):
    """The connection broke while a call was under way."""


def is_lost(error):
    broken = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and "onnect" in str(error) and error.get_error_domain() in (
        libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE)
    return error.get_error_code() in LOST or error.get_error_domain() == libvirt.VIR_FROM_RPC or broken


class Property:
    """Something that can be read back: `read(connection)` returns its value."""

    def __init__(self, name, read, value):
        self.name, self.read, self.possible = name, read, {value}

    @property
    def sure(self):
        """Its value, or None while there are several."""
        return next(iter(self.possible)) if len(self.possible) == 1 else None

    def verify(self, connection):
        """Returns a complaint, or None; then there is one value."""
        actual = self.read(connection)
        allowed, self.possible = self.possible, {actual}
        return None if actual in allowed else f"{self.name} is {actual!r}, and should be one of {sorted(map(repr, allowed))}"


class Journal:
    """Makes calls, and keeps a line for each."""

    def __init__(self, file):
        self._file = file
        self.calls = self.refused = 0

    def say(self, text):
        self._file.write(text + "\n")
        self._file.flush()

    def attempt(self, what, call, effects, halfway=()):
        """`effects` are pairs of Property and the value that it has after the call, `halfway` pairs that a call which was cut
        off may leave besides. True if it was acknowledged."""
        self.say(f"begin {what}")
        self.calls += 1
        try:
            call()
        except libvirt.libvirtError as error:
            if is_lost(error) or error.get_error_code() in UNDECIDED:
                for each, value in [*effects, *halfway]:
                    each.possible = each.possible | {value}
                self.say(f"lost  {what}: {error}")
                if is_lost(error):
                    raise Lost from error
                return False
            self.refused += 1
            self.say(f"error {what}: {error}")
            return False
        for each, value in effects:
            each.possible = {value}
        self.say(f"done  {what}")
        return True
