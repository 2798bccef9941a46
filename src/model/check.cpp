#include "model/checks.hpp"

#include <algorithm>
#include <set>

namespace domus::model {

namespace checks {

namespace {

constexpr unsigned most_processors = 4096;
constexpr unsigned most_threads = 1024;

std::uint64_t device_bytes(const Domain& domain) {
    std::uint64_t sum = 0;
    for (const auto& memory : domain.devices.memories) sum += memory.size.bytes;
    return sum;
}

std::uint64_t cell_bytes(const Domain& domain) {
    std::uint64_t sum = 0;
    for (const auto& cell : domain.cpu.numa_cells) sum += cell.memory.bytes;
    return sum;
}

void name(const Domain& domain, Report& report) {
    object_name(domain.name, "domain", domain.rest, report);
    if (domain.title && domain.title->find('\n') != std::string::npos)
        report.add(domain.rest, "the <title> must be one line; put the rest into <description>");
}

/// <memory> counts the memory devices too; with NUMA cells it is the sum of them and the devices, whatever it says.
void memory(const Domain& domain, Report& report) {
    const bool stated = domain.cpu.numa_cells.empty();
    const auto total = stated ? domain.memory.bytes : cell_bytes(domain) + device_bytes(domain);
    const auto kib = [](std::uint64_t bytes) { return ByteCount{bytes}.kib_ceil(); };
    if (total == 0) report.add(domain.rest, "<memory> is 0; say how much the guest shall have");
    if (device_bytes(domain) > 0 && device_bytes(domain) >= total)
        report.add(domain.rest,
                   "the <memory> devices have {} KiB, the domain's <memory> of {} KiB must be more: it counts them too",
                   kib(device_bytes(domain)), kib(total));
    if (stated && domain.current_memory && domain.current_memory->bytes > total)
        report.add(domain.rest,
                   "<currentMemory> of {} KiB is more than the <memory> of {} KiB; lower the one or raise the other",
                   domain.current_memory->kib_ceil(), kib(total));
    if (domain.maximum_memory && domain.maximum_memory->bytes < total)
        report.add(domain.rest, "<maxMemory> of {} KiB is less than the memory of {} KiB that the domain starts with",
                   domain.maximum_memory->kib_ceil(), kib(total));
    if (domain.memory_slots.has_value() != domain.maximum_memory.has_value())
        report.add(domain.rest, "<maxMemory> needs both an amount and the attribute 'slots'");
    if (!domain.devices.memories.empty() && !domain.maximum_memory)
        report.add(domain.devices.memories.front().rest,
                   "a <memory> device needs <maxMemory slots='...'> in the domain");
}

void threads(const Domain& domain, Report& report) {
    if (domain.iothreads.value_or(0) > most_threads)
        return report.add(domain.rest, "<iothreads> is {}, at most {} are possible", *domain.iothreads, most_threads);
    std::set<unsigned> ids;
    for (const auto& thread : domain.iothread_ids) {
        if (thread.id == 0) report.add(thread.rest, "an <iothread> has the id 0; they count from 1");
        if (!ids.insert(thread.id).second) report.add(thread.rest, "the <iothread> {} stands twice", thread.id);
    }
    const auto count = std::max<std::size_t>(domain.iothreads.value_or(0), domain.iothread_ids.size());
    for (unsigned next = 1; ids.size() < count && next <= count + domain.iothread_ids.size(); ++next) ids.insert(next);
    const auto known = [&](std::optional<unsigned> id, const format::Rest& where, std::string_view what) {
        if (id && !ids.contains(*id))
            report.add(where, "{} names the I/O thread {}, which <iothreads> does not give", what, *id);
    };
    for (const auto& disk : domain.devices.disks)
        known(disk.driver.iothread, disk.rest, fmt::format("the disk '{}'", disk.target.dev));
    for (const auto& controller : domain.devices.controllers)
        known(controller.driver.iothread, controller.rest, "a <controller>");
    for (const auto& pin : domain.cputune.iothread_pins) known(pin.iothread, pin.rest, "an <iothreadpin>");
}

void features(const Domain& domain, Report& report) {
    const auto& hyperv = domain.features.hyperv;
    if (hyperv.spinlocks_retries && *hyperv.spinlocks_retries < 4095)
        report.add(hyperv.rest, "<spinlocks> has {} retries, at least 4095 are needed", *hyperv.spinlocks_retries);
    if (hyperv.vendor_id_value
        && (hyperv.vendor_id_value->size() > 12 || hyperv.vendor_id_value->find(',') != std::string::npos))
        report.add(hyperv.rest, "the vendor_id '{}' must have at most 12 characters and no comma",
                   *hyperv.vendor_id_value);
}

void clock(const Domain& domain, Report& report) {
    const auto& clock = domain.clock;
    if (clock.offset == ClockOffset::timezone && !clock.timezone)
        report.add(clock.rest, "a <clock offset='timezone'> needs the attribute 'timezone'");
    if (clock.offset == ClockOffset::absolute && !clock.start)
        report.add(clock.rest, "a <clock offset='absolute'> needs the attribute 'start'");
    std::int64_t seconds = 0;
    if (clock.adjustment && *clock.adjustment != "reset" && !format::detail::parse_signed(*clock.adjustment, seconds))
        report.add(clock.rest, "the clock's adjustment is '{}', it must be seconds or 'reset'", *clock.adjustment);
    std::set<std::string_view> names;
    for (const auto& timer : clock.timers)
        if (!names.insert(timer.name).second)
            report.add(timer.rest, "the timer '{}' stands twice; keep one", timer.name);
}

void topology(const Domain& domain, Report& report) {
    const auto& topology = domain.cpu.topology;
    if (!topology) return;
    const auto product = topology->product();
    if (product == 0)
        report.add(topology->rest, "a number in <topology> is 0; each counts from 1");
    else if (product != domain.vcpu)
        report.add(topology->rest, "<topology> gives {} processors, but <vcpu> is {}; make them equal", product,
                   domain.vcpu);
}

void pins(const Domain& domain, Report& report) {
    std::set<unsigned> seen;
    for (const auto& pin : domain.cputune.vcpu_pins) {
        if (!seen.insert(pin.vcpu).second)
            report.add(pin.rest, "the processor {} has two <vcpupin>; keep one", pin.vcpu);
        if (pin.vcpu >= domain.vcpu)
            report.add(pin.rest, "<vcpupin> names the processor {}, but there are only {}, counted from 0", pin.vcpu,
                       domain.vcpu);
        if (!is_cpuset(pin.cpuset))
            report.add(pin.rest, "'{}' is no set of processors; write it as 0-3,^2", pin.cpuset);
    }
    for (const auto* set : {&domain.vcpu_cpuset, &domain.cputune.emulator_pin, &domain.numatune.nodeset})
        if (*set && !is_cpuset(**set))
            report.add(domain.rest, "'{}' is no set of processors or nodes; write it as 0-3,^2", **set);
}

} // namespace

void object_name(const std::string& name, std::string_view what, const format::Rest& where, Report& report,
                 std::size_t longest) {
    if (name.find_first_not_of(" \t\r\n") == name.npos)
        report.add(where, "the <name> of the {} is empty; give it one", what);
    if (name.find_first_of("/\n") != name.npos || name == "." || name == "..")
        report.add(where, "the name '{}' must not contain '/' or a line break, nor be '.' or '..'", name);
    if (name.size() > longest)
        report.add(where, "the name has {} bytes, at most {} are possible", name.size(), longest);
}

bool is_cpuset(std::string_view text) {
    if (text.empty()) return false;
    while (true) {
        const auto comma = text.find(',');
        auto item = format::detail::trim(text.substr(0, comma));
        if (item.starts_with('^')) item.remove_prefix(1);
        const auto dash = item.find('-');
        std::uint64_t first = 0, last = 0;
        if (!format::detail::parse_unsigned(item.substr(0, dash), first)) return false;
        if (dash != item.npos && (!format::detail::parse_unsigned(item.substr(dash + 1), last) || last < first))
            return false;
        if (comma == text.npos) return true;
        text.remove_prefix(comma + 1);
    }
}

bool device_counts(const Domain& domain, Report& report) {
    constexpr std::size_t most = 1024; // more than any machine of QEMU has buses and slots for
    bool all = true;
    for_each_kind([&](std::string_view name, auto member) {
        const auto& kind = domain.devices.*member;
        if constexpr (!requires { kind.has_value(); })
            all &= within(kind, most, "the domain", fmt::format("<{}> devices", name), report);
    });
    all &= within(domain.devices.graphics, most, "the domain", "<graphics> devices", report);
    all &= within(domain.devices.audios, most, "the domain", "<audio> devices", report);
    return all;
}

void general(const Domain& domain, Report& report) {
    name(domain, report);
    memory(domain, report);
    threads(domain, report);
    features(domain, report);
    clock(domain, report);
    if (domain.os.smbios == SmbiosMode::sysinfo
        && std::none_of(domain.sysinfo.begin(), domain.sysinfo.end(),
                        [](const Sysinfo& s) { return s.type == SysinfoType::smbios; }))
        report.add(domain.os.rest, "<smbios mode='sysinfo'> needs <sysinfo type='smbios'> in the domain");
}

void processors(const Domain& domain, Report& report) {
    if (domain.vcpu == 0 || domain.vcpu > most_processors)
        report.add(domain.rest, "<vcpu> is {}, it must be 1 to {}", domain.vcpu, most_processors);
    if (domain.vcpu_current && (*domain.vcpu_current == 0 || *domain.vcpu_current > domain.vcpu))
        report.add(domain.rest, "<vcpu current='{}'> must be 1 to {}, the number in the element", *domain.vcpu_current,
                   domain.vcpu);
    topology(domain, report);
    std::set<unsigned> ids;
    for (const auto& vcpu : domain.vcpus)
        if (vcpu.id >= domain.vcpu || !ids.insert(vcpu.id).second)
            report.add(vcpu.rest, "<vcpus> names the processor {} twice, or there are not so many", vcpu.id);
    std::set<unsigned> cells;
    for (const auto& cell : domain.cpu.numa_cells) {
        if (cell.id && !cells.insert(*cell.id).second) report.add(cell.rest, "the NUMA cell {} stands twice", *cell.id);
        if (cell.cpus && !is_cpuset(*cell.cpus))
            report.add(cell.rest, "'{}' is no set of processors; write it as 0-3,^2", *cell.cpus);
    }
    pins(domain, report);
}

} // namespace checks

void check(const Domain& domain, format::Findings& findings) {
    checks::Report report(findings);
    if (!checks::device_counts(domain, report)) return;
    checks::general(domain, report);
    checks::processors(domain, report);
    checks::disks(domain, report);
    checks::interfaces(domain, report);
    checks::character_devices(domain, report);
    checks::other_devices(domain, report);
    checks::addresses(domain, report);
    checks::boot_order(domain, report);
}

} // namespace domus::model
