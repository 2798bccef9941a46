// Memory in files: saving it, going on from it, and what is in such a file.
#include "cli/commands/commands.hpp"
#include "cli/editor.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace domus::cli {

namespace {

constexpr std::uint32_t bypass_cache = 1, state_running = 2, state_paused = 4;
constexpr std::uint32_t with_secrets = 1;

std::uint32_t save_flags(const Arguments& args) {
    args.exclusive("running", "paused");
    std::uint32_t flags = 0;
    if (args.flag("bypass-cache")) flags |= bypass_cache;
    if (args.flag("running")) flags |= state_running;
    if (args.flag("paused")) flags |= state_paused;
    return flags;
}

/// The daemon's folder is another.
std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

std::optional<std::string> new_xml(Call& call) {
    if (!call.args.given("xml")) return std::nullopt;
    return read_file_option(call, "xml");
}

// -- watching --

volatile std::sig_atomic_t interrupted = 0;

/// "Save: [ 34 %]" over itself, on standard error.
class Progress {
public:
    Progress(Call& call, const wire::Domain& domain)
        : call_(call), domain_(domain), shown_(call.args.flag("verbose")) {}

    void look() {
        if (interrupted) {
            interrupted = 0;
            try {
                call_.server().call<Procedure::domain_abort_job>({.dom = domain_});
            } catch (const Error&) {
                // It has not begun, or has just ended.
            }
        }
        if (!shown_) return;
        try {
            const auto job = call_.server().call<Procedure::domain_get_job_info>({.dom = domain_});
            if (job.data_total > 0)
                show(std::min<std::uint64_t>(99, 100 - job.data_remaining * 100 / (job.data_total + 1)));
        } catch (const Error&) {
            // It has just ended; the reply to the save tells how.
        }
    }
    void done() {
        if (shown_) show(100);
    }

private:
    void show(std::uint64_t percent) {
        if (!call_.out.json()) fmt::print(stderr, "\rSave: [{:3} %]", percent);
    }

    Call& call_;
    wire::Domain domain_;
    bool shown_;
};

/// Ctrl-C leaves the job, not the command: it waits for what becomes of it.
template <Procedure procedure>
void watched(Call& call, const wire::Domain& domain, const typename wire::Call<procedure>::Args& args) {
    Progress progress(call, domain);
    interrupted = 0;
    const auto before = std::signal(SIGINT, [](int) { interrupted = 1; });
    try {
        call.server().call_watched<procedure>(
            args, std::chrono::milliseconds(500), [] { return interrupted != 0; }, [&] { progress.look(); });
    } catch (...) {
        std::signal(SIGINT, before);
        throw;
    }
    std::signal(SIGINT, before);
    progress.done();
}

// -- save and restore --

void save(Call& call) {
    const auto file = call.args.required("file");
    const auto flags = save_flags(call.args);
    const auto xml = new_xml(call);
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to save domain '{}' to {}", domain.name, file), [&] {
        if (flags == 0 && !xml)
            watched<Procedure::domain_save>(call, domain, {.dom = domain, .to = absolute(file)});
        else
            watched<Procedure::domain_save_flags>(call, domain,
                                                  {.dom = domain, .to = absolute(file), .dxml = xml, .flags = flags});
    });
    call.out.extra("\n");
    call.out.done({{"domain", domain.name}, {"file", file}}, "Domain '{}' saved to {}", domain.name, file);
}

void restore(Call& call) {
    const auto file = call.args.required("file");
    const auto flags = save_flags(call.args);
    const auto xml = new_xml(call);
    doing(fmt::format("Failed to restore domain from {}", file), [&] {
        if (flags == 0 && !xml)
            call.server().call<Procedure::domain_restore>({.from = absolute(file)});
        else
            call.server().call<Procedure::domain_restore_flags>({.from = absolute(file), .dxml = xml, .flags = flags});
    });
    call.out.done({{"file", file}}, "Domain restored from {}", file);
}

void managedsave(Call& call) {
    const auto flags = save_flags(call.args);
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to save domain '{}' state", domain.name),
          [&] { watched<Procedure::domain_managed_save>(call, domain, {.dom = domain, .flags = flags}); });
    call.out.extra("\n");
    call.out.done({{"domain", domain.name}}, "Domain '{}' state saved by libvirt", domain.name);
}

void managedsave_remove(Call& call) {
    const auto domain = find_domain(call);
    const auto has = doing("Failed to check for domain managed save image", [&] {
        return call.server().call<Procedure::domain_has_managed_save_image>({.dom = domain, .flags = 0}).result;
    });
    if (!has) {
        // Without a line's end, as virsh does.
        call.out.extra("Domain '{}' has no manage save image; removal skipped", domain.name);
        call.out.result(boost::json::object{{"domain", domain.name}, {"removed", false}});
        return;
    }
    doing(fmt::format("Failed to remove managed save image for domain '{}'", domain.name),
          [&] { call.server().call<Procedure::domain_managed_save_remove>({.dom = domain, .flags = 0}); });
    call.out.done({{"domain", domain.name}, {"removed", true}}, "Removed managedsave image for domain '{}'",
                  domain.name);
}

void domjobabort(Call& call) {
    constexpr std::uint32_t postcopy = 1;
    const auto domain = find_domain(call);
    if (call.args.flag("postcopy"))
        call.server().call<Procedure::domain_abort_job_flags>({.dom = domain, .flags = postcopy});
    else
        call.server().call<Procedure::domain_abort_job>({.dom = domain});
    call.out.result(boost::json::object{{"domain", domain.name}});
}

// -- the definition in a file --

std::string image_xml(Call& call, const std::string& file, std::uint32_t flags) {
    return call.server().call<Procedure::domain_save_image_get_xml_desc>({.file = absolute(file), .flags = flags}).xml;
}

std::string managed_xml(Call& call, const wire::Domain& domain, std::uint32_t flags) {
    return call.server().call<Procedure::domain_managed_save_get_xml_desc>({.dom = domain, .flags = flags}).xml;
}

std::uint32_t secret_flag(Call& call) { return call.args.flag("security-info") ? with_secrets : 0; }

void save_image_dumpxml(Call& call) {
    const auto file = call.args.required("file");
    print_xml(call, image_xml(call, file, secret_flag(call)));
}

void managedsave_dumpxml(Call& call) { print_xml(call, managed_xml(call, find_domain(call), secret_flag(call))); }

void save_image_define(Call& call) {
    const auto file = call.args.required("file");
    const auto flags = save_flags(call.args);
    const auto xml = read_file_option(call, "xml");
    doing(fmt::format("Failed to update {}", file), [&] {
        call.server().call<Procedure::domain_save_image_define_xml>(
            {.file = absolute(file), .dxml = xml, .flags = flags});
    });
    call.out.done({{"file", file}}, "State file {} updated.", file);
}

void managedsave_define(Call& call) {
    const auto flags = save_flags(call.args);
    const auto xml = read_file_option(call, "xml");
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to update {} XML configuration", domain.name), [&] {
        call.server().call<Procedure::domain_managed_save_define_xml>({.dom = domain, .dxml = xml, .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "Managed save state file of domain '{}' updated.", domain.name);
}

void save_image_edit(Call& call) {
    const auto file = call.args.required("file");
    const auto flags = save_flags(call.args);
    const bool changed = edit_object({
        .fetch = [&] { return image_xml(call, file, with_secrets); },
        .store =
            [&](const std::string& xml, bool) {
                call.server().call<Procedure::domain_save_image_define_xml>(
                    {.file = absolute(file), .dxml = xml, .flags = flags});
            },
        .validate = false,
    });
    if (changed)
        call.out.done({{"file", file}, {"changed", true}}, "State file {} edited.", file);
    else
        call.out.done({{"file", file}, {"changed", false}}, "Saved image {} XML configuration not changed.", file);
}

void managedsave_edit(Call& call) {
    const auto flags = save_flags(call.args);
    const auto domain = find_domain(call);
    const bool changed = edit_object({
        .fetch = [&] { return managed_xml(call, domain, with_secrets); },
        .store =
            [&](const std::string& xml, bool) {
                call.server().call<Procedure::domain_managed_save_define_xml>(
                    {.dom = domain, .dxml = xml, .flags = flags});
            },
        .validate = false,
    });
    if (changed)
        call.out.done({{"domain", domain.name}, {"changed", true}},
                      "Managed save image of Domain '{}' XML configuration edited.", domain.name);
    else
        call.out.done({{"domain", domain.name}, {"changed", false}},
                      "Managed save image of domain '{}' XML configuration not changed.", domain.name);
}

Option image_file(std::string_view help) { return required(text("file", help, Complete::file)); }
Option going_on() { return flag("running", "run the domain afterwards"); }
Option standing_still() { return flag("paused", "leave the domain paused afterwards"); }
Option another_xml() {
    return text("xml", "file with changed XML: other images, networks or names, the same machine", Complete::file);
}

std::vector<Command> file_commands() {
    return {
        {.name = "save",
         .summary = "save a domain's state to a file and stop it",
         .about =
             "The guest does not notice: 'restore' resumes it. Nothing else may use its disks until then. An older "
             "save in this file is replaced only once the new one is complete, so there must be room for both.",
         .options = {the_domain(Complete::running_domain), image_file("file to write"),
                     flag("bypass-cache", "bypass the host's file cache"), another_xml(), going_on(), standing_still(),
                     flag("verbose", "show progress")},
         .run = save},
        {.name = "restore",
         .summary = "restore a domain from a saved state",
         .about = "Starts the domain whose state 'save' wrote to the file. The file is kept; once the guest has run, "
                  "its disks no longer match it.",
         .options = {image_file("file written by 'save'"), flag("bypass-cache", "bypass the host's file cache"),
                     another_xml(), going_on(), standing_still()},
         .run = restore},
        {.name = "save-image-dumpxml",
         .summary = "print the XML of a saved state",
         .options = {image_file("file written by 'save'"), flag("security-info", "include passwords"),
                     named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = save_image_dumpxml},
        {.name = "save-image-define",
         .summary = "replace the XML of a saved state",
         .about = "The guest must find the same machine; images, networks, titles and the like may differ.",
         .options = {image_file("file written by 'save'"),
                     required(text("xml", "file with the new XML", Complete::file)), going_on(), standing_still()},
         .run = save_image_define},
        {.name = "save-image-edit",
         .summary = "edit the XML of a saved state",
         .options = {image_file("file written by 'save'"), going_on(), standing_still()},
         .run = save_image_edit},
    };
}

std::vector<Command> managed_commands() {
    return {
        {.name = "managedsave",
         .summary = "save a domain's state for its next start",
         .about = "The daemon keeps the state. The next 'start' resumes from it.",
         .options = {the_domain(Complete::running_domain), flag("bypass-cache", "bypass the host's file cache"),
                     going_on(), standing_still(), flag("verbose", "show progress")},
         .run = managedsave},
        {.name = "managedsave-remove",
         .summary = "remove a managed save",
         .options = {the_domain()},
         .run = managedsave_remove},
        {.name = "managedsave-dumpxml",
         .summary = "print the XML of a managed save",
         .options = {the_domain(), flag("security-info", "include passwords"),
                     named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = managedsave_dumpxml},
        {.name = "managedsave-define",
         .summary = "replace the XML of a managed save",
         .options = {the_domain(), required(text("xml", "file with the new XML", Complete::file)), going_on(),
                     standing_still()},
         .run = managedsave_define},
        {.name = "managedsave-edit",
         .summary = "edit the XML of a managed save",
         .options = {the_domain(), going_on(), standing_still()},
         .run = managedsave_edit},
        {.name = "domjobabort",
         .summary = "abort a domain's job",
         .about = "After an aborted save the guest continues to run.",
         .options = {the_domain(Complete::running_domain), flag("postcopy", "abort a post-copy migration")},
         .run = domjobabort},
    };
}

} // namespace

std::vector<Command> save_commands() {
    auto all = file_commands();
    for (auto& command : managed_commands()) all.push_back(std::move(command));
    return all;
}

} // namespace domus::cli
