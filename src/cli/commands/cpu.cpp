// CPU models: which there are, and what a host or hypervisor makes of a described one.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <sstream>

namespace domus::cli {

namespace {

void cpu_models(Call& call) {
    const auto arch = call.args.required("arch");
    const auto models = doing("failed to get CPU model names", [&] {
        return call.server().call<Procedure::connect_get_cpu_model_names>(
            {.arch = arch, .need_results = 1, .flags = 0});
    });
    if (models.ret == 0) call.out.text("all CPU models are accepted\n");
    boost::json::array all;
    for (const auto& model : models.models) {
        call.out.text("{}\n", model);
        all.emplace_back(model);
    }
    call.out.result(std::move(all));
}

/// All <cpu> elements of a file: alone, in a list, in a domain's, a host's or a hypervisor's description.
std::vector<std::string> cpus_of_file(Call& call) {
    const auto path = call.args.required("file");
    const auto text = read_file_option(call);
    // A file may hold several documents, one after the other.
    const auto document =
        parse_xml("<container>" + text.substr(text.starts_with("<?xml") ? text.find("?>") + 2 : 0) + "</container>");
    std::vector<std::string> cpus;
    const auto found = document.select_nodes("//cpu[not(ancestor::cpus)]|//hypervisor/cpu|"
                                             "//domainCapabilities/cpu/mode[@name='host-model' and @supported='yes']");
    for (const auto& each : found) {
        const auto node = each.node();
        if (std::string_view(node.parent().name()) == "domainCapabilities") continue;
        std::ostringstream out;
        if (std::string_view(node.name()) == "mode") {
            pugi::xml_document copy;
            auto root = copy.append_child("cpu");
            for (const auto& child : node.children()) root.append_copy(child);
            copy.print(out, "", pugi::format_raw | pugi::format_no_declaration);
        } else {
            node.print(out, "", pugi::format_raw | pugi::format_no_declaration);
        }
        cpus.push_back(out.str());
    }
    if (cpus.empty())
        fail("File '{}' does not contain any <cpu> element or valid domain XML, host capabilities XML, or domain "
             "capabilities XML",
             path);
    return cpus;
}

constexpr std::uint32_t compare_fail_incompatible = 1, compare_validate = 2;
constexpr std::uint32_t baseline_features = 1, baseline_migratable = 2;

std::uint32_t compare_flags(const Arguments& args) {
    return (args.flag("error") ? compare_fail_incompatible : 0) | (args.flag("validate") ? compare_validate : 0);
}
std::uint32_t baseline_flags(const Arguments& args) {
    return (args.flag("features") ? baseline_features : 0) | (args.flag("migratable") ? baseline_migratable : 0);
}

struct CompareWords {
    fmt::format_string<const std::string&> incompatible, identical, superset;
};

void report_comparison(Call& call, std::int32_t result, const CompareWords& words) {
    const auto file = call.args.required("file");
    call.out.result({{"result", result == 0   ? "incompatible"
                                : result == 1 ? "identical"
                                : result == 2 ? "superset"
                                              : "error"}});
    switch (result) {
    case 0:
        if (!call.out.json()) call.out.raw(fmt::format(words.incompatible, file));
        call.out.finish();
        throw Failure::silent();
    case 1:
        if (!call.out.json()) call.out.raw(fmt::format(words.identical, file));
        return;
    case 2:
        if (!call.out.json()) call.out.raw(fmt::format(words.superset, file));
        return;
    default:
        fail("Failed to compare host CPU with {}", file);
    }
}

void cpu_compare(Call& call) {
    const auto flags = compare_flags(call.args);
    const auto cpus = cpus_of_file(call);
    const auto result = doing(fmt::format("Failed to compare host CPU with {}", call.args.required("file")), [&] {
        return call.server().call<Procedure::connect_compare_cpu>({.xml = cpus.front(), .flags = flags}).result;
    });
    report_comparison(call, result,
                      {"CPU described in {} is incompatible with host CPU\n",
                       "CPU described in {} is identical to host CPU\n",
                       "Host CPU is a superset of CPU described in {}\n"});
}

void hypervisor_cpu_compare(Call& call) {
    const auto flags = compare_flags(call.args);
    const auto& args = call.args;
    const auto cpus = cpus_of_file(call);
    const auto result = doing(fmt::format("Failed to compare hypervisor CPU with {}", args.required("file")), [&] {
        return call.server()
            .call<Procedure::connect_compare_hypervisor_cpu>({.emulator = args.text("emulator"),
                                                              .arch = args.text("arch"),
                                                              .machine = args.text("machine"),
                                                              .virttype = args.text("virttype"),
                                                              .xml_cpu = cpus.front(),
                                                              .flags = flags})
            .result;
    });
    report_comparison(call, result,
                      {"CPU described in {} is incompatible with the CPU provided by hypervisor on the host\n",
                       "CPU described in {} is identical to the CPU provided by hypervisor on the host\n",
                       "The CPU provided by hypervisor on the host is a superset of CPU described in {}\n"});
}

void cpu_baseline(Call& call) {
    const auto cpus = cpus_of_file(call);
    auto result =
        call.server().call<Procedure::connect_baseline_cpu>({.xml_cpus = cpus, .flags = baseline_flags(call.args)}).cpu;
    call.out.text("{}", result);
    call.out.result({{"xml", result}});
}

void hypervisor_cpu_baseline(Call& call) {
    const auto& args = call.args;
    args.exclusive("file", "model");
    std::vector<std::string> cpus;
    if (const auto model = args.text("model"))
        cpus.push_back(fmt::format("<cpu><model>{}</model></cpu>", *model));
    else if (args.given("file"))
        cpus = cpus_of_file(call);
    else
        fail("either --file or --model is needed");
    auto result = call.server()
                      .call<Procedure::connect_baseline_hypervisor_cpu>({.emulator = args.text("emulator"),
                                                                         .arch = args.text("arch"),
                                                                         .machine = args.text("machine"),
                                                                         .virttype = args.text("virttype"),
                                                                         .xml_cpus = cpus,
                                                                         .flags = baseline_flags(args)})
                      .cpu;
    call.out.text("{}", result);
    call.out.result({{"xml", result}});
}

std::vector<Option> hypervisor_options(Option file, std::vector<Option> more) {
    std::vector<Option> all{std::move(file), one_of("virttype", "kvm|qemu", "virtualization type"),
                            text("emulator", "path of the emulator", Complete::file),
                            text("arch", "architecture of the CPU"), text("machine", "machine type")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

} // namespace

std::vector<Command> cpu_commands() {
    using enum Group;
    const auto file = text("file", "file with the XML of CPUs", Complete::file);
    const auto error = flag("error", "fail if the CPUs are incompatible");
    const auto validate = flag("validate", "validate the XML against the schema");
    const auto features = flag("features", "list features that belong to the CPU model too");
    const auto migratable = flag("migratable", "leave out features that block migration");
    return {
        {.name = "cpu-models",
         .group = host,
         .summary = "list CPU models",
         .options = {required(text("arch", "architecture"))},
         .run = cpu_models},
        {.name = "cpu-compare",
         .group = host,
         .summary = "compare the host's CPU with the CPU in an XML file",
         .options = {required(file), error, validate},
         .run = cpu_compare},
        {.name = "cpu-baseline",
         .group = host,
         .summary = "compute a CPU that runs on all given hosts",
         .options = {required(file), features, migratable},
         .run = cpu_baseline},
        {.name = "hypervisor-cpu-compare",
         .group = host,
         .summary = "compare the hypervisor's CPU with the CPU in an XML file",
         .options = hypervisor_options(required(file), {error, validate}),
         .run = hypervisor_cpu_compare},
        {.name = "hypervisor-cpu-baseline",
         .group = host,
         .summary = "compute a CPU that the hypervisor can provide on all given hosts",
         .options = hypervisor_options(file, {features, migratable, text("model", "CPU model, instead of a file")}),
         .run = hypervisor_cpu_baseline},
    };
}

} // namespace domus::cli
