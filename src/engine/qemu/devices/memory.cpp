// The guest's memory: its main part by NUMA cell, and modules that were plugged in.
#include "engine/qemu/devices/devices.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace domus::engine::qemu {

using model::MemoryDevice;
using model::MemoryModel;
using model::NumaMode;

namespace {

/// "0-2,5" as numbers; anything that is none is refused.
json::array nodes(const std::string& text, std::string_view element, int line) {
    json::array list;
    for (std::size_t at = 0; at < text.size();) {
        const auto comma = std::min(text.find(',', at), text.size());
        const auto part = std::string_view(text).substr(at, comma - at);
        const auto dash = part.find('-');
        unsigned first = 0, last = 0;
        const auto number = [&](std::string_view digits, unsigned& value) {
            const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
            if (failure != std::errc{} || end != digits.data() + digits.size() || value > 4095)
                refuse(element, line, fmt::format("'{}' is no list of nodes", text));
        };
        number(part.substr(0, dash), first);
        last = first;
        if (dash != part.npos) number(part.substr(dash + 1), last);
        for (unsigned node = first; node <= last; ++node) list.push_back(node);
        at = comma + 1;
    }
    return list;
}

void set_policy(json::object& backend, NumaMode mode, const std::string& nodeset, int line) {
    if (mode == NumaMode::restrictive || nodeset.empty()) return; // left to the cgroup
    constexpr std::array<std::string_view, 3> policies{"bind", "preferred", "interleave"};
    backend["host-nodes"] = nodes(nodeset, "numatune", line);
    backend["policy"] = policies[static_cast<std::size_t>(mode)];
}

void set_host_nodes(const Build& build, json::object& backend, std::optional<unsigned> cell) {
    const auto& tune = build.domain.numatune;
    if (cell)
        for (const auto& node : tune.nodes)
            if (node.cellid == *cell) return set_policy(backend, node.mode, node.nodeset, node.rest.line);
    if (tune.placement == model::Placement::auto_)
        refuse("numatune", tune.rest.line, "placement='auto' is not supported");
    if (tune.nodeset) set_policy(backend, tune.mode.value_or(NumaMode::strict), *tune.nodeset, tune.rest.line);
}

/// The size of pages that a cell's memory is made of; nothing for ordinary ones.
std::optional<ByteCount> page_size(const Build& build, std::optional<unsigned> cell) {
    const auto& backing = build.domain.memory_backing;
    if (!backing.hugepages) return std::nullopt;
    std::optional<ByteCount> general = ByteCount{0};
    for (const auto& page : backing.pages) {
        if (!page.nodeset) {
            general = page.size;
            continue;
        }
        if (!cell) continue;
        for (const auto& node : nodes(*page.nodeset, "page", page.rest.line))
            if (node.to_number<unsigned>() == *cell) return page.size;
    }
    return general;
}

struct Wanted {
    std::string id;
    ByteCount size;
    std::optional<unsigned> cell;
    std::optional<model::MemoryAccess> access;
    std::optional<bool> discard;
};

/// An object that holds memory: anonymous, memfd (of huge pages too), or a file.
json::object backend_of(const Build& build, const Wanted& wanted) {
    const auto& backing = build.domain.memory_backing;
    json::object backend{{"qom-type", "memory-backend-ram"}, {"id", wanted.id}};
    const auto pages = page_size(build, wanted.cell);
    if (backing.source == model::MemorySource::memfd || pages) {
        // Huge pages too: a mount of hugetlbfs belongs to root, and one that is none takes plain files without a word.
        backend["qom-type"] = "memory-backend-memfd";
        if (pages) backend["hugetlb"] = true;
        if (pages && pages->bytes > 0) backend["hugetlbsize"] = pages->bytes;
        if (backing.source != model::MemorySource::memfd) {
            backend["prealloc"] = true;
            backend["share"] = false; // as files are, unless the definition says otherwise
        }
    } else if (backing.source == model::MemorySource::file) {
        backend["qom-type"] = "memory-backend-file";
        backend["mem-path"] = fmt::format("{}/{}.ram", build.launch.folder, wanted.id);
    }
    const auto access = wanted.access ? wanted.access : backing.access;
    if (access) backend["share"] = *access == model::MemoryAccess::shared;
    if (backing.allocation == model::Allocation::immediate) backend["prealloc"] = true;
    if (backing.allocation_threads) backend["prealloc-threads"] = *backing.allocation_threads;
    if (backing.discard || wanted.discard.value_or(false)) {
        if (backend["qom-type"] == "memory-backend-file") backend["discard-data"] = true;
    }
    if (backing.nosharepages) backend["merge"] = false;
    if (build.domain.dump_core) backend["dump"] = on(*build.domain.dump_core);
    backend["size"] = wanted.size.bytes;
    set_host_nodes(build, backend, wanted.cell);
    return backend;
}

void add_cells(Build& build) {
    const auto& cells = build.domain.cpu.numa_cells;
    for (const auto& cell : cells) {
        const auto id = fmt::format("ram-node{}", *cell.id);
        build.arguments.object(backend_of(build, {id, cell.memory, cell.id, cell.mem_access, cell.discard}));
        Options options("node");
        options.set("nodeid", *cell.id);
        // Ranges apart are given one by one: cpus=0-1,cpus=4.
        const auto cpus = cell.cpus.value_or("");
        for (std::size_t at = 0; at < cpus.size();) {
            const auto comma = std::min(cpus.find(',', at), cpus.size());
            options.set("cpus", cpus.substr(at, comma - at));
            at = comma + 1;
        }
        options.set("memdev", id);
        build.arguments.add("-numa", options);
    }
    for (const auto& cell : cells)
        for (const auto& distance : cell.distances)
            build.arguments.add(
                "-numa", Options("dist").set("src", *cell.id).set("dst", distance.id).set("val", distance.value));
}

void set_module_backend(Build& build, const MemoryDevice& memory, json::object& backend) {
    if (memory.source_path) {
        backend["qom-type"] = "memory-backend-file";
        backend["mem-path"] = *memory.source_path;
        if (memory.model == MemoryModel::nvdimm || memory.model == MemoryModel::virtio_pmem) backend["share"] = true;
        if (memory.source_alignsize) backend["align"] = memory.source_alignsize->bytes;
        if (memory.source_pmem) backend["pmem"] = true;
        if (memory.readonly) backend["readonly"] = true;
    }
    if (memory.source_nodemask) set_policy(backend, NumaMode::strict, *memory.source_nodemask, memory.rest.line);
    if (memory.source_pagesize && build.domain.memory_backing.source == model::MemorySource::memfd) {
        backend["hugetlb"] = true;
        backend["hugetlbsize"] = memory.source_pagesize->bytes;
    }
}

void add_memory_device(Build& build, const MemoryDevice& memory) {
    constexpr std::array<std::string_view, 4> drivers{"pc-dimm", "nvdimm", "virtio-pmem-pci", "virtio-mem-pci"};
    if (memory.model == MemoryModel::sgx_epc) refuse("memory", memory.rest.line, "model 'sgx-epc' is not supported");
    const auto driver = drivers[static_cast<std::size_t>(memory.model)];
    build.need_device(driver, "memory", memory.rest.line);
    const auto id = "mem" + *memory.alias;
    auto backend = backend_of(build, {id, memory.size, memory.node, memory.access, memory.discard});
    set_module_backend(build, memory, backend);
    build.arguments.object(backend);
    auto device = build.device(driver, *memory.alias);
    device["memdev"] = id;
    set(device, "node", memory.node);
    if (memory.uuid) device["uuid"] = memory.uuid->text();
    if (memory.label_size) device["label-size"] = memory.label_size->bytes;
    if (memory.readonly && memory.model == MemoryModel::nvdimm) device["unarmed"] = true;
    if (memory.block) device["block-size"] = memory.block->bytes;
    if (memory.requested) device["requested-size"] = memory.requested->bytes;
    if (memory.address && memory.address->type == model::AddressType::dimm) {
        device["slot"] = memory.address->slot;
        if (memory.address->base) device["addr"] = memory.address->base->value;
    }
    build.place(device, memory.address);
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& memory : build.domain.devices.memories) add_memory_device(build, memory);
}

/// Memory modules are in the slots that <maxMemory> counts.
void complete_modules(model::Domain& domain) {
    auto& memories = domain.devices.memories;
    std::set<unsigned> taken;
    for (const auto& memory : memories)
        if (memory.address && memory.address->type == model::AddressType::dimm) taken.insert(memory.address->slot);
    unsigned slot = 0; ///< no lower one is free
    for (auto& memory : memories) {
        const bool module = memory.model == MemoryModel::dimm || memory.model == MemoryModel::nvdimm;
        if (module && memory.address && memory.address->type != model::AddressType::dimm)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("memory of model '{}' (line {}) cannot have an address of type '{}'",
                                    format::word(memory.model), memory.rest.line, format::word(memory.address->type)));
        if (!module || memory.address) continue;
        while (!taken.insert(slot).second) ++slot;
        memory.address.emplace().type = model::AddressType::dimm;
        memory.address->slot = slot;
    }
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& memory : domain.devices.memories)
        if (memory.model == MemoryModel::virtio_mem || memory.model == MemoryModel::virtio_pmem)
            users.add("memory", memory, PciPlug::express);
}

} // namespace

void add_memory(Build& build) {
    const auto& domain = build.domain;
    Options options;
    options.set("size", fmt::format("{}k", [&] {
                    auto size = domain.memory.bytes;
                    for (const auto& device : domain.devices.memories) size -= std::min(size, device.size.bytes);
                    return ByteCount{size}.kib_ceil();
                }()));
    if (domain.maximum_memory) {
        options.set("slots", domain.memory_slots.value_or(0));
        options.set("maxmem", fmt::format("{}k", domain.maximum_memory->kib_ceil()));
    }
    build.arguments.add("-m", options);
    if (domain.cpu.numa_cells.empty())
        build.arguments.object(backend_of(build, {"pc.ram", domain.memory, {}, {}, {}}));
    else
        add_cells(build);
    build.arguments.add("-overcommit", Options().set("mem-lock", domain.memory_backing.locked));
}

const DeviceKind& kind_memory() {
    static const DeviceKind kind{
        .element = "memory",
        .add = add_all,
        .pluggable = true,
        .complete = complete_modules,
        .pci = {16, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
