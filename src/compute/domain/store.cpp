#include "compute/domain/store.hpp"

#include "base/log.hpp"
#include "compute/domain/running.hpp"
#include "compute/life/tpm_state.hpp"
#include "compute/memory/save_image.hpp"
#include "format/xml.hpp"
#include "model/domain.hpp"
#include "os/files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

/// After the domain's UUID, since its name may fill a file's: of a definition while what goes with it is being removed. A
/// letter for each part follows.
constexpr std::string_view going_mark = ".undefined";
constexpr char variables_letter = 'v', snapshots_letter = 'n', tpm_letter = 't', save_letter = 's';

std::string letters_of(const WithDefinition& parts) {
    std::string letters;
    if (parts.variables) letters += variables_letter;
    if (parts.snapshots) letters += snapshots_letter;
    if (parts.tpm) letters += tpm_letter;
    if (parts.managed_save) letters += save_letter;
    return letters;
}

WithDefinition parts_of(std::string_view letters) {
    return {letters.contains(variables_letter), letters.contains(snapshots_letter), letters.contains(tpm_letter),
            letters.contains(save_letter)};
}

StoredDomain read_definition(const std::string& name, const std::string& text) {
    auto domain = format::from_xml<model::Domain>(text, ErrorDomain::domain);
    if (domain.name != name)
        throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                    fmt::format("the file is not named after the domain '{}' in it", domain.name));
    if (!domain.uuid) throw Error(ErrorCode::xml_error, ErrorDomain::domain, "there is no <uuid> in it");
    StoredDomain read;
    read.definition = make_definition(domain, read_owner_mark(text));
    read.ref = {std::move(domain.name), *domain.uuid, -1};
    return read;
}

/// Throws for a record from which nothing could be found again.
RunRecord read_record(const std::string& name, const std::string& text, const fs::path& library) {
    const auto broken = [](std::string why) {
        return Error(ErrorCode::xml_error, ErrorDomain::domain, std::move(why));
    };
    auto record = format::from_xml<RunRecord>(text, ErrorDomain::domain);
    if (record.domain.name != name) throw broken(fmt::format("it is the record of domain '{}'", record.domain.name));
    if (!record.domain.uuid) throw broken("there is no <uuid> in it");
    if (!record.domain.id || *record.domain.id <= 0) throw broken("there is no id in it");
    std::error_code failure;
    if (!fs::equivalent(fs::path(record.folder).parent_path(), library, failure))
        throw broken(fmt::format("its folder '{}' is none of '{}'", record.folder, library.string()));
    if (record.pid < 0) throw broken(fmt::format("its pid is {}", record.pid));
    return record;
}

} // namespace

std::vector<std::string> Store::listing(const fs::path& folder) {
    try {
        return names_in(folder);
    } catch (const Error& error) {
        log::error("{}", error.text());
        return {};
    }
}

fs::path Store::variables_path(const std::string& name) const {
    return folders_.library / "nvram" / (name + "_VARS.fd");
}

fs::path Store::managed_save_path(const std::string& name) const {
    return folders_.library / "save" / (name + ".save");
}

fs::path Store::loaded_save_path(const std::string& name) const {
    return folders_.library / "save" / (name + ".loaded");
}

void Store::keep_loaded_save(const std::string& name) const {
    rename_durably(managed_save_path(name), loaded_save_path(name));
}

bool Store::give_back_loaded_save(const std::string& name) const {
    return rename_durably(loaded_save_path(name), managed_save_path(name));
}

void Store::prepare() const {
    definitions_.prepare();
    ensure_directory_durably(folders_.library, 0700);
    ensure_directory(folders_.state, 0700);
    // Each guest comes through here to the folder of its own.
    if (::chmod(folders_.library.c_str(), 0711) < 0)
        throw path_error(errno, "cannot open the way to guests in", folders_.library);
    ensure_directory(folders_.logs, 0755);
    const auto saves = managed_save_path("").parent_path();
    for (const auto& folder : {folders_.library, folders_.library / "nvram", saves}) remove_leftovers(folder);
    sweep_saves_beside(saves);
}

LoadedDomains Store::load() const {
    LoadedDomains loaded;
    finish_removals(loaded.complaints);
    auto found = definitions_.load(read_definition, [](const StoredDomain& each) { return each.ref.uuid; });
    std::ranges::move(found.complaints, std::back_inserter(loaded.complaints));
    const auto saves = listing(managed_save_path("").parent_path());
    for (auto& [name, domain, autostart] : found.definitions) {
        domain.autostart = autostart;
        if (std::ranges::binary_search(saves, name + ".save"))
            domain.managed_save = usable_managed_save(name, loaded.complaints);
        if (std::ranges::binary_search(saves, name + ".loaded")) check_loaded_save(name, loaded.complaints);
        loaded.domains.push_back(std::move(domain));
    }
    unlink_second_variables(loaded.domains);
    return loaded;
}

/// A power cut in the middle of a save leaves a part that nobody can use; one of a domain that still runs is the
/// business of whoever takes that over. What cannot be read is still a save: a start says why it cannot go on from it.
bool Store::usable_managed_save(const std::string& name, std::vector<Complaint>& complaints) const try {
    const auto path = managed_save_path(name);
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
        const auto aside = set_aside(path);
        complaints.push_back({name, aside,
                              fmt::format("set aside '{}' as '{}': it is {}, not saved memory", path.string(),
                                          aside.string(), kind_of_file(info.st_mode))});
        return false;
    }
    if (!is_unfinished_save(path)) return true;
    std::error_code failure;
    if (fs::exists(fs::symlink_status(records().file(name), failure))) return false;
    remove_durably(path);
    complaints.push_back(
        {name, path,
         fmt::format("removed '{}': the memory of domain '{}' was not saved completely", path.string(), name)});
    return false;
} catch (const std::exception& error) {
    complaints.push_back(
        {name, managed_save_path(name), fmt::format("the saved memory of domain '{}': {}", name, error.what())});
    return true;
}

/// After a power cut nobody knows whether the guest had begun to run: its memory may not fit its disks any more. One of a guest
/// that has a record is the business of whoever takes that over.
void Store::check_loaded_save(const std::string& name, std::vector<Complaint>& complaints) const try {
    std::error_code failure;
    if (fs::exists(fs::symlink_status(records().file(name), failure))) return;
    const auto aside = set_aside(loaded_save_path(name));
    complaints.push_back(
        {name, aside,
         fmt::format("set aside '{}': it is memory from which domain '{}' may have gone on before the host "
                     "ended; do not use it with the disks of now",
                     aside.string(), name)});
} catch (const std::exception& error) {
    complaints.push_back(
        {name, loaded_save_path(name), fmt::format("the loaded memory of domain '{}': {}", name, error.what())});
}

void Store::save(const std::string& name, const std::string& xml, bool fresh) const {
    definitions_.save(name, xml, fresh);
}

void Store::remove(const std::string& name, const Uuid& uuid, const WithDefinition& parts) const {
    if (parts == WithDefinition{}) return definitions_.remove(name);
    definitions_.remove(name, uuid.text() + std::string(going_mark) + letters_of(parts),
                        [&] { remove_parts(name, uuid, parts); });
}

void Store::remove_parts(const std::string& name, const Uuid& uuid, const WithDefinition& parts) const {
    if (parts.variables) remove_durably(variables_path(name));
    if (parts.snapshots) remove_snapshots(name);
    if (parts.tpm) remove_tpm_state(folders_, uuid);
    if (parts.managed_save) remove_durably(managed_save_path(name));
}

/// Undefines that were cut off: some of what goes with the definition may be gone already, so the rest follows.
void Store::finish_removals(std::vector<Complaint>& complaints) const {
    for (const auto& entry : listing(folders_.definitions)) {
        const auto mark = entry.find(going_mark);
        const auto uuid = mark == std::string::npos ? std::nullopt : Uuid::parse(entry.substr(0, mark));
        if (!uuid) continue;
        const auto going = definitions_.going_file(entry);
        try {
            const auto name =
                format::from_xml<model::Domain>(read_file(going, largest_definition), ErrorDomain::domain).name;
            std::error_code failure;
            if (fs::exists(fs::symlink_status(definitions_.file(name), failure))) continue; // defined anew
            remove_parts(name, *uuid, parts_of(std::string_view(entry).substr(mark + going_mark.size())));
            remove_durably(going);
        } catch (const std::exception& error) {
            complaints.push_back({uuid->text(), going,
                                  fmt::format("an undefine that was cut off cannot be finished: {}", error.what())});
        }
    }
}

void Store::set_autostart(const std::string& name, bool on) const { definitions_.set_autostart(name, on); }

/// Until the rename is done they have both names.
void Store::link_variables(const std::string& from, const std::string& to) const {
    const auto variables = variables_path(from), renamed = variables_path(to);
    std::error_code failure;
    if (!fs::exists(variables, failure) || fs::equivalent(variables, renamed, failure)) return;
    if (::link(variables.c_str(), renamed.c_str()) == 0)
        return sync_folder_of(renamed); // the next load() removes it if this fails
    if (errno != EEXIST) throw path_error(errno, "cannot make", renamed);
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: '{}' is there already: UEFI's variables of an earlier domain '{}'",
                            renamed.string(), to))
        .hint("remove it, or move it away");
}

/// Of a rename that was cut off: the domain has one of the names.
void Store::unlink_second_variables(const std::vector<StoredDomain>& domains) const {
    constexpr std::string_view ending = "_VARS.fd";
    const auto folder = variables_path("").parent_path();
    for (const auto& file : listing(folder)) {
        struct stat info{};
        if (!file.ends_with(ending) || ::lstat((folder / file).c_str(), &info) < 0 || !S_ISREG(info.st_mode)
            || info.st_nlink < 2)
            continue;
        const auto name = file.substr(0, file.size() - ending.size());
        const bool known =
            std::ranges::any_of(domains, [&](const StoredDomain& domain) { return domain.ref.name == name; });
        if (!known) ::unlink((folder / file).c_str());
    }
}

void Store::rename(const std::string& from, const std::string& to, const std::string& xml, bool autostart) const {
    link_variables(from, to);
    try {
        definitions_.rename(from, to, xml, autostart);
    } catch (...) {
        std::error_code failure;
        if (fs::equivalent(variables_path(from), variables_path(to), failure)) fs::remove(variables_path(to), failure);
        throw;
    }
    remove_if_possible(variables_path(from)); // the next load() removes the second name
}

void Store::save_record(const std::string& name, const fs::path& folder, const std::string& xml) const {
    records().replace(name, xml);
    replace_file(folder / record_copy, xml, 0600);
}

void Store::remove_record(const std::string& name) const {
    std::error_code ignored;
    fs::remove(records().file(name), ignored);
}

LoadedRecords Store::load_records() const {
    LoadedRecords loaded;
    auto folder = records();
    auto found = folder.load([this](const std::string& name, const std::string& text) {
        return std::make_shared<const RunRecord>(read_record(name, text, folders_.library));
    });
    folder.require_unique(found, [](const auto& record) { return *record->domain.uuid; });
    loaded.complaints = folder.complaints();
    for (auto& each : found) loaded.records.push_back(std::move(each.value));
    return loaded;
}

} // namespace domus::compute
