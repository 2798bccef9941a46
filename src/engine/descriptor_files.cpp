#include "engine/descriptor_files.hpp"

#include "base/log.hpp"
#include "os/files.hpp"

#include <map>

namespace domus::engine {

std::vector<std::pair<std::filesystem::path, std::string>>
read_descriptor_files(const std::vector<std::filesystem::path>& folders) {
    constexpr std::size_t largest = 1u << 20;
    std::map<std::string, std::filesystem::path> files;
    for (const auto& folder : folders) {
        try {
            for (const auto& name : names_in(folder))
                if (name.ends_with(".json")) files[name] = folder / name;
        } catch (const Error& failure) {
            log::warning("descriptors: {}", failure.text());
        }
    }
    std::vector<std::pair<std::filesystem::path, std::string>> all;
    for (const auto& [name, path] : files) {
        try {
            if (auto text = read_file(path, largest); !text.empty()) all.emplace_back(path, std::move(text));
        } catch (const Error& failure) {
            log::warning("descriptor '{}' is left out: {}", path.string(), failure.text());
        }
    }
    return all;
}

} // namespace domus::engine
