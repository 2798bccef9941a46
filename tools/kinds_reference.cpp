// Writes the reference pages of what there are several kinds of, from the lists of the build: kinds_reference FOLDER.
#include "image/formats.hpp"
#include "storage/kind.hpp"

#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace {

using namespace domus;

void add_row(std::ostream& page, std::string_view name, const std::vector<std::string_view>& values) {
    if (!values.empty()) page << fmt::format("| {} | {} |\n", name, fmt::join(values, ", "));
}

std::vector<std::string_view> packages_of(const storage::KindInfo& info) {
    std::set<std::string_view> names;
    for (const auto& need : info.needs) names.insert(need.package.names);
    return {names.begin(), names.end()};
}

void write_pool_type(std::ostream& page, const storage::KindInfo& info) {
    page << fmt::format("\n## {}\nA pool of this type is {}.\n\n| | |\n| --- | --- |\n", info.name, info.about);
    add_row(page, "reaches", {storage::word(info.reach)});
    add_row(page, "commands that not every type has", storage::commands(info.can));
    add_row(page, "formats of the source", info.source_formats);
    add_row(page, "formats of volumes", info.volume_formats);
    add_row(page, "packages", packages_of(info));
    if (!info.usage.empty()) page << '\n' << info.usage;
}

void write_pool_types(std::ostream& page) {
    page << "# Types of storage pools\n\nWhat `domus pool-capabilities` lists. The first format of each list is the "
            "default. The "
            "document of a pool is described in [pool.md](pool.md).\n";
    for (const auto* kind : storage::all_kinds()) write_pool_type(page, kind->info());
}

void write_image_formats(std::ostream& page) {
    const auto mark = [](bool yes) { return yes ? "yes" : ""; };
    page << "# Image formats\n\nFormats whose headers Domus reads, in the order of probing.\n\n"
            "| format | volumes are made of it | backing image | `domus image check` repairs it |\n| --- | --- | --- | "
            "--- |\n";
    for (const auto* format : image::all_kinds())
        page << fmt::format("| {} | {} | {} | {} |\n", format->name, mark(format->creatable), mark(format->layered),
                            mark(format->repairable));
}

bool write_page(const std::filesystem::path& path, void (*write)(std::ostream&)) {
    std::ofstream page(path);
    write(page);
    page.close();
    if (!page) fmt::print(stderr, "kinds_reference: cannot write {}\n", path.string());
    return !page.fail();
}

} // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        fmt::print(stderr, "usage: kinds_reference FOLDER\n");
        return 2;
    }
    std::error_code ignored;
    const std::filesystem::path folder = arguments[1];
    std::filesystem::create_directories(folder, ignored); // writing says what is wrong
    const bool written = write_page(folder / "pool-types.md", write_pool_types)
                         && write_page(folder / "image-formats.md", write_image_formats);
    return written ? 0 : 1;
}
