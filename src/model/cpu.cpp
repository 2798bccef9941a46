#include "model/cpu.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::required;
using format::Schema;

std::uint64_t CpuTopology::product() const {
    std::uint64_t result = 1;
    for (const unsigned n : {sockets, dies.value_or(1), clusters.value_or(1), cores, threads}) {
        if (n > 65536 || result > (std::uint64_t{1} << 32)) return UINT64_MAX;
        result *= n;
    }
    return result;
}

const Schema& CpuFeature::schema() {
    static const Schema table = Describe<CpuFeature>("feature", "A feature of the processor.")
                                    .field("@policy", &CpuFeature::policy, "what is done with it")
                                    .field("@name", &CpuFeature::name, "its name: vmx, avx2, ...", required);
    return table;
}

const Schema& CpuTopology::schema() {
    static const Schema table = Describe<CpuTopology>("topology", "How the virtual processors are grouped.")
                                    .field("@sockets", &CpuTopology::sockets, "packages", required)
                                    .field("@dies", &CpuTopology::dies, "dies a package")
                                    .field("@clusters", &CpuTopology::clusters, "clusters a die")
                                    .field("@cores", &CpuTopology::cores, "cores a cluster", required)
                                    .field("@threads", &CpuTopology::threads, "threads a core", required);
    return table;
}

const Schema& NumaDistance::schema() {
    static const Schema table = Describe<NumaDistance>("sibling", "How far another cell is.")
                                    .field("@id", &NumaDistance::id, "the other cell", required)
                                    .field("@value", &NumaDistance::value, "distance, 10 is itself", required);
    return table;
}

const Schema& NumaCell::schema() {
    static const Schema table =
        Describe<NumaCell>("cell", "A NUMA cell of the guest.")
            .field("@id", &NumaCell::id, "its number")
            .field("@cpus", &NumaCell::cpus, "its virtual processors: 0-3,7", never_empty)
            .scaled("@memory", &NumaCell::memory, "KiB", "KiB", "its memory", required)
            .field("@memAccess", &NumaCell::mem_access, "whether other processes may map the memory")
            .field("@discard", &NumaCell::discard, "whether the memory's contents are dropped at the end")
            .field("distances/sibling", &NumaCell::distances)
            .refuse("cache", "caches of NUMA cells (HMAT) are not built yet");
    return table;
}

const Schema& Cpu::schema() {
    static const Schema table =
        Describe<Cpu>("cpu", "The guest's processors.")
            .field("@mode", &Cpu::mode, "where the model comes from")
            .field("@match", &Cpu::match, "how strictly the processor must be this one")
            .field("@check", &Cpu::check, "what is checked before the start")
            .field("@migratable", &Cpu::migratable, "whether features that forbid migration are left out")
            .field("model@fallback", &Cpu::fallback, "whether a lesser model may be used", empty_is_absent)
            .field("model@vendor_id", &Cpu::vendor_id, "name of the maker that the guest sees")
            .field("model", &Cpu::model, "name of the model: EPYC, Skylake-Server, qemu64, ...")
            .field("vendor", &Cpu::vendor, "maker that the host's processor must have")
            .field("topology", &Cpu::topology)
            .field("cache@level", &Cpu::cache_level, "which cache")
            .field("cache@mode", &Cpu::cache_mode, "what the guest sees of it")
            .field("maxphysaddr@mode", &Cpu::maxphysaddr_mode, "where the width of physical addresses comes from")
            .field("maxphysaddr@bits", &Cpu::maxphysaddr_bits, "the width in bits")
            .field("feature", &Cpu::features)
            .field("numa/cell", &Cpu::numa_cells)
            .refuse("numa/interconnects", "latencies between NUMA cells (HMAT) are not built yet");
    return table;
}

} // namespace domus::model
