#include "host/dhcp_client.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/number.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <csignal>

namespace domus::host {

namespace fs = std::filesystem;

const format::Schema& LeaseMove::schema() {
    static const format::Schema table = format::Describe<LeaseMove>("lease", "A lease that goes to another device.")
                                            .field("@from", &LeaseMove::from, "device that had it")
                                            .field("@to", &LeaseMove::to, "device that gets it")
                                            .field("@v6", &LeaseMove::v6, "of DHCPv6");
    return table;
}

namespace {

std::string family(const LeaseMove& move) { return move.v6 ? "6" : ""; }

fs::path pid_file(const fs::path& root, std::string_view client, const std::string& device, const LeaseMove& move) {
    return root / "run" / fmt::format("{}{}.{}.pid", client, family(move), device);
}

fs::path lease_file(const fs::path& root, const std::string& device, const LeaseMove& move) {
    return root / "var/lib/dhcp" / fmt::format("dhclient{}.{}.leases", family(move), device);
}

void end_client(const fs::path& file) {
    constexpr std::size_t most = 100;
    std::error_code ignored;
    if (!fs::exists(file, ignored)) return;
    auto text = read_file(file, most);
    while (text.ends_with('\n')) text.pop_back();
    const auto pid = parse_number<int>(text);
    // Its program's name, so that another process with that number is left alone.
    const auto program =
        pid ? fs::read_symlink(fmt::format("/proc/{}/exe", *pid), ignored).filename().string() : std::string();
    const auto name = file.filename().string();
    if (pid && !program.empty() && name.starts_with(program)) ::kill(*pid, SIGTERM); // it keeps its lease
}

/// dhclient(8) names the device in its leases.
void copy_lease(const fs::path& root, const LeaseMove& move) {
    constexpr std::size_t most = 1u << 20;
    const auto from = lease_file(root, move.from, move), to = lease_file(root, move.to, move);
    std::error_code ignored;
    if (!fs::exists(from, ignored)) return;
    auto text = read_file(from, most);
    const auto old_name = fmt::format("interface \"{}\"", move.from),
               new_name = fmt::format("interface \"{}\"", move.to);
    for (auto at = text.find(old_name); at != text.npos; at = text.find(old_name, at + new_name.size()))
        text.replace(at, old_name.size(), new_name);
    write_file_durably(to, text, 0644);
}

} // namespace

std::optional<Command> dhcp_client(const fs::path& root, const LeaseMove& move) {
    if (!find_program("dhclient").empty()) {
        Command command("dhclient");
        command.arguments = {move.v6 ? "-6" : "-4",
                             "-nw",
                             "-pf",
                             pid_file(root, "dhclient", move.to, move).string(),
                             "-lf",
                             lease_file(root, move.to, move).string(),
                             move.to};
        return command;
    }
    if (!find_program("dhcpcd").empty()) {
        Command command("dhcpcd");
        command.arguments = {move.v6 ? "-6" : "-4", "-b", move.to};
        return command;
    }
    if (!move.v6 && !find_program("udhcpc").empty()) {
        Command command("udhcpc");
        command.arguments = {"-b", "-p", pid_file(root, "udhcpc", move.to, move).string(), "-i", move.to};
        return command;
    }
    return std::nullopt;
}

void move_lease(const fs::path& root, const LeaseMove& move) {
    const auto command = dhcp_client(root, move);
    if (!command)
        throw Error(ErrorCode::operation_failed, ErrorDomain::interface,
                    fmt::format("there is no DHCP client that could get an address for '{}'", move.to))
            .hint("install one: isc-dhcp-client, dhcpcd or udhcpc");
    if (!move.from.empty()) {
        for (const auto* client : {"dhclient", "udhcpc"}) end_client(pid_file(root, client, move.from, move));
        copy_lease(root, move);
    }
    std::error_code ignored;
    fs::create_directories(lease_file(root, move.to, move).parent_path(), ignored);
    fs::create_directories(root / "run", ignored);
    auto client = Process::spawn(*command);
    client.release(); // it goes into the background by itself, and outlives us
}

} // namespace domus::host
