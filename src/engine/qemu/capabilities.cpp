#include "engine/qemu/capabilities.hpp"

#include "async/process_wait.hpp"
#include "base/log.hpp"
#include "engine/qemu/answer.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"
#include "os/process.hpp"
#include "qmp/client.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <functional>

namespace domus::engine::qemu {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t largest_cache = 8u << 20;

std::vector<std::string> names(const json::value& list) {
    std::vector<std::string> all;
    for (const auto& entry : list.as_array()) all.push_back(text_at(entry.as_object(), "name"));
    std::ranges::sort(all);
    return all;
}

MachineType read_machine(const json::object& entry) {
    MachineType machine;
    machine.name = text_at(entry, "name");
    if (auto alias = text_at(entry, "alias"); !alias.empty()) machine.alias = std::move(alias);
    machine.is_default = truth_at(entry, "is-default");
    machine.deprecated = truth_at(entry, "deprecated");
    machine.max_cpus = static_cast<unsigned>(integer_at(entry, "cpu-max"));
    machine.hotpluggable_cpus = truth_at(entry, "hotpluggable-cpus");
    if (auto cpu = text_at(entry, "default-cpu-type"); !cpu.empty()) {
        // qemu64-x86_64-cpu: the name before the architecture
        const auto tail = cpu.rfind("-x86_64-cpu");
        machine.default_cpu = cpu.substr(0, tail);
    }
    return machine;
}

CpuModel read_cpu(const json::object& entry) {
    CpuModel cpu;
    cpu.name = text_at(entry, "name");
    cpu.deprecated = truth_at(entry, "deprecated");
    if (const auto* missing = entry.if_contains("unavailable-features"))
        for (const auto& feature : missing->as_array()) cpu.missing.emplace_back(feature.as_string());
    cpu.usable = cpu.missing.empty();
    return cpu;
}

struct BinaryStamp {
    std::uint64_t modified = 0, size = 0;
};

std::optional<BinaryStamp> stamp(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0) return std::nullopt;
    return BinaryStamp{static_cast<std::uint64_t>(info.st_mtime), static_cast<std::uint64_t>(info.st_size)};
}

std::filesystem::path cache_file(const std::filesystem::path& folder, std::string binary) {
    std::ranges::replace(binary, '/', '_');
    return folder / (binary + ".xml");
}

/// The first line of a cache file: a changed byte must not change what a guest may have.
std::string checksum_line(std::string_view xml) {
    return fmt::format("<!-- {:016x} -->\n", std::hash<std::string_view>()(xml));
}

std::optional<Capabilities> read_cache(const std::filesystem::path& file, const BinaryStamp& now) {
    try {
        const auto text = read_file(file, largest_cache);
        const auto begin = text.find('\n') + 1; // 0 without one
        const auto xml = std::string_view(text).substr(begin);
        if (text.substr(0, begin) != checksum_line(xml)) return std::nullopt;
        auto cached = format::from_xml<Capabilities>(xml);
        if (cached.modified == now.modified && cached.size == now.size && cached.probed_by == DOMUS_VERSION)
            return cached;
    } catch (const Error&) {
        // absent or of another form: it is made anew
    }
    return std::nullopt;
}

/// Without it the next daemon asks QEMU again.
void write_cache(const std::filesystem::path& file, const std::string& xml) {
    try {
        ensure_directory(file.parent_path(), 0755);
        remove_leftovers(file.parent_path());
        write_file_durably(file, checksum_line(xml) + xml, 0644);
    } catch (const Error& error) {
        log::warning("the capabilities of QEMU are not kept: {}", error.text());
    }
}

Error no_binary(const std::string& binary) {
    return Error(ErrorCode::no_support, ErrorDomain::qemu, fmt::format("the emulator '{}' is not installed", binary))
        .hint("install it: apt install qemu-system-x86");
}

} // namespace

Qemu::Qemu(Executor executor, std::filesystem::path cache_folder)
    : executor_(executor), cache_folder_(std::move(cache_folder)), lane_(executor, "QEMU's capabilities", 2) {}

Mailbox& Qemu::probes_of(const std::string& binary) {
    return probing_.try_emplace(binary, executor_, fmt::format("the probe of '{}'", binary), "").first->second;
}

std::string Qemu::default_binary() {
    utsname host{};
    ::uname(&host);
    return fmt::format("/usr/bin/qemu-system-{}", host.machine);
}

CapabilitiesPtr Qemu::known(const std::string& binary) const {
    const auto found = known_.find(binary.empty() ? default_binary() : binary);
    return found == known_.end() ? nullptr : found->second;
}

Task<KvmVerdict> Qemu::kvm() {
    if (!kvm_) {
        auto verdict = co_await lane_.run(Deadline::in(5s), [] { return probe_kvm(); });
        kvm_ = std::move(verdict);
    }
    co_return *kvm_;
}

Task<CapabilitiesPtr> Qemu::capabilities(std::string binary) {
    if (binary.empty()) binary = default_binary();
    if (auto already = known(binary)) co_return already;
    const auto turn = co_await probes_of(binary).enter(binary, Deadline::in(60s));
    if (auto already = known(binary)) co_return already;
    const auto file = cache_file(cache_folder_, binary);
    // Lambdas that capture are named before a co_await: g++ 12 destroys them twice inside its expression.
    auto look = [binary] { return stamp(binary); };
    const auto now = co_await lane_.run(Deadline::in(10s), std::move(look));
    if (!now) throw no_binary(binary);
    auto load = [file, stamp_now = *now] { return read_cache(file, stamp_now); };
    auto found = co_await lane_.run(Deadline::in(10s), std::move(load));
    if (!found) {
        found = co_await probe(binary);
        found->modified = now->modified;
        found->size = now->size;
        found->probed_by = DOMUS_VERSION;
        auto keep = [file, xml = format::to_xml(*found)] { write_cache(file, xml); };
        co_await lane_.run(Deadline::in(10s), std::move(keep));
    }
    const auto verdict = co_await kvm();
    found->kvm = verdict.usable;
    found->kvm_reason = verdict.reason;
    found->kvm_hint = verdict.hint;
    auto shared = std::make_shared<const Capabilities>(std::move(*found));
    known_[binary] = shared;
    co_return shared;
}

/// A QEMU that runs nothing, to be asked.
struct Qemu::Probe {
    Process process;
    std::shared_ptr<qmp::Client> monitor;
    std::vector<json::value> answers;

    static Task<> end(Probe& probe) {
        probe.monitor->close();
        (void)co_await end_process(probe.process, 2s); // the program may be any
    }
};

Task<Qemu::Probe> Qemu::begin_probe(std::string binary, std::vector<qmp::Command> questions) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        throw system_error(errno, "cannot make a socket pair");
    UniqueFd ours(ends[0]);
    Command command(binary);
    command.death_signal = SIGKILL; // it answers nobody else
    const auto inherited = command.pass(UniqueFd(ends[1]));
    command.arguments = {"-S",
                         "-no-user-config",
                         "-nodefaults",
                         "-display",
                         "none",
                         "-machine",
                         "none",
                         "-chardev",
                         fmt::format("socket,id=monitor,fd={}", inherited),
                         "-mon",
                         "chardev=monitor,mode=control"};
    Probe probe;
    auto process = co_await spawn_process(std::move(command), Deadline::in(20s));
    probe.process = std::move(process);
    probe.monitor = qmp::Client::open(executor_, std::move(ours), fmt::format("the probe of '{}'", binary));
    probe.answers = co_await probe.monitor->handshake(Deadline::in(20s), std::move(questions));
    co_return probe;
}

Task<std::shared_ptr<const CpuTable>> Qemu::cpu_table(std::string binary) {
    const auto capabilities = co_await this->capabilities(std::move(binary));
    const auto& path = capabilities->binary;
    if (const auto known = cpu_tables_.find(path); known != cpu_tables_.end()) co_return known->second;
    const auto turn = co_await probes_of(path).enter(path, Deadline::in(60s));
    if (const auto known = cpu_tables_.find(path); known != cpu_tables_.end()) co_return known->second;
    std::vector<qmp::Command> questions;
    auto probe = co_await begin_probe(path, questions);
    for (const auto& cpu : capabilities->cpus) {
        json::object model{{"name", cpu.name}};
        json::object arguments{{"type", "full"}, {"model", std::move(model)}};
        questions.push_back({"query-cpu-model-expansion", std::move(arguments)});
    }
    const auto answers = co_await probe.monitor->execute_all(std::move(questions), Deadline::in(30s));
    co_await Probe::end(probe);
    auto table = std::make_shared<CpuTable>();
    for (std::size_t i = 0; i < answers.size(); ++i)
        table->add(capabilities->cpus[i].name, answers[i].as_object().at("model").as_object().at("props").as_object());
    cpu_tables_[path] = table;
    co_return table;
}

Task<Capabilities> Qemu::probe(std::string binary) {
    std::vector<qmp::Command> questions{{"query-version", {}},
                                        {"query-target", {}},
                                        {"query-machines", {}},
                                        {"query-cpu-definitions", {}},
                                        {"qom-list-types", {{"implements", "device"}, {"abstract", false}}},
                                        {"query-commands", {}},
                                        {"query-tpm-models", {}}};
    auto probe = co_await begin_probe(binary, std::move(questions));
    const auto& answers = probe.answers;

    Capabilities found;
    found.binary = binary;
    const auto& version = answers[0].as_object().at("qemu").as_object();
    found.version = static_cast<unsigned>(integer_at(version, "major") * 1'000'000
                                          + integer_at(version, "minor") * 1'000 + integer_at(version, "micro"));
    found.package = text_at(answers[0].as_object(), "package");
    found.architecture = text_at(answers[1].as_object(), "arch");
    for (const auto& entry : answers[2].as_array())
        if (auto machine = read_machine(entry.as_object()); machine.name != "none")
            found.machines.push_back(std::move(machine));
    for (const auto& entry : answers[3].as_array()) found.cpus.push_back(read_cpu(entry.as_object()));
    std::ranges::sort(found.cpus, {}, &CpuModel::name);
    found.devices = names(answers[4]);
    found.commands = names(answers[5]);
    for (const auto& model : answers[6].as_array()) found.tpm_models.emplace_back(model.as_string());
    co_await Probe::end(probe);
    log::info("probed '{}': version {}, {} machines, {} devices", binary, found.version, found.machines.size(),
              found.devices.size());
    co_return found;
}

} // namespace domus::engine::qemu
