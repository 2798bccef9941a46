#include "compute/store.hpp"

#include "base/log.hpp"
#include "compute/running.hpp"
#include "compute/save_image.hpp"
#include "format/xml.hpp"
#include "model/domain.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_definition = 4u << 20;

struct Candidate {
    StoredDomain domain;
    fs::file_time_type written;
    fs::path path;
};

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
    for (const auto& entry : fs::directory_iterator(folders_.definitions)) {
        const auto& path = entry.path();
        if (path.extension() != ".xml" || !entry.is_regular_file()) continue;
        try {
            const auto xml = read_file(path, largest_definition);
            auto domain = format::from_xml<model::Domain>(xml, ErrorDomain::domain);
            if (domain.name + ".xml" != path.filename())
                throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                            fmt::format("the file is not named after the domain '{}' in it", domain.name));
            if (!domain.uuid) throw Error(ErrorCode::xml_error, ErrorDomain::domain, "there is no <uuid> in it");
            Candidate found{{{domain.name, *domain.uuid, -1}, make_definition(domain), false},
                            entry.last_write_time(), path};
            auto [place, fresh] = by_uuid.try_emplace(*domain.uuid, found);
            if (fresh) continue;
            // A rename that was cut off left both names: the newer file is the one that was meant.
            auto& older = place->second.written < found.written ? place->second : found;
            loaded.complaints.push_back(fmt::format("removed '{}': a newer definition has its UUID", older.path.string()));
            remove_durably(older.path);
            if (&older == &place->second) place->second = std::move(found);
        } catch (const std::exception& error) {
            const auto aside = fs::path(path.string() + ".broken");
            std::error_code failure;
            fs::rename(path, aside, failure);
            loaded.complaints.push_back(fmt::format("set aside '{}' as '{}': {}", path.string(),
                                                    failure ? path.string() : aside.string(), error.what()));
        }
    }
    for (auto& [uuid, candidate] : by_uuid) {
        const auto& name = candidate.domain.ref.name;
        candidate.domain.autostart = fs::is_symlink(autostart_path(name));
        candidate.domain.managed_save = find_managed_save(name, loaded.complaints);
        loaded.domains.push_back(std::move(candidate.domain));
    }
    return loaded;
}

/// A power cut in the middle of a save leaves a part that nobody can use; one of a domain that still runs is the
/// business of whoever takes that over.
bool Store::find_managed_save(const std::string& name, std::vector<std::string>& complaints) const {
    const auto path = managed_save_path(name);
    if (!fs::exists(path)) return false;
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
