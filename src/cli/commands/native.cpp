// What a definition becomes outside of libvirt's XML.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

namespace domus::cli {

namespace {

void domxml_to_native(Call& call) {
    constexpr std::uint32_t inactive = 2; // what the next start takes
    const auto& args = call.args;
    const auto format = args.required("format");
    args.exclusive("domain", "xml");
    std::string xml;
    if (args.given("domain"))
        xml = domain_xml(call, find_domain(call), inactive);
    else if (args.given("xml"))
        xml = read_file_option(call, "xml");
    else
        throw Failure("need either domain or domain XML")
            .hint("'domus domxml-to-native qemu-argv --domain NAME' takes a defined one, --xml a file");
    call.out.document(
        call.server()
            .call<Procedure::connect_domain_xml_to_native>({.native_format = format, .domain_xml = xml, .flags = 0})
            .native_config,
        "native");
}

} // namespace

std::vector<Command> native_commands() {
    return {{.name = "domxml-to-native",
             .summary = "convert a domain's XML to a hypervisor's command line",
             .about = "Prints the command that a start of the domain would run, for reading. Nothing is started.",
             .options = {required(one_of("format", "qemu-argv", "target format")),
                         named(text("domain", "name, ID or UUID of a domain", Complete::domain)),
                         text("xml", "file with a domain's XML", Complete::file)},
             .run = domxml_to_native}};
}

} // namespace domus::cli
