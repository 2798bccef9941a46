"""Events as a list that a test can wait on."""
import threading

import libvirt


def start_loop():
    """libvirt's own loop in a thread, once for all connections of the process."""
    libvirt.virEventRegisterDefaultImpl()

    def turn():
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=turn, daemon=True, name="libvirt events").start()


class EventLog:
    """Lifecycle events of all domains of a connection, as (domain's name, event, detail), and devices that came or went."""

    def __init__(self, connection):
        self.seen = []
        self.devices = []
        self._changed = threading.Condition()
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._add, None)

        for event in (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED):
            connection.domainEventRegisterAny(None, event, self._add_device, event)

    def _add_device(self, _connection, domain, alias, event):
        with self._changed:
            self.devices.append((domain.name(), event, alias))
            self._changed.notify_all()

    def wait_for_device(self, name, event, alias, timeout=60):
        """Returns once a device was seen to come (VIR_DOMAIN_EVENT_ID_DEVICE_ADDED) or go (..._REMOVED)."""
        with self._changed:
            assert self._changed.wait_for(lambda: (name, event, alias) in self.devices, timeout), self.devices

    def _add(self, _connection, domain, event, detail, _opaque):
        with self._changed:
            self.seen.append((domain.name(), event, detail))
            self._changed.notify_all()

    def wait_for(self, name, event, detail=None, timeout=60):
        """Returns once it was seen, also if it was before this call."""
        def there():
            return any(entry[0] == name and entry[1] == event and detail in (None, entry[2]) for entry in self.seen)
        with self._changed:
            assert self._changed.wait_for(there, timeout), f"no event {event} of {name} in {self.seen}"
