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

void metadata(Call& call) {
    const auto flags = affect_flags(call.args);
    const auto uri = call.args.required("uri");
    const auto key = call.args.text("key");
    const auto text = call.args.text("set");
    const auto domain = find_domain(call);
    if (!text && !call.args.flag("remove")) {
        const auto found = doing("Failed to get domain metadata", [&] {
            return call.server()
                .call<Procedure::domain_get_metadata>({.dom = domain, .type = element, .uri = uri, .flags = flags})
                .metadata;
        });
        call.out.document(found, "metadata");
        return;
    }
    if (text && !key) fail("namespace key is required when modifying metadata");
    doing("Failed to change domain metadata", [&] {
        call.server().call<Procedure::domain_set_metadata>({.dom = domain,
                                                            .type = element,
                                                            .metadata = call.args.flag("remove") ? std::nullopt : text,
                                                            .key = key,
                                                            .uri = uri,
                                                            .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "{}", call.args.flag("remove") ? "Metadata removed" : "Metadata modified");
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
                     flag("remove", "remove the metadata"), text("key", "prefix of the namespace"),
                     text("set", "new element")},
         .run = metadata},
    };
}

} // namespace domus::cli
