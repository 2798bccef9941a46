#include "model/tuning.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& HugePage::schema() {
    static const Schema table =
        Describe<HugePage>("page", "Huge pages of one size.")
            .scaled("@size", &HugePage::size, "KiB", "KiB", "the size", required)
            .field("@nodeset", &HugePage::nodeset, "cells of the guest that get them", never_empty);
    return table;
}

const Schema& MemoryBacking::schema() {
    static const Schema table =
        Describe<MemoryBacking>("memoryBacking", "What the guest's memory is made of.")
            .flag("hugepages", &MemoryBacking::hugepages, "huge pages of the host")
            .field("hugepages/page", &MemoryBacking::pages)
            .flag("nosharepages", &MemoryBacking::nosharepages, "pages are not merged with those of other guests")
            .flag("locked", &MemoryBacking::locked, "pages are never swapped out")
            .field("source@type", &MemoryBacking::source, "kind of memory", empty_is_absent)
            .field("access@mode", &MemoryBacking::access, "whether other processes (virtiofsd) may map it",
                   empty_is_absent)
            .field("allocation@mode", &MemoryBacking::allocation, "when it is taken from the host", empty_is_absent)
            .field("allocation@threads", &MemoryBacking::allocation_threads, "threads that fill it", empty_is_absent)
            .flag("discard", &MemoryBacking::discard, "contents are dropped at the end");
    return table;
}

const Schema& MemoryTune::schema() {
    static const Schema table =
        Describe<MemoryTune>("memtune", "Limits of the host's memory that the domain may use.")
            .scaled("hard_limit", &MemoryTune::hard_limit, "KiB", "KiB", "beyond it the domain is killed")
            .scaled("soft_limit", &MemoryTune::soft_limit, "KiB", "KiB", "held when memory is short")
            .scaled("min_guarantee", &MemoryTune::min_guarantee, "KiB", "KiB", "at least")
            .scaled("swap_hard_limit", &MemoryTune::swap_hard_limit, "KiB", "KiB", "memory and swap together");
    return table;
}

const Schema& BlockIoDevice::schema() {
    static const Schema table = Describe<BlockIoDevice>("device", "Share and limits at one device of the host.")
                                    .field("path", &BlockIoDevice::path, "the device", required)
                                    .field("weight", &BlockIoDevice::weight, "share, 100 to 1000")
                                    .field("read_iops_sec", &BlockIoDevice::read_iops_sec, "operations a second")
                                    .field("write_iops_sec", &BlockIoDevice::write_iops_sec, "operations a second")
                                    .field("read_bytes_sec", &BlockIoDevice::read_bytes_sec, "bytes a second")
                                    .field("write_bytes_sec", &BlockIoDevice::write_bytes_sec, "bytes a second");
    return table;
}

const Schema& BlockIoTune::schema() {
    static const Schema table = Describe<BlockIoTune>("blkiotune", "The domain's share of the host's disks.")
                                    .field("weight", &BlockIoTune::weight, "share, 100 to 1000")
                                    .field("device", &BlockIoTune::devices);
    return table;
}

const Schema& Vcpu::schema() {
    static const Schema table = Describe<Vcpu>("vcpu", "State of one virtual processor.")
                                    .field("@id", &Vcpu::id, "its number", required)
                                    .field("@enabled", &Vcpu::enabled, "whether it is plugged in", required)
                                    .field("@hotpluggable", &Vcpu::hotpluggable, "whether it can be unplugged")
                                    .field("@order", &Vcpu::order, "place in the order of plugging in");
    return table;
}

const Schema& IoThread::schema() {
    static const Schema table = Describe<IoThread>("iothread", "A thread that serves disks.")
                                    .field("@id", &IoThread::id, "its number, from 1", required)
                                    .field("@thread_pool_min", &IoThread::thread_pool_min, "helpers at least")
                                    .field("@thread_pool_max", &IoThread::thread_pool_max, "helpers at most");
    return table;
}

const Schema& VcpuPin::schema() {
    static const Schema table = Describe<VcpuPin>("vcpupin", "Processors of the host on which a virtual one runs.")
                                    .field("@vcpu", &VcpuPin::vcpu, "the virtual one", required)
                                    .field("@cpuset", &VcpuPin::cpuset, "those of the host: 0-3,^2", required);
    return table;
}

const Schema& IoThreadPin::schema() {
    static const Schema table =
        Describe<IoThreadPin>("iothreadpin", "Processors of the host on which an I/O thread runs.")
            .field("@iothread", &IoThreadPin::iothread, "the thread", required)
            .field("@cpuset", &IoThreadPin::cpuset, "those of the host: 0-3,^2", required);
    return table;
}

const Schema& ThreadSchedule::schema() {
    static const Schema table = Describe<ThreadSchedule>("vcpusched", "How the kernel schedules some threads.")
                                    .field("@vcpus", &ThreadSchedule::vcpus, "which virtual processors", never_empty)
                                    .field("@iothreads", &ThreadSchedule::iothreads, "which I/O threads", never_empty)
                                    .field("@scheduler", &ThreadSchedule::scheduler, "kind of scheduling", required)
                                    .field("@priority", &ThreadSchedule::priority, "fifo, rr: 1 to 99");
    return table;
}

const Schema& CpuTune::schema() {
    static const Schema table =
        Describe<CpuTune>("cputune", "The domain's share of the host's processors.")
            .field("shares", &CpuTune::shares, "share against other domains")
            .field("period", &CpuTune::period, "microseconds in which a virtual processor's quota counts")
            .field("quota", &CpuTune::quota, "microseconds that it may run; -1 no limit")
            .field("global_period", &CpuTune::global_period, "the same for the whole domain")
            .field("global_quota", &CpuTune::global_quota)
            .field("emulator_period", &CpuTune::emulator_period, "the same for what is no virtual processor")
            .field("emulator_quota", &CpuTune::emulator_quota)
            .field("iothread_period", &CpuTune::iothread_period, "the same for each I/O thread")
            .field("iothread_quota", &CpuTune::iothread_quota)
            .field("vcpupin", &CpuTune::vcpu_pins)
            .field("emulatorpin@cpuset", &CpuTune::emulator_pin,
                   "processors of the host for what is no virtual processor", never_empty)
            .field("iothreadpin", &CpuTune::iothread_pins)
            .field("emulatorsched", &CpuTune::emulator_schedule)
            .field("vcpusched", &CpuTune::vcpu_schedules)
            .field("iothreadsched", &CpuTune::iothread_schedules)
            .refuse("cachetune", "shares of the host's caches are not built yet")
            .refuse("memorytune", "shares of the host's memory bandwidth are not built yet");
    return table;
}

const Schema& NumaMemoryNode::schema() {
    static const Schema table = Describe<NumaMemoryNode>("memnode", "From where one cell's memory is taken.")
                                    .field("@cellid", &NumaMemoryNode::cellid, "cell of the guest", required)
                                    .field("@mode", &NumaMemoryNode::mode, "how strictly", required)
                                    .field("@nodeset", &NumaMemoryNode::nodeset, "nodes of the host", required);
    return table;
}

const Schema& NumaTune::schema() {
    static const Schema table = Describe<NumaTune>("numatune", "From which nodes of the host the memory is taken.")
                                    .field("memory@mode", &NumaTune::mode, "how strictly")
                                    .field("memory@nodeset", &NumaTune::nodeset, "nodes of the host: 0-1", never_empty)
                                    .field("memory@placement", &NumaTune::placement, "whether they are chosen at start")
                                    .field("memnode", &NumaTune::nodes);
    return table;
}

const Schema& PerfEvent::schema() {
    static const Schema table =
        Describe<PerfEvent>("event", "A performance counter of the host.")
            .field("@name", &PerfEvent::name, "its name: cpu_cycles, instructions, ...", required)
            .field("@enabled", &PerfEvent::enabled, "whether it counts", required);
    return table;
}

} // namespace domus::model
