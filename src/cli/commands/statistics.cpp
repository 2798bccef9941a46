// Statistics of many domains at once, and of a domain's job.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"
#include "cli/sizes.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

struct FlagOption {
    std::string_view option;
    std::uint32_t flag;
};
constexpr FlagOption groups_of_stats[]{{"state", 1},      {"cpu-total", 2},   {"balloon", 4}, {"vcpu", 8},
                                       {"interface", 16}, {"block", 32},      {"perf", 64},   {"iothread", 128},
                                       {"memory", 256},   {"dirtyrate", 512}, {"vm", 1024}};
constexpr FlagOption stat_flags[]{{"list-active", 1},    {"list-inactive", 2}, {"list-persistent", 4},
                                  {"list-transient", 8}, {"list-running", 16}, {"list-paused", 32},
                                  {"list-shutoff", 64},  {"list-other", 128},  {"nowait", 1u << 29},
                                  {"backing", 1u << 30}, {"enforce", 1u << 31}};

std::uint32_t flags_of(const Arguments& args, std::span<const FlagOption> table) {
    std::uint32_t flags = 0;
    for (const auto& [option, flag] : table)
        if (args.flag(option)) flags |= flag;
    return flags;
}

void domstats(Call& call) {
    std::vector<wire::Domain> domains;
    for (const auto& name : call.args.list("domain")) domains.push_back(find_domain_named(call, name));
    const auto records =
        call.server()
            .call<Procedure::connect_get_all_domain_stats>({.doms = domains,
                                                            .stats = flags_of(call.args, groups_of_stats),
                                                            .flags = flags_of(call.args, stat_flags)})
            .ret_stats;
    boost::json::array all;
    for (std::size_t i = 0; i < records.size(); ++i) {
        const auto& record = records[i];
        call.out.text("{}Domain: '{}'\n", i ? "\n" : "", record.dom.name);
        boost::json::object values;
        for (const auto& param : record.params) {
            call.out.text("  {}={}\n", param.field, value_text(param.value));
            values[param.field] = value_json(param.value);
        }
        all.push_back(boost::json::object{
            {"domain", record.dom.name}, {"uuid", record.dom.uuid.text()}, {"stats", std::move(values)}});
    }
    call.out.result(std::move(all));
}

// -- jobs --

constexpr std::string_view job_types[]{"None", "Bounded", "Unbounded", "Completed", "Failed", "Cancelled"};
constexpr std::string_view operations[]{
    "Unknown",  "Start",           "Save", "Restore", "Incoming migration", "Outgoing migration",
    "Snapshot", "Snapshot revert", "Dump", "Backup",  "Snapshot delete"};

struct JobLine {
    std::string_view label;
    std::string_view param;
    enum class Unit { milliseconds, bytes, whole_bytes, bytes_each_second, pages, plain, nanoseconds } unit;
};

constexpr JobLine job_lines[]{
    {"Time elapsed:", "time_elapsed", JobLine::Unit::milliseconds},
    {"Time elapsed w/o network:", "time_elapsed_net", JobLine::Unit::milliseconds},
    {"Data processed:", "data_processed", JobLine::Unit::bytes},
    {"Data remaining:", "data_remaining", JobLine::Unit::bytes},
    {"Data total:", "data_total", JobLine::Unit::bytes},
    {"Memory processed:", "memory_processed", JobLine::Unit::bytes},
    {"Memory remaining:", "memory_remaining", JobLine::Unit::bytes},
    {"Memory total:", "memory_total", JobLine::Unit::bytes},
    {"Memory bandwidth:", "memory_bps", JobLine::Unit::bytes_each_second},
    {"Dirty rate:", "memory_dirty_rate", JobLine::Unit::pages},
    {"Page size:", "memory_page_size", JobLine::Unit::whole_bytes},
    {"Iteration:", "memory_iteration", JobLine::Unit::plain},
    {"Postcopy requests:", "memory_postcopy_requests", JobLine::Unit::plain},
    {"File processed:", "disk_processed", JobLine::Unit::bytes},
    {"File remaining:", "disk_remaining", JobLine::Unit::bytes},
    {"File total:", "disk_total", JobLine::Unit::bytes},
    {"File bandwidth:", "disk_bps", JobLine::Unit::bytes_each_second},
    {"Constant pages:", "memory_constant", JobLine::Unit::plain},
    {"Normal pages:", "memory_normal", JobLine::Unit::plain},
    {"Normal data:", "memory_normal_bytes", JobLine::Unit::bytes},
    {"Total downtime:", "downtime", JobLine::Unit::milliseconds},
    {"Downtime w/o network:", "downtime_net", JobLine::Unit::milliseconds},
    {"Setup time:", "setup_time", JobLine::Unit::milliseconds},
};

std::string job_value(const JobLine& line, std::uint64_t value) {
    switch (line.unit) {
    case JobLine::Unit::milliseconds:
        return fmt::format("{:<12} ms", value);
    case JobLine::Unit::bytes:
        return pretty_size(value, 3);
    case JobLine::Unit::bytes_each_second:
        return pretty_size(value, 3) + "/s";
    case JobLine::Unit::whole_bytes:
        return fmt::format("{:<12} bytes", value);
    case JobLine::Unit::pages:
        return fmt::format("{:<12} pages/s", value);
    case JobLine::Unit::nanoseconds:
        return fmt::format("{:<12} ns", value);
    case JobLine::Unit::plain:
        break;
    }
    return fmt::format("{:<12}", value);
}

std::optional<std::uint64_t> unsigned_param(const std::vector<wire::TypedParam>& params, std::string_view name) {
    const auto* value = find_param(params, name);
    if (!value) return std::nullopt;
    if (const auto* number = std::get_if<std::uint64_t>(&value->value)) return *number;
    if (const auto* number = std::get_if<std::int64_t>(&value->value)) return static_cast<std::uint64_t>(*number);
    if (const auto* number = std::get_if<std::int32_t>(&value->value)) return static_cast<std::uint64_t>(*number);
    if (const auto* number = std::get_if<std::uint32_t>(&value->value)) return *number;
    return std::nullopt;
}

/// Only unfinished jobs are told in full, unless the person asks for any.
bool worth_telling(int type, const Arguments& args) {
    constexpr int bounded = 1, unbounded = 2, completed = 3;
    if (args.flag("anystats")) return type != 0;
    return type == bounded || type == unbounded
           || (type == completed && (args.flag("completed") || args.flag("keep-completed")));
}

void print_job(Call& call, const std::vector<wire::TypedParam>& params, int type) {
    const auto operation = unsigned_param(params, "operation").value_or(0);
    call.out.text("{:<17} {:<12}\n",
                  "Operation:", word_of(operations, static_cast<std::int64_t>(operation), "Unknown"));
    constexpr int bounded = 1;
    for (const auto& line : job_lines) {
        const auto value = unsigned_param(params, line.param);
        if (!value || (*value == 0 && line.unit == JobLine::Unit::bytes_each_second)) continue;
        if (line.param == "data_processed" && type == bounded)
            if (const auto left = unsigned_param(params, "time_remaining"))
                call.out.text("{:<17} {:<12} ms\n", "Time remaining:", *left);
        call.out.text("{:<17} {}\n", line.label, job_value(line, *value));
    }
}

void domjobinfo(Call& call) {
    constexpr std::uint32_t completed = 1, keep_completed = 2;
    std::uint32_t flags = 0;
    if (call.args.flag("completed") || call.args.flag("keep-completed")) flags |= completed;
    if (call.args.flag("keep-completed")) flags |= keep_completed;
    call.args.exclusive("rawstats", "anystats");
    const auto domain = find_domain(call);
    const auto job = call.server().call<Procedure::domain_get_job_stats>({.dom = domain, .flags = flags});

    boost::json::object object{{"type", word_of(job_types, job.type, "unknown")}};
    for (const auto& param : job.params) object[param.field] = value_json(param.value);
    call.out.result(std::move(object));
    if (call.args.flag("rawstats")) {
        call.out.text("Job type: {}\n\n", job.type);
        for (const auto& param : job.params) call.out.text("{}: {}\n", param.field, value_text(param.value));
        return;
    }
    call.out.text("{:<17} {:<12}\n", "Job type:", word_of(job_types, job.type, "unknown"));
    if (worth_telling(job.type, call.args)) print_job(call, job.params, job.type);
}

} // namespace

std::vector<Command> statistics_commands() {
    return {
        {.name = "domstats",
         .group = Group::monitor,
         .summary = "show statistics of one or more domains",
         .about = "Without groups: all statistics that the daemon has. Without names: all domains. Statistics of a "
                  "guest that does not answer are left out.",
         .options = {flag("state", "state and reason"),
                     flag("cpu-total", "CPU time"),
                     flag("balloon", "memory"),
                     flag("vcpu", "virtual CPUs"),
                     flag("interface", "network interfaces"),
                     flag("block", "disks"),
                     flag("perf", "performance counters"),
                     flag("iothread", "I/O threads"),
                     flag("memory", "memory bandwidth"),
                     flag("dirtyrate", "dirty rate of memory"),
                     flag("vm", "statistics of the hypervisor"),
                     flag("list-active", "only active domains"),
                     flag("list-inactive", "only inactive domains"),
                     flag("list-persistent", "only persistent domains"),
                     flag("list-transient", "only transient domains"),
                     flag("list-running", "only running domains"),
                     flag("list-paused", "only paused domains"),
                     flag("list-shutoff", "only domains that are shut off"),
                     flag("list-other", "only domains in any other state"),
                     flag("raw", "print raw values"),
                     flag("enforce", "fail if the daemon does not support a group"),
                     flag("backing", "include backing chains of disks"),
                     flag("nowait", "leave out what cannot be read at once"),
                     rest("domain", "domains to show", Complete::domain)},
         .run = domstats},
        {.name = "domjobinfo",
         .summary = "show a domain's job",
         .about = "Jobs are long operations such as save, dump and migration.",
         .options = {the_domain(), flag("completed", "show the last completed job and forget it"),
                     flag("keep-completed", "show the last completed job and keep it"),
                     flag("anystats", "show statistics of failed jobs too"),
                     flag("rawstats", "print the values as the daemon sends them")},
         .run = domjobinfo},
    };
}

} // namespace domus::cli
