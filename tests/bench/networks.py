"""Figures of virtual networks: starts and ends of one, and a daemon that finds many of them running."""
from figures import Figure, in_turn, timed

# Each peer is in a network namespace of its own.
NAT = """<network><name>{name}</name><forward mode='nat'/><bridge name='{name}'/><ip address='10.{high}.{low}.1' netmask='255.255.255.0'>
<dhcp><range start='10.{high}.{low}.2' end='10.{high}.{low}.254'/></dhcp></ip></network>"""


def definition(name, number=0):
    return NAT.format(name=name, high=200 + number // 256, low=number % 256)


def life(bench):
    networks = [peer.connect().networkDefineXML(definition("bench")) for peer in bench.peers]
    starts, ends = [[], []], [[], []]
    for number in range(bench.rounds + 1):
        for index, network in enumerate(networks):
            up, down = timed(network.create), timed(network.destroy)
            if number:
                starts[index].append(up)
                ends[index].append(down)
    for network in networks:
        network.undefine()
    for what, takes in (("start of a NAT network", starts), ("destroy of a NAT network", ends)):
        ours, theirs = (sorted(each)[len(each) // 2] * 1e3 for each in takes)
        yield Figure(f"{what}, until it returns", "ms", ours, theirs, goal=0.25)


def restart(bench):
    """libvirtd takes over a fifth of them: it needs minutes for all."""
    count = bench.size(100, 5)
    networks = []
    for peer, share in zip(bench.peers, (count, count // 5)):
        connection = peer.connect()
        networks.append([connection.networkCreateXML(definition(f"b{number}", number)) for number in range(share)])
        networks[-1] = [network.name() for network in networks[-1]]
        connection.close()

    def again(peer):
        peer.stop()
        return peer.start()

    ours, theirs = in_turn(min(bench.rounds, 3), *(lambda peer=peer: again(peer) for peer in bench.peers))
    yield Figure(f"start with {count} active networks until the first answer (libvirtd: {count // 5})", "ms", ours * 1e3, theirs * 1e3, goal=0.25)
    for peer, names in zip(bench.peers, networks):
        connection = peer.connect()
        for name in names:
            connection.networkLookupByName(name).destroy()
        connection.close()


ALL = {"network-life": life, "network-restart": restart}
