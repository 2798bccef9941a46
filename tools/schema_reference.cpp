// Writes the reference pages of the documents that users write, from their tables: schema_reference FOLDER.
#include "format/reference.hpp"
#include "model/host_interface.hpp"
#include "model/network.hpp"
#include "model/nwfilter.hpp"
#include "model/secret.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace {

bool write_page(const std::filesystem::path& folder, const std::string& name, const domus::format::Schema& schema) {
    const auto* const domain = &domus::model::Domain::schema();
    const auto path = folder / (name + ".md");
    std::ofstream file(path);
    file << domus::format::reference(schema, {&domain, &schema == domain ? 0u : 1u});
    file.close();
    if (!file) fmt::print(stderr, "schema_reference: cannot write {}\n", path.string());
    return !file.fail();
}

} // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        fmt::print(stderr, "usage: schema_reference FOLDER\n");
        return 2;
    }
    using namespace domus::model;
    std::error_code ignored;
    const std::filesystem::path folder = arguments[1];
    std::filesystem::create_directories(folder, ignored); // writing says what is wrong
    const bool written =
        write_page(folder, "domain", Domain::schema()) && write_page(folder, "network", Network::schema())
        && write_page(folder, "pool", Pool::schema()) && write_page(folder, "volume", Volume::schema())
        && write_page(folder, "snapshot", Snapshot::schema()) && write_page(folder, "secret", Secret::schema())
        && write_page(folder, "host-interface", HostInterface::schema())
        && write_page(folder, "nwfilter", NwFilter::schema())
        && write_page(folder, "nwfilterbinding", FilterBinding::schema());
    return written ? 0 : 1;
}
