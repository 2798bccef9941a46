// Secrets: their definitions, and their values, which come from a file or from a person, hidden.
#include "cli/commands/secret.hpp"
#include "cli/commands/commands.hpp"
#include "cli/terminal.hpp"
#include "os/cipher.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::size_t longest_value = 65536; ///< REMOTE_SECRET_VALUE_MAX
constexpr std::string_view usage_words[]{"none", "volume", "ceph", "iscsi", "tls", "vtpm"};

void define(Call& call) {
    constexpr std::uint32_t validate = 1;
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto secret = doing(fmt::format("Failed to set attributes from {}", file), [&] {
        return call.server()
            .call<Procedure::secret_define_xml>({.xml = xml, .flags = call.args.flag("validate") ? validate : 0})
            .secret;
    });
    call.out.done({{"secret", secret.uuid.text()}, {"file", file}}, "Secret {} created", secret.uuid.text());
}

void dumpxml(Call& call) {
    const auto secret = find_secret(call);
    print_xml(call, doing("Failed to get the secret's XML", [&] {
                  return call.server().call<Procedure::secret_get_xml_desc>({.secret = secret, .flags = 0}).xml;
              }));
}

void undefine(Call& call) {
    const auto secret = find_secret(call);
    doing(fmt::format("Failed to delete secret {}", secret.uuid.text()),
          [&] { call.server().call<Procedure::secret_undefine>({.secret = secret}); });
    call.out.done({{"secret", secret.uuid.text()}}, "Secret {} deleted", secret.uuid.text());
}

void list(Call& call) {
    constexpr std::pair<std::string_view, std::uint32_t> filters[]{
        {"ephemeral", 1}, {"no-ephemeral", 2}, {"private", 4}, {"no-private", 8}};
    std::uint32_t flags = 0;
    for (const auto& [option, flag] : filters)
        if (call.args.flag(option)) flags |= flag;
    auto secrets = doing("Failed to list secrets", [&] {
        return call.server().call<Procedure::connect_list_all_secrets>({.need_results = 1, .flags = flags}).secrets;
    });
    std::ranges::sort(secrets, {}, [](const wire::Secret& secret) { return secret.uuid.text(); });
    Table table{.columns = {{"UUID", "uuid"}, {"Usage", "usage"}}, .rows = {}};
    boost::json::array all;
    for (const auto& secret : secrets) {
        const auto type = word_of(usage_words, secret.usage_type);
        const bool used = secret.usage_type != 0;
        table.rows.push_back({secret.uuid.text(), used ? fmt::format("{} {}", type, secret.usage_id) : "Unused"});
        boost::json::object entry{{"uuid", secret.uuid.text()}, {"usage_type", type}};
        if (used) entry["usage"] = secret.usage_id;
        all.push_back(std::move(entry));
    }
    if (call.out.json())
        call.out.result(std::move(all));
    else
        call.out.table(table);
}

// ---- values -------------------------------------------------------------------------------------------------------

Sensitive decoded(Sensitive text) {
    auto value = base64_decode(text.view());
    if (!value) throw Failure("the value is not base64").hint("give --plain with --file for one that is not encoded");
    return std::move(*value);
}

Sensitive given_value(Call& call) {
    const auto& args = call.args;
    for (const auto& [first, second] :
         {std::pair("file", "base64"), std::pair("plain", "base64"), std::pair("interactive", "base64"),
          std::pair("interactive", "plain"), std::pair("interactive", "file")})
        args.exclusive(first, second);
    if (args.given("base64")) {
        call.out.complain("Passing secret value as command-line argument is insecure!");
        return decoded(Sensitive(args.required("base64")));
    }
    if (args.given("file")) {
        Sensitive contents(read_file_option(call));
        return args.flag("plain") ? contents : decoded(std::move(contents));
    }
    if (!args.flag("interactive"))
        throw Failure("Input secret value is missing").hint("give --interactive to be asked for it, or --file");
    auto typed = ask_hidden("Enter new value for secret:");
    if (!typed) throw Failure("Failed to read secret");
    return std::move(*typed);
}

void set_value(Call& call) {
    const auto secret = find_secret(call);
    const auto value = given_value(call);
    if (value.size() > longest_value) fail("the value has {} bytes, and {} are the most", value.size(), longest_value);
    wire::SecretSetValueArgs request{.secret = secret, .value = {std::string(value.view())}, .flags = 0};
    doing("Failed to set secret value", [&] { call.server().call<Procedure::secret_set_value>(request); });
    cleanse(request.value.bytes);
    call.out.done({{"secret", secret.uuid.text()}}, "Secret value set");
}

void get_value(Call& call) {
    const auto secret = find_secret(call);
    auto reply = call.server().call<Procedure::secret_get_value>({.secret = secret, .flags = 0});
    const Sensitive value(std::move(reply.value.bytes));
    const auto encoded = base64_encode(value.view());
    if (call.out.json())
        call.out.result({{"secret", secret.uuid.text()}, {"base64", encoded}});
    else
        call.out.raw(call.args.flag("plain") ? value.view() : std::string_view(encoded));
}

} // namespace

wire::Secret find_secret(Call& call) {
    const auto name = call.args.required("secret");
    const auto line = fmt::format("failed to get secret '{}'", name);
    const auto uuid = Uuid::parse(name);
    if (!uuid) throw Failure(line).hint("secrets are named by UUID; see 'domus secret-list'");
    return doing(line, [&] { return call.server().call<Procedure::secret_lookup_by_uuid>({.uuid = *uuid}).secret; });
}

Option the_secret() { return required(text("secret", "UUID of the secret", Complete::secret)); }

std::vector<Command> secret_commands() {
    std::vector<Command> all{
        {.name = "secret-define",
         .summary = "define or change a secret from an XML file",
         .about = "The XML says what the secret is for and who may read it; secret-set-value sets its value.",
         .options = {required(text("file", "file with the secret's XML", Complete::file)),
                     flag("validate", "validate the XML against the schema")},
         .run = define},
        {.name = "secret-dumpxml",
         .summary = "print a secret's XML",
         .about = "The XML never contains the value.",
         .options = {the_secret(), named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = dumpxml},
        {.name = "secret-get-value",
         .summary = "print a secret's value",
         .about = "In base64. Refused if the definition says private='yes'.",
         .options = {the_secret(), flag("plain", "print the value itself, not base64")},
         .run = get_value},
        {.name = "secret-list",
         .summary = "list secrets",
         .options = {flag("ephemeral", "list only ephemeral secrets"),
                     flag("no-ephemeral", "list only persistent secrets"), flag("private", "list only private secrets"),
                     flag("no-private", "list only secrets whose value can be read")},
         .run = list},
        {.name = "secret-set-value",
         .summary = "set a secret's value",
         .about = "Read from the terminal (--interactive) or from a file. The daemon encrypts it before it writes it.",
         .options = {the_secret(), named(text("file", "file with the value in base64", Complete::file)),
                     flag("plain", "the file has the value itself, not base64"),
                     flag("interactive", "read the value from the terminal, without echo"),
                     text("base64", "the value in base64; others on this host can see it")},
         .run = set_value},
        {.name = "secret-undefine",
         .summary = "remove a secret and its value",
         .options = {the_secret()},
         .run = undefine},
    };
    std::ranges::move(secret_event_commands(), std::back_inserter(all));
    for (auto& command : all) command.group = Group::secret;
    return all;
}

} // namespace domus::cli
