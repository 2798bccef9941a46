// A domain's displays and terminals: where they are, and what they show.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>

namespace domus::cli {

namespace {

pugi::xml_node running_devices(Call& call, const wire::Domain& domain, pugi::xml_document& document,
                               std::uint32_t flags = 0) {
    if (domain.id == no_id)
        throw Failure("Domain is not running").hint(fmt::format("start it with 'domus start {}'", domain.name));
    document = parse_xml(domain_xml(call, domain, flags));
    return document.child("domain").child("devices");
}

std::string listen_address(const pugi::xml_node& graphics) {
    const std::string address = graphics.attribute("listen").value();
    return address == "0.0.0.0" || address == "::" ? std::string() : address;
}

void vncdisplay(Call& call) {
    const auto domain = find_domain(call);
    pugi::xml_document document;
    const auto graphics = running_devices(call, domain, document).find_child_by_attribute("graphics", "type", "vnc");
    const int port = graphics.attribute("port").as_int(-1);
    if (port < 0) fail("Failed to get VNC port. Is this domain using VNC?");
    constexpr int first_port = 5900;
    const auto address = listen_address(graphics);
    call.out.value("display", fmt::format("{}:{}", address, port - first_port));
}

/// A password, which the XML has only when asked for, stands where each protocol's viewers look for it.
std::string display_uri(const pugi::xml_node& graphics) {
    constexpr int first_port = 5900;
    const std::string type = graphics.attribute("type").value();
    const std::string password = graphics.attribute("passwd").value();
    const int port = graphics.attribute("port").as_int(-1);
    const auto address = listen_address(graphics);
    return fmt::format("{}://{}{}:{}{}", type, type == "vnc" && !password.empty() ? ":" + password + "@" : "",
                       address.empty() ? "localhost" : address, type == "vnc" ? port - first_port : port,
                       type == "spice" && !password.empty() ? "?password=" + password : "");
}

void domdisplay(Call& call) {
    constexpr std::uint32_t with_passwords = 1;
    const auto domain = find_domain(call);
    const auto wanted = call.args.text("type").value_or("");
    pugi::xml_document document;
    boost::json::array all;
    std::string text;
    const auto flags = call.args.flag("include-password") ? with_passwords : 0;
    for (const auto& graphics : running_devices(call, domain, document, flags).children("graphics")) {
        const std::string type = graphics.attribute("type").value();
        if (graphics.attribute("port").as_int(-1) < 0 || (!wanted.empty() && wanted != type)) continue;
        const auto uri = display_uri(graphics);
        all.push_back(boost::json::string(uri));
        text += call.args.flag("all") ? uri + "\n" : uri;
        if (!call.args.flag("all")) break;
    }
    if (all.empty()) fail("No graphical display found");
    call.out.text("{}", text); // the last line's end follows, as behind each command
    call.out.result(std::move(all));
}

void ttyconsole(Call& call) {
    const auto domain = find_domain(call);
    pugi::xml_document document;
    const std::string path = running_devices(call, domain, document).child("console").attribute("tty").value();
    if (path.empty() && !call.out.json())
        throw Failure(fmt::format("Domain '{}' has no console on a terminal", domain.name))
            .hint("a console is on a terminal if its type is 'pty'");
    call.out.value("tty", {path, path.empty() ? boost::json::value(nullptr) : boost::json::value(path)});
}

void screenshot(Call& call) {
    const auto domain = find_domain(call);
    const auto screen = call.args.natural("screen", 1u << 10).value_or(0);
    auto stream = doing(fmt::format("could not take a screenshot of {}", domain.name), [&] {
        return client::Stream::open<Procedure::domain_screenshot>(
            call.server(), {.dom = domain, .screen = static_cast<std::uint32_t>(screen), .flags = 0});
    });
    const auto mime = wire::decode<wire::DomainScreenshotRet>(stream->reply()).mime.value_or("");
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    const auto path = call.args.text("file").value_or(
        fmt::format("{}-{}{}", domain.name, now, mime == "image/png" ? ".png" : ".ppm"));
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wbx"), &std::fclose);
    if (!file) fail("cannot create file {}", path);
    for (auto data = stream->read(); !data.empty(); data = stream->read())
        if (std::fwrite(data.data(), 1, data.size(), file.get()) != data.size()) fail("cannot write {}", path);
    stream->finish();
    call.out.done({{"domain", domain.name}, {"file", path}, {"type", mime}}, "Screenshot saved to {}, with type of {}",
                  path, mime);
}

} // namespace

std::vector<Command> display_commands() {
    return {
        {.name = "vncdisplay",
         .summary = "print the address of a domain's VNC display",
         .options = {the_domain(Complete::running_domain)},
         .run = vncdisplay},
        {.name = "domdisplay",
         .summary = "print the URI of a domain's display",
         .options = {the_domain(Complete::running_domain), flag("include-password", "include the password in the URI"),
                     one_of("type", "vnc|spice", "print only displays of this type"),
                     flag("all", "print all displays")},
         .run = domdisplay},
        {.name = "ttyconsole",
         .summary = "print the terminal of a domain's console",
         .options = {the_domain(Complete::running_domain)},
         .run = ttyconsole},
        {.name = "screenshot",
         .summary = "save a screenshot of a domain's display",
         .options = {the_domain(Complete::running_domain), text("file", "file to write", Complete::file),
                     number("screen", "number of the screen")},
         .run = screenshot},
    };
}

} // namespace domus::cli
