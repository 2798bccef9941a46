#include "model/domain.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::keep_empty;
using format::live_only;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& QemuArgument::schema() {
    static const Schema table = Describe<QemuArgument>("qemu:arg", "An argument that QEMU gets as it is.")
                                    .field("@value", &QemuArgument::value, "the argument", required | keep_empty);
    return table;
}

const Schema& QemuVariable::schema() {
    static const Schema table = Describe<QemuVariable>("qemu:env", "A variable of QEMU's environment.")
                                    .field("@name", &QemuVariable::name, "its name", required)
                                    .field("@value", &QemuVariable::value, "its value", keep_empty);
    return table;
}

const Schema& QemuCommandline::schema() {
    static const Schema table =
        Describe<QemuCommandline>("qemu:commandline", "What QEMU gets besides; nobody checks it.")
            .field("qemu:arg", &QemuCommandline::arguments)
            .field("qemu:env", &QemuCommandline::environment);
    return table;
}

Domain::Domain() = default;
Domain::Domain(const Domain&) = default;
Domain::Domain(Domain&&) noexcept = default;
Domain& Domain::operator=(const Domain&) = default;
Domain& Domain::operator=(Domain&&) noexcept = default;
Domain::~Domain() = default;
bool Domain::operator==(const Domain&) const = default;

const Schema& Domain::schema() {
    static const Schema table =
        Describe<Domain>("domain", "A virtual machine.")
            .in_namespace("qemu", "http://libvirt.org/schemas/domain/qemu/1.0")
            .field("@type", &Domain::type, "what runs it", required)
            .field("@id", &Domain::id, "number while it runs", live_only | empty_is_absent)
            .field("name", &Domain::name, "its name, unique on the host", required)
            .field("uuid", &Domain::uuid, "its identity; made at definition")
            .field("genid", &Domain::genid,
                   "generation, changed when the guest's state goes back in time; made if empty",
                   format::fresh_if_empty)
            .field("title", &Domain::title, "short description, one line")
            .field("description", &Domain::description, "long description")
            .raw("metadata", &Domain::metadata, "what applications keep here, word for word")
            .field("maxMemory@slots", &Domain::memory_slots, "number of memory devices that fit")
            .scaled("maxMemory", &Domain::maximum_memory, "KiB", "KiB", "most memory with devices plugged in")
            .scaled("memory", &Domain::memory, "KiB", "KiB", "memory at start", required)
            .field("memory@dumpCore", &Domain::dump_core, "whether a dump of the process has the guest's memory")
            .scaled("currentMemory", &Domain::current_memory, "KiB", "KiB", "what the balloon leaves the guest")
            .field("blkiotune", &Domain::blkiotune)
            .field("memtune", &Domain::memtune)
            .field("memoryBacking", &Domain::memory_backing)
            .field("vcpu@placement", &Domain::vcpu_placement, "whether host processors are chosen at start")
            .field("vcpu@cpuset", &Domain::vcpu_cpuset, "processors of the host that it may use", never_empty)
            .field("vcpu@current", &Domain::vcpu_current, "processors at start")
            .field("vcpu", &Domain::vcpu, "most virtual processors", keep_empty)
            .field("vcpus/vcpu", &Domain::vcpus)
            .field("iothreads", &Domain::iothreads, "number of threads that serve disks")
            .field("iothreadids/iothread", &Domain::iothread_ids)
            .refuse("defaultiothread", "helpers of the main thread are not built yet")
            .field("cputune", &Domain::cputune)
            .field("numatune", &Domain::numatune)
            .field("resource/partition", &Domain::partition, "group of the host's resources", never_empty)
            .field("sysinfo", &Domain::sysinfo)
            .refuse("bootloader", "it belongs to Xen")
            .field("os", &Domain::os, "", required)
            .field("features", &Domain::features)
            .field("cpu", &Domain::cpu)
            .field("clock", &Domain::clock)
            .field("on_poweroff", &Domain::on_poweroff, "what is done when the guest powers off")
            .field("on_reboot", &Domain::on_reboot, "what is done when the guest reboots")
            .field("on_crash", &Domain::on_crash,
                   "what is done when the guest crashes; coredump-destroy and coredump-restart put its memory into a "
                   "file first, see domusd(8)")
            .field("on_lockfailure", &Domain::on_lockfailure, "what is done when a lease is lost")
            .field("pm/suspend-to-mem@enabled", &Domain::suspend_to_mem, "whether the guest may sleep")
            .field("pm/suspend-to-disk@enabled", &Domain::suspend_to_disk, "whether the guest may hibernate")
            .field("perf/event", &Domain::perf)
            .field("devices", &Domain::devices)
            .field("seclabel", &Domain::seclabels)
            .refuse("launchSecurity", "memory of guests is not encrypted yet")
            .refuse("keywrap", "it belongs to s390 machines")
            .field("qemu:commandline", &Domain::qemu)
            .refuse("qemu:capabilities", "QEMU is asked what it can do, and not told")
            .refuse("qemu:deprecation", "what QEMU does about deprecated options is not chosen here")
            .refuse("qemu:override",
                    "properties of devices are not overridden yet; <qemu:commandline> can add arguments");
    return table;
}

} // namespace domus::model
