"""What emulators that do their worst (tests/tools/fake_qemu) cost the clients of others."""
import shutil
import threading

import libvirt

from figures import Figure, timed
from peers import REPOSITORY

FLOODS = 3


def domain(emulator, name):
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>{emulator}</emulator></devices></domain>"""


def percentile_of_listings(connection, count):
    times = sorted(timed(connection.listAllDomains) for _ in range(count))
    return times[int(len(times) * 0.99)]


def start_in_vain(peer):
    own = peer.connect()
    try:
        own.lookupByName("bench-silent").create()
    except libvirt.libvirtError:
        pass
    own.close()


def hostile_engines(bench):
    """Ours alone: libvirtd's clients wait for such an emulator."""
    peer, count = bench.domusd, bench.size(5000, 100)
    emulator = peer.folder / "fake_qemu"
    shutil.copy(REPOSITORY / "tests/tools/fake_qemu", emulator)
    emulator.chmod(0o755)
    connection = peer.connect()
    quiet = percentile_of_listings(connection, count)
    floods = [connection.createXML(domain(emulator, f"bench{number}-flood")) for number in range(FLOODS)]
    silent = connection.defineXML(domain(emulator, "bench-silent"))
    waiting = threading.Thread(target=start_in_vain, args=(peer,))
    waiting.start()
    loud = percentile_of_listings(connection, count)
    for each in (*floods, silent):
        each.destroy()
    waiting.join()
    silent.undefine()
    connection.close()
    yield Figure(f"list while {FLOODS} monitors send events without end and one says nothing, p99; bare: without them; at most 5 wanted", "ms",
                 loud * 1e3, None, bare=quiet * 1e3, against="bare")


ALL = {"hostile_engines": hostile_engines}
