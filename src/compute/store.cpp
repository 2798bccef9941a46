#include "compute/store.hpp"

#include "base/log.hpp"
#include "base/parallel.hpp"
#include "compute/running.hpp"
#include "compute/save_image.hpp"
#include "format/xml.hpp"
#include "model/domain.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_definition = 4u << 20;

/// A file in the definitions' folder, and what it holds or why it cannot be used.
struct Candidate {
    fs::path path;
    fs::file_time_type written;
    std::optional<StoredDomain> domain;
    std::string fault;
};

StoredDomain read_definition(const fs::path& path) {
    auto domain = format::from_xml<model::Domain>(read_file(path, largest_definition), ErrorDomain::domain);
    if (domain.name + ".xml" != path.filename())
        throw Error(ErrorCode::xml_error, ErrorDomain::domain, fmt::format("the file is not named after the domain '{}' in it", domain.name));
    if (!domain.uuid) throw Error(ErrorCode::xml_error, ErrorDomain::domain, "there is no <uuid> in it");
    StoredDomain stored;
    stored.definition = make_definition(domain);
    stored.ref = {std::move(domain.name), *domain.uuid, -1};
    return stored;
}

std::vector<Candidate> read_definitions(const fs::path& folder) {
    std::vector<Candidate> found;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".xml" && entry.is_regular_file()) found.push_back({entry.path(), entry.last_write_time(), {}, {}});
    parallel_for(found.size(), [&](std::size_t i) {
        try {
            found[i].domain = read_definition(found[i].path);
        } catch (const std::exception& error) {
            found[i].fault = error.what();
        }
    });
    return found;
}

/// Returns the line that tells of it.
std::string set_aside(const Candidate& broken) {
    const fs::path aside = broken.path.string() + ".broken";
    std::error_code failure;
    fs::rename(broken.path, aside, failure);
    return fmt::format("set aside '{}' as '{}': {}", broken.path.string(), (failure ? broken.path : aside).string(), broken.fault);
}

/// The names of the files in a folder, which need not be there.
std::set<std::string, std::less<>> names_in(const fs::path& folder) {
    std::set<std::string, std::less<>> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none)) names.insert(entry.path().filename().string());
    return names;
}

} // namespace

fs::path Store::definition_path(const std::string& name) const { return folders_.definitions / (name + ".xml"); }
fs::path Store::autostart_path(const std::string& name) const { return folders_.autostart / (name + ".xml"); }

fs::path Store::managed_save_path(const std::string& name) const { return folders_.library / "save" / (name + ".save"); }

void Store::prepare() const {
    for (const auto* folder : {&folders_.definitions, &folders_.autostart, &folders_.state, &folders_.library})
        ensure_directory(*folder, 0700);
    ensure_directory(folders_.logs, 0755);
}

LoadedDomains Store::load() const {
    LoadedDomains loaded;
    std::map<Uuid, Candidate> by_uuid;
    for (auto& found : read_definitions(folders_.definitions)) {
        if (!found.domain) {
            loaded.complaints.push_back(set_aside(found));
            continue;
        }
        const auto uuid = found.domain->ref.uuid;
        const auto place = by_uuid.find(uuid);
        if (place == by_uuid.end()) {
            by_uuid.emplace(uuid, std::move(found));
            continue;
        }
        // A rename that was cut off left both names: the newer file is the one that was meant.
        if (place->second.written < found.written) std::swap(place->second, found);
        loaded.complaints.push_back(fmt::format("removed '{}': a newer definition has its UUID", found.path.string()));
        remove_durably(found.path);
    }
    const auto autostarted = names_in(folders_.autostart);
    const auto saves = names_in(managed_save_path("").parent_path());
    for (auto& [uuid, candidate] : by_uuid) {
        const auto& name = candidate.domain->ref.name;
        candidate.domain->autostart = autostarted.contains(name + ".xml");
        if (saves.contains(name + ".save")) candidate.domain->managed_save = usable_managed_save(name, loaded.complaints);
        loaded.domains.push_back(std::move(*candidate.domain));
    }
    return loaded;
}

/// A power cut in the middle of a save leaves a part that nobody can use; one of a domain that still runs is the
/// business of whoever takes that over.
bool Store::usable_managed_save(const std::string& name, std::vector<std::string>& complaints) const {
    const auto path = managed_save_path(name);
    if (!is_unfinished_save(path)) return true;
    if (fs::exists(folders_.state / (name + ".xml"))) return false;
    remove_durably(path);
    complaints.push_back(fmt::format("removed '{}': the memory of domain '{}' was not saved completely", path.string(), name));
    return false;
}

void Store::save(const std::string& name, const std::string& xml) const {
    write_file_durably(definition_path(name), xml, 0600);
}

void Store::remove(const std::string& name) const {
    set_autostart(name, false);
    remove_durably(definition_path(name));
}

void Store::set_autostart(const std::string& name, bool on) const {
    const auto link = autostart_path(name);
    std::error_code failure;
    if (on) fs::create_symlink(definition_path(name), link, failure);
    else fs::remove(link, failure);
    if (failure && failure != std::errc::file_exists)
        throw system_error(failure.value(), fmt::format("cannot change the autostart link '{}'", link.string()),
                           ErrorDomain::qemu);
}

void Store::rename(const std::string& from, const std::string& to, const std::string& xml, bool autostart) const {
    save(to, xml);
    if (autostart) set_autostart(to, true);
    remove(from);
}

void Store::save_record(const std::string& name, const std::string& xml) const {
    replace_file(folders_.state / (name + ".xml"), xml, 0600);
}

void Store::remove_record(const std::string& name) const {
    std::error_code ignored;
    fs::remove(folders_.state / (name + ".xml"), ignored);
}

LoadedRecords Store::load_records() const {
    LoadedRecords loaded;
    for (const auto& entry : fs::directory_iterator(folders_.state)) {
        if (entry.path().extension() != ".xml") continue;
        try {
            const auto xml = read_file(entry.path(), largest_definition);
            loaded.records.push_back(std::make_shared<const RunRecord>(format::from_xml<RunRecord>(xml, ErrorDomain::domain)));
        } catch (const std::exception& error) {
            loaded.complaints.push_back(fmt::format("cannot read the record '{}' of a running domain: {}",
                                                    entry.path().string(), error.what()));
        }
    }
    return loaded;
}

} // namespace domus::compute
