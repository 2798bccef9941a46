// What one domain is and does: its state, its CPUs, its memory, its job.
#include "cli/commands/commands.hpp"
#include "cli/cpu_map.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <limits>

namespace domus::cli {

namespace {

constexpr double nanoseconds = 1e9;

/// A label and its value, the value also as a program reads it.
Field field(std::string_view label, std::string_view key, Cell value) {
    return {std::string(label), std::string(key), std::move(value)};
}

void add_security(Call& call, const wire::Domain& domain, std::vector<Field>& fields) {
    auto& server = call.server();
    wire::NodeGetSecurityModelRet model;
    try {
        model = server.call<Procedure::node_get_security_model>();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_support) throw;
        return;
    }
    if (model.model.text.empty()) return;
    fields.push_back(field("Security model:", "security_model", model.model.text));
    fields.push_back(field("Security DOI:", "security_doi", model.doi.text));
    try {
        const auto label = server.call<Procedure::domain_get_security_label>({.dom = domain});
        if (!label.label.text.empty())
            fields.push_back(
                field("Security label:", "security_label",
                      fmt::format("{} ({})", label.label.text, label.enforcing != 0 ? "enforcing" : "permissive")));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_support) throw;
    }
}

void add_messages(Call& call, const wire::Domain& domain, std::vector<Field>& fields) {
    std::vector<std::string> messages;
    try {
        messages = call.server().call<Procedure::domain_get_messages>({.dom = domain, .flags = 0}).msgs;
    } catch (const Error&) {
        return; // older daemons have none
    }
    std::string text;
    boost::json::array all;
    for (const auto& message : messages) {
        text += (text.empty() ? "" : "\n" + std::string(16, ' ')) + message;
        all.emplace_back(message);
    }
    if (!messages.empty()) fields.push_back(field("Messages:", "messages", {text, std::move(all)}));
}

std::string seconds_text(std::uint64_t nanos) {
    return fmt::format("{:.1f}s", static_cast<double>(nanos) / nanoseconds);
}

void dominfo(Call& call) {
    const auto domain = find_domain(call);
    auto& server = call.server();
    std::vector<Field> fields;
    fields.push_back(domain.id == no_id ? field("Id:", "id", {"-", nullptr})
                                        : field("Id:", "id", {std::to_string(domain.id), domain.id}));
    fields.push_back(field("Name:", "name", domain.name));
    fields.push_back(field("UUID:", "uuid", domain.uuid.text()));
    fields.push_back(field("OS Type:", "os_type", server.call<Procedure::domain_get_os_type>({.dom = domain}).type));

    const auto info = server.call<Procedure::domain_get_info>({.dom = domain});
    const auto state = domain_state_word(static_cast<int>(info.state));
    fields.push_back(
        field("State:", "state",
              {std::string(state), boost::json::value(state), domain_state_tone(static_cast<int>(info.state))}));
    fields.push_back(field("CPU(s):", "cpus", {std::to_string(info.nr_virt_cpu), info.nr_virt_cpu}));
    if (info.cpu_time != 0)
        fields.push_back(field("CPU time:", "cpu_time_ns", {seconds_text(info.cpu_time), info.cpu_time}));
    const bool limited = info.max_mem != std::numeric_limits<std::uint32_t>::max();
    fields.push_back(
        field("Max memory:", "max_memory_kib",
              limited ? Cell(fmt::format("{} KiB", info.max_mem), info.max_mem) : Cell("no limit", nullptr)));
    fields.push_back(field("Used memory:", "used_memory_kib", {fmt::format("{} KiB", info.memory), info.memory}));

    const auto persistent = server.call<Procedure::domain_is_persistent>({.dom = domain}).persistent;
    fields.push_back(field("Persistent:", "persistent", yes_no(persistent != 0)));
    const auto autostart = server.call<Procedure::domain_get_autostart>({.dom = domain}).autostart;
    fields.push_back(field("Autostart:", "autostart", {autostart ? "enable" : "disable", autostart != 0}));
    const auto saved = server.call<Procedure::domain_has_managed_save_image>({.dom = domain, .flags = 0}).result;
    fields.push_back(field("Managed save:", "managed_save", yes_no(saved != 0)));
    add_security(call, domain, fields);
    add_messages(call, domain, fields);
    call.out.fields(fields);
}

void domstate(Call& call) {
    const auto domain = find_domain(call);
    const auto state = call.server().call<Procedure::domain_get_state>({.dom = domain, .flags = 0});
    const auto word = domain_state_word(state.state);
    const auto reason = domain_reason_word(state.state, state.reason);
    if (call.args.flag("reason"))
        call.out.text("{} ({})\n", word, reason);
    else
        call.out.text("{}\n", word);
    call.out.result({{"state", word}, {"reason", reason}});
}

// -- virtual CPUs --

constexpr std::string_view vcpu_states[]{"offline", "running", "blocked"};

struct VcpuRow {
    std::size_t number = 0;
    std::optional<wire::VcpuInfo> info; ///< none: the domain does not run
    std::string_view map;
};

void print_vcpu(Call& call, const VcpuRow& row, std::size_t cpus, boost::json::array& all) {
    auto& out = call.out;
    out.text("{:<15} {}\n", "VCPU:", row.number);
    boost::json::object object{{"vcpu", row.number}, {"cpu", nullptr}, {"state", nullptr}, {"cpu_time_ns", nullptr}};
    if (row.info) {
        const auto state = word_of(vcpu_states, row.info->state, "no state");
        if (row.info->cpu >= 0)
            out.text("{:<15} {}\n", "CPU:", row.info->cpu);
        else
            out.text("{:<15} {}\n", "CPU:", "N/A");
        out.text("{:<15} {}\n", "State:", state);
        if (row.info->cpu_time != 0) out.text("{:<15} {}\n", "CPU time:", seconds_text(row.info->cpu_time));
        object["cpu"] = row.info->cpu;
        object["state"] = state;
        object["cpu_time_ns"] = row.info->cpu_time;
    } else {
        for (const auto label : {"CPU:", "State:", "CPU time"}) out.text("{:<15} {}\n", label, "N/A");
    }
    const bool pretty = call.args.flag("pretty");
    const auto text = pretty ? cpu_ranges(row.map, cpus) : cpu_letters(row.map, cpus);
    if (pretty)
        out.text("{:<15} {} (out of {})\n", "CPU Affinity:", text, cpus);
    else
        out.text("{:<15} {}\n", "CPU Affinity:", text);
    object["affinity"] = cpu_numbers(row.map, cpus);
    all.push_back(std::move(object));
}

void print_vcpus(Call& call, const std::vector<VcpuRow>& rows, std::size_t cpus) {
    boost::json::array all;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        print_vcpu(call, rows[i], cpus, all);
        if (i + 1 < rows.size()) call.out.text("\n");
    }
    call.out.result(std::move(all));
}

void vcpuinfo(Call& call) {
    const auto domain = find_domain(call);
    auto& server = call.server();
    const auto cpus = server.call<Procedure::node_get_cpu_map>({.need_map = 0, .need_online = 0, .flags = 0}).ret;
    const auto count = static_cast<std::int32_t>(server.call<Procedure::domain_get_info>({.dom = domain}).nr_virt_cpu);
    const auto length = (cpus + 7) / 8;
    const auto piece = [&](const std::string& maps, std::size_t i) {
        const auto size = static_cast<std::size_t>(length);
        return i * size < maps.size() ? std::string_view(maps).substr(i * size, size) : std::string_view();
    };
    std::vector<VcpuRow> rows;
    try {
        const auto live = server.call<Procedure::domain_get_vcpus>({.dom = domain, .maxinfo = count, .maplen = length});
        for (std::size_t i = 0; i < live.info.size(); ++i)
            rows.push_back({.number = live.info[i].number, .info = live.info[i], .map = piece(live.cpumaps.bytes, i)});
        print_vcpus(call, rows, static_cast<std::size_t>(cpus));
        return;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_invalid) throw;
    }
    constexpr std::uint32_t config = 2;
    const auto pins = server.call<Procedure::domain_get_vcpu_pin_info>(
        {.dom = domain, .ncpumaps = count, .maplen = length, .flags = config});
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(pins.num, 0)); ++i)
        rows.push_back({.number = i, .info = std::nullopt, .map = piece(pins.cpumaps.bytes, i)});
    print_vcpus(call, rows, static_cast<std::size_t>(cpus));
}

constexpr std::uint32_t vcpus_live = 1, vcpus_config = 2, vcpus_maximum = 4, vcpus_guest = 8;

std::optional<std::int32_t> vcpu_number(Call& call, const wire::Domain& domain, std::uint32_t flags, bool must) {
    try {
        return call.server().call<Procedure::domain_get_vcpus_flags>({.dom = domain, .flags = flags}).num;
    } catch (const Error& error) {
        if (must) {
            if (flags & vcpus_guest) throw Failure("Failed to retrieve vCPU count from the guest", error);
            throw;
        }
        return std::nullopt;
    }
}

void vcpucount(Call& call) {
    const auto& args = call.args;
    args.exclusive("live", "config");
    args.exclusive("current", "live");
    args.exclusive("current", "config");
    args.exclusive("active", "maximum");
    args.exclusive("guest", "config");
    const bool one = args.flag("live") || args.flag("config") || args.flag("current") || args.flag("guest")
                     || args.flag("maximum") || args.flag("active");
    const auto domain = find_domain(call);
    if (one) {
        std::uint32_t flags = (args.flag("live") ? vcpus_live : 0) | (args.flag("config") ? vcpus_config : 0)
                              | (args.flag("maximum") ? vcpus_maximum : 0) | (args.flag("guest") ? vcpus_guest : 0);
        const auto number = vcpu_number(call, domain, flags, true);
        call.out.value("vcpus", {std::to_string(*number), *number});
        return;
    }
    struct Line {
        std::string_view what, when;
        std::uint32_t flags;
    };
    constexpr Line lines[]{{"maximum", "config", vcpus_maximum | vcpus_config},
                           {"maximum", "live", vcpus_maximum | vcpus_live},
                           {"current", "config", vcpus_config},
                           {"current", "live", vcpus_live}};
    boost::json::object object;
    for (const auto& [what, when, flags] : lines) {
        const auto number = vcpu_number(call, domain, flags, false);
        if (!number) continue;
        call.out.text("{:<12} {:<12} {:>3}\n", what, when, *number);
        object[fmt::format("{}_{}", what, when)] = *number;
    }
    call.out.result(std::move(object));
}

// -- memory --

void dommemstat(Call& call) {
    // virDomainMemoryStatTags
    constexpr std::string_view names[]{"swap_in",     "swap_out",        "major_fault",   "minor_fault", "unused",
                                       "available",   "actual",          "rss",           "usable",      "last_update",
                                       "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail"};
    constexpr std::uint32_t most = 13;
    const auto domain = find_domain(call);
    if (const auto period = call.args.number("period", 0, std::numeric_limits<std::int32_t>::max())) {
        doing("Unable to change balloon collection period.", [&] {
            call.server().call<Procedure::domain_set_memory_stats_period>(
                {.dom = domain, .period = static_cast<std::int32_t>(*period), .flags = affect_flags(call.args)});
        });
        call.out.result({{"domain", domain.name}, {"period", *period}});
        return;
    }
    affect_flags(call.args);
    const auto stats = doing(fmt::format("Failed to get memory statistics for domain {}", domain.name), [&] {
        return call.server().call<Procedure::domain_memory_stats>({.dom = domain, .max_stats = most, .flags = 0}).stats;
    });
    boost::json::object object;
    for (const auto& stat : stats) {
        const auto name = word_of(names, stat.tag, "");
        if (name.empty()) continue;
        call.out.text("{} {}\n", name, stat.val);
        object[name] = stat.val;
    }
    call.out.result(std::move(object));
}

} // namespace

std::vector<Command> monitor_commands() {
    return {
        {.name = "dominfo",
         .group = Group::monitor,
         .summary = "show basic information about a domain",
         .options = {the_domain()},
         .run = dominfo},
        {.name = "domstate",
         .group = Group::monitor,
         .summary = "print a domain's state",
         .options = {the_domain(), flag("reason", "print the reason too")},
         .run = domstate},
        {.name = "vcpuinfo",
         .summary = "show a domain's virtual CPUs",
         .about = "For each virtual CPU: the host CPU that runs it, its state, its CPU time, and its affinity.",
         .options = {the_domain(), flag("pretty", "print ranges instead of a letter for each CPU")},
         .run = vcpuinfo},
        {.name = "vcpucount",
         .summary = "print a domain's number of virtual CPUs",
         .about = "Without options: the maximum and the current number, of the definition and of the running domain.",
         .options = {the_domain(), flag("maximum", "print the maximum"), flag("active", "print the current number"),
                     flag("live", "apply to the running domain"), flag("config", "print the value of the next start"),
                     flag("current", "print the value of the running domain, or of the next start if it is shut off"),
                     flag("guest", "ask the guest's agent")},
         .run = vcpucount},
        {.name = "dommemstat",
         .group = Group::monitor,
         .summary = "show a domain's memory statistics",
         .about = "In KiB, as reported by the guest's balloon driver and by the host.",
         .options = {the_domain(Complete::running_domain),
                     named(number("period", "collect statistics every so many seconds")),
                     flag("config", "affect the next start"), flag("live", "apply to the running domain"),
                     flag("current", "affect the running domain, or the next start if it is shut off")},
         .run = dommemstat},
    };
}

} // namespace domus::cli
