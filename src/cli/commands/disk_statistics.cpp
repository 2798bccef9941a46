// What single disks of a domain are and did: their sizes, their counters, their errors.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"
#include "cli/sizes.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

Cell disk_size(std::uint64_t bytes, bool human) {
    constexpr int digits = 3; // as virsh prints them
    return {human ? pretty_size(bytes, digits) : std::to_string(bytes), bytes};
}

wire::DomainGetBlockInfoRet disk_info(Call& call, const wire::Domain& domain, const std::string& disk) {
    return call.server().call<Procedure::domain_get_block_info>({.dom = domain, .path = disk, .flags = 0});
}

/// A drive without a medium has no sizes; those of an image on a server are known while the domain runs.
std::optional<wire::DomainGetBlockInfoRet> info_if_known(Call& call, const wire::Domain& domain,
                                                         const pugi::xml_node& disk) {
    if (!disk.child("source")) return std::nullopt;
    try {
        return disk_info(call, domain, disk.child("target").attribute("dev").value());
    } catch (const Error&) {
        const bool elsewhere = std::string_view(disk.attribute("type").value()) == "network";
        if (domain.id == no_id && elsewhere) return std::nullopt;
        throw;
    }
}

void all_disk_sizes(Call& call, bool human) {
    const auto domain = find_domain(call);
    const auto document = parse_xml(domain_xml(call, domain));
    Table table{.columns = {{"Target", "target"},
                            {"Capacity", "capacity"},
                            {"Allocation", "allocation"},
                            {"Physical", "physical"}},
                .rows = {}};
    for (const auto& disk : document.child("domain").child("devices").children("disk")) {
        const std::string target = disk.child("target").attribute("dev").value();
        const auto info = doing(fmt::format("Failed to get the size of disk {}", target),
                                [&] { return info_if_known(call, domain, disk); });
        if (info)
            table.rows.push_back({target, disk_size(info->capacity, human), disk_size(info->allocation, human),
                                  disk_size(info->physical, human)});
        else
            table.rows.push_back({target, {"-", nullptr}, {"-", nullptr}, {"-", nullptr}});
    }
    call.out.table(table);
}

void domblkinfo(Call& call) {
    const bool human = call.args.flag("human");
    if (call.args.flag("all")) return all_disk_sizes(call, human);
    if (!call.args.given("device"))
        throw Failure("command 'domblkinfo' requires <device> option")
            .hint(fmt::format("'domus domblklist {}' lists the disks; --all shows the sizes of all of them",
                              call.args.required("domain")));
    const auto domain = find_domain(call);
    const auto info = disk_info(call, domain, call.args.required("device"));
    call.out.fields({{"Capacity:", "capacity", disk_size(info.capacity, human)},
                     {"Allocation:", "allocation", disk_size(info.allocation, human)},
                     {"Physical:", "physical", disk_size(info.physical, human)}});
}

struct DiskCounter {
    std::string_view field; ///< as the protocol names it
    std::string_view name;  ///< as virsh prints it
    std::string_view label; ///< with --human
};
constexpr DiskCounter disk_counters[]{{"rd_operations", "rd_req", "number of read operations:"},
                                      {"rd_bytes", "rd_bytes", "number of bytes read:"},
                                      {"wr_operations", "wr_req", "number of write operations:"},
                                      {"wr_bytes", "wr_bytes", "number of bytes written:"},
                                      {"errs", "errs", "error count:"},
                                      {"flush_operations", "flush_operations", "number of flush operations:"},
                                      {"rd_total_times", "rd_total_times", "total duration of reads (ns):"},
                                      {"wr_total_times", "wr_total_times", "total duration of writes (ns):"},
                                      {"flush_total_times", "flush_total_times", "total duration of flushes (ns):"}};

std::vector<wire::TypedParam> disk_statistics(Call& call, const std::string& device) {
    constexpr std::int32_t most = 16;
    const auto domain = find_domain(call);
    const auto ask = [&](std::int32_t count) {
        return call.server().call<Procedure::domain_block_stats_flags>(
            {.dom = domain, .path = device, .nparams = count, .flags = 0});
    };
    return ask(std::min(ask(0).nparams, most)).params;
}

void domblkstat(Call& call) {
    const bool human = call.args.flag("human");
    const auto device = call.args.text("device").value_or("");
    auto statistics = disk_statistics(call, device);
    boost::json::object object{{"device", device.empty() ? boost::json::value(nullptr) : boost::json::value(device)}};
    if (human) call.out.text("Device: {}\n", device);
    const auto show = [&](std::string_view name, std::string_view label, const wire::TypedValue& value) {
        object[name] = value_json(value);
        if (human)
            call.out.text(" {:<31} {}\n", label, value_text(value));
        else
            call.out.text("{} {} {}\n", device, name, value_text(value));
    };
    for (const auto& counter : disk_counters) {
        const auto* value = find_param(statistics, counter.field);
        if (!value) continue;
        show(counter.name, counter.label, *value);
        std::erase_if(statistics, [&](const auto& param) { return param.field == counter.field; });
    }
    for (const auto& other : statistics) show(other.field, other.field, other.value);
    call.out.result(std::move(object));
}

void domblkerror(Call& call) {
    constexpr std::string_view kinds[]{"no error", "unspecified error", "no space"}; // virDomainDiskErrorCode
    constexpr std::uint32_t most = 256;
    const auto domain = find_domain(call);
    const auto errors =
        call.server().call<Procedure::domain_get_disk_errors>({.dom = domain, .maxerrors = most, .flags = 0}).errors;
    boost::json::array all;
    for (const auto& each : errors) {
        const auto kind = word_of(kinds, each.error, "unspecified error");
        call.out.text("{}: {}\n", each.disk, kind);
        all.push_back({{"disk", each.disk}, {"error", kind}});
    }
    if (errors.empty()) call.out.text("No errors found\n");
    call.out.result(std::move(all));
}

} // namespace

std::vector<Command> disk_statistics_commands() {
    const auto device = text("device", "target or source of the disk", Complete::nothing);
    return {
        {.name = "domblkinfo",
         .group = Group::monitor,
         .summary = "show the sizes of a domain's disk",
         .about = "Capacity is the size that the guest sees, allocation what the image takes on the host, physical the "
                  "size of the file or device. All are in bytes.",
         .options = {the_domain(), device, flag("human", "print sizes with a unit"),
                     flag("all", "show all disks of the domain")},
         .run = domblkinfo},
        {.name = "domblkstat",
         .group = Group::monitor,
         .summary = "show the I/O counters of a domain's disk",
         .about = "Without a disk: the sum over all disks. Counters begin at zero when the domain starts.",
         .options = {the_domain(Complete::running_domain), device, flag("human", "print what each counter means")},
         .run = domblkstat},
        {.name = "domblkerror",
         .group = Group::monitor,
         .summary = "show the I/O errors of a domain's disks",
         .options = {the_domain(Complete::running_domain)},
         .run = domblkerror},
    };
}

} // namespace domus::cli
