#include "engine/virtiofsd.hpp"

#include "base/log.hpp"
#include "engine/descriptor_files.hpp"

#include <boost/json/parse.hpp>
#include <unistd.h>

namespace domus::engine {

namespace {

/// Of a program that serves folders; empty for others.
std::string binary_in(const std::string& text) {
    const auto document = boost::json::parse(text);
    const auto& root = document.as_object();
    return root.at("type").as_string() == "fs" ? std::string(root.at("binary").as_string()) : std::string();
}

} // namespace

std::vector<std::filesystem::path> vhost_user_folders() {
    return {"/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user"};
}

std::string find_virtiofsd(const std::vector<std::filesystem::path>& folders) {
    for (const auto& [path, text] : read_descriptor_files(folders)) {
        try {
            if (const auto binary = binary_in(text); !binary.empty() && ::access(binary.c_str(), X_OK) == 0)
                return binary;
        } catch (const std::exception& failure) {
            log::warning("vhost-user descriptor '{}' is left out: {}", path.string(), failure.what());
        }
    }
    return {};
}

} // namespace domus::engine
