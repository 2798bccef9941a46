// The command that runs a domain: a pure function of the live definition (completed, with aliases, ports chosen), of
// what this QEMU can do, and of the descriptors that the start collected. Options are in the forms of QEMU 7.2.
//
//     complete(domain, capabilities);
//     assign_aliases(domain);
//     Command command = build_command(domain, capabilities, launch);
//     Process::spawn(command);          // QEMU waits, stopped, with its monitor listening
//
// Throws Error config_unsupported, with the element and its line, for what the definition asks for and this version or
// this QEMU cannot do: nothing is silently left out.
//
// Names in QEMU: devices have their aliases as ids. The images of disk vda are the block nodes "vda" (in its format)
// over "vda-file", below it "vda-1" over "vda-1-file" and so on; a filter for copy-on-read is "vda-cor". Character
// devices are called char + alias, network back ends host + alias, secrets and other objects after the device they
// belong to.
//
// The chain below a disk is what live.backing_store says. A start should have it resolved down to an empty
// <backingStore/>: where the chain is left open, QEMU itself opens whatever the image's header names.
#pragma once

#include "engine/capabilities.hpp"
#include "engine/engine.hpp"
#include "engine/launch.hpp"
#include "model/domain.hpp"
#include "os/process.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace domus::engine::qemu {

/// Something to say to the monitor before the guest runs, for which QEMU has no option: limits of disks, size of the
/// balloon, links that are down.
struct Preparation {
    std::string command;
    boost::json::object arguments;
};

Command build_command(const model::Domain& live, const Capabilities& capabilities, const Launch& launch);

/// The arguments of qom-set by which a balloon asks the guest for its statistics every so many seconds; 0: never.
boost::json::object stats_period(const model::MemoryBalloon& balloon, unsigned seconds);

/// vCPUs that the machine begins with: the first ones that are on and cannot be unplugged. The others that are on are
/// plugged in before the guest runs, so that saved memory with vCPUs that came later finds the same machine.
unsigned booted_vcpus(const model::Domain& domain);

/// What the monitor must be told after the start, in order, before "cont".
std::vector<Preparation> preparations(const model::Domain& live);

/// Of the disk's own image and of those below it that the definition names.
std::vector<WantedSecret> wanted_secrets(const model::Disk& disk);

/// The block node on top of a disk's chain, as block jobs and statistics name it.
std::string node_of(const model::Disk& disk);
/// The format node at a depth of its chain.
std::string node_of(const model::Disk& disk, unsigned depth);

/// How the monitor calls the device that owns a disk's images: "id" of block_set_io_throttle, eject and others, "qdev"
/// in answers to query-block and query-blockstats.
std::string block_device_of(const model::Disk& disk);

/// virConnectDomainXMLToNative: the command as a shell would take it, for people to read. Completes a copy.
std::string native_command(model::Domain domain, const Capabilities& capabilities);

} // namespace domus::engine::qemu
