// Title, description and metadata of domains.
#include "cli/commands/commands.hpp"
#include "cli/editor.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace domus::cli {

namespace {

constexpr std::int32_t description = 0, title = 1, element = 2;

std::optional<std::string> get(Call& call, const wire::Domain& domain, std::int32_t type, const std::string& uri,
                               std::uint32_t flags) {
    try {
        std::optional<std::string> space;
        if (!uri.empty()) space = uri;
        return call.server()
            .call<Procedure::domain_get_metadata>({.dom = domain, .type = type, .uri = space, .flags = flags})
            .metadata;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::no_domain_metadata) return std::nullopt;
        throw;
    }
}

void desc(Call& call) {
    const auto flags = affect_flags(call.args);
    const bool of_title = call.args.flag("title");
    const auto type = of_title ? title : description;
    const std::string_view what = of_title ? "title" : "description";
    const auto domain = find_domain(call);
    const auto words = call.args.list("new-desc");
    const auto now =
        doing(fmt::format("Failed to get domain {}", what), [&] { return get(call, domain, type, "", flags); });
    if (words.empty() && !call.args.flag("edit")) {
        call.out.text("{}", now.value_or(of_title ? fmt::format("No title for domain: {}", domain.name)
                                                  : fmt::format("No description for domain: {}", domain.name)));
        call.out.result(
            {{"domain", domain.name}, {what, now ? boost::json::value(*now) : boost::json::value(nullptr)}});
        return;
    }
    auto text = fmt::format("{}", fmt::join(words, " "));
    if (call.args.flag("edit")) text = edit_text(words.empty() ? now.value_or("") : text);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    doing(fmt::format("Failed to set new domain {}", what), [&] {
        call.server().call<Procedure::domain_set_metadata>(
            {.dom = domain, .type = type, .metadata = text, .key = std::nullopt, .uri = std::nullopt, .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "{} updated successfully",
                  of_title ? "Domain title" : "Domain description");
}

/// One element of one domain: what --uri, --live, --config and --current name.
struct MetadataElement {
    Call& call;
    wire::Domain domain;
    std::string uri;
    std::uint32_t flags;

    std::string get() const {
        return call.server()
            .call<Procedure::domain_get_metadata>({.dom = domain, .type = element, .uri = uri, .flags = flags})
            .metadata;
    }
    void set(std::optional<std::string> text, std::optional<std::string> key) const {
        doing("Failed to change domain metadata", [&] {
            call.server().call<Procedure::domain_set_metadata>(
                {.dom = domain, .type = element, .metadata = text, .key = key, .uri = uri, .flags = flags});
        });
    }
};

/// False if the person changed nothing. What is not there yet begins as an empty element.
bool edit_metadata(const MetadataElement& which, const std::string& key) {
    std::string before;
    try {
        before = which.get();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_domain_metadata) throw;
        before = fmt::format("<{}/>\n", key);
    }
    const auto after = edit_text(before);
    if (after == before) return false;
    which.set(after, key);
    return true;
}

void metadata(Call& call) {
    const auto& args = call.args;
    args.exclusive("edit", "set");
    args.exclusive("remove", "set");
    args.exclusive("remove", "edit");
    const auto key = args.text("key");
    const auto text = args.text("set");
    const bool edits = args.flag("edit");
    const auto flags = affect_flags(args);
    const MetadataElement which{call, find_domain(call), args.required("uri"), flags};
    if (!text && !edits && !args.flag("remove")) return call.out.document(which.get(), "metadata");
    if ((text || edits) && !key)
        throw Failure("namespace key is required when modifying metadata")
            .hint("--key names the prefix of the namespace in the XML");
    if (edits && !edit_metadata(which, *key)) {
        call.out.extra("Metadata not changed"); // without a line's end, as virsh does
        return call.out.result({{"domain", which.domain.name}, {"message", "Metadata not changed"}});
    }
    if (!edits) which.set(text, key);
    call.out.done({{"domain", which.domain.name}}, "{}",
                  args.flag("remove") ? "Metadata removed" : "Metadata modified");
}

} // namespace

std::vector<Command> metadata_commands() {
    const auto config = flag("config", "affect the next boot");
    const auto live = flag("live", "affect the running domain");
    const auto current = flag("current", "affect the running domain, or the next boot if it is shut off");
    return {
        {.name = "desc",
         .summary = "show or set a domain's description or title",
         .options = {the_domain(), live, config, current, flag("title", "show or set the title, which is one line"),
                     flag("edit", "open an editor"), rest("new-desc", "new text")},
         .run = desc},
        {.name = "metadata",
         .summary = "show or set a domain's metadata",
         .about = "Metadata is an XML element of another program, identified by its namespace.",
         .options = {the_domain(), required(text("uri", "namespace of the element")), live, config, current,
                     flag("edit", "open an editor"), text("key", "prefix of the namespace"), text("set", "new element"),
                     flag("remove", "remove the metadata")},
         .run = metadata},
    };
}

} // namespace domus::cli
