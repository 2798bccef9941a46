#include "compute/life/display_sockets.hpp"

#include "base/log.hpp"
#include "os/access.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

namespace domus::compute {

namespace {

std::optional<std::string> socket_of(const model::Graphics& display) {
    if (display.listens.empty() || display.listens.front().type != model::ListenType::socket) return std::nullopt;
    return display.listens.front().socket ? display.listens.front().socket : display.socket;
}

} // namespace

std::map<std::string, std::string> own_display_sockets(const std::vector<model::Graphics>& displays,
                                                       const std::string& guest_folder) {
    std::map<std::string, std::string> sockets;
    for (const auto& display : displays)
        if (const auto named = socket_of(display); named && !named->starts_with(guest_folder + "/"))
            sockets.emplace(*named, fmt::format("{}/display-{}.sock", guest_folder, sockets.size()));
    return sockets;
}

void link_display_sockets(const Credentials& caller, const std::map<std::string, std::string>& sockets) {
    for (const auto& [named, own] : sockets) {
        std::error_code none;
        const auto there = std::filesystem::symlink_status(named, none);
        if (is_socket(there) || is_symlink(there)) remove_as(caller, named);
        symlink_as(caller, own, named);
    }
}

void unlink_display_sockets(const std::map<std::string, std::string>& sockets) {
    for (const auto& [named, own] : sockets) {
        std::error_code failure;
        if (std::filesystem::read_symlink(named, failure) == own) std::filesystem::remove(named, failure);
        if (failure && failure != std::errc::no_such_file_or_directory && failure != std::errc::invalid_argument)
            log::warning("the link '{}' to a display's socket stays: {}", named, failure.message());
    }
}

} // namespace domus::compute
