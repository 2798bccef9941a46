// Folders with one file an object, from which the daemon takes up its work at each start: definitions, records,
// snapshots. Whatever lies in such a folder, reading it neither waits nor fails as a whole:
//
//     StoredFolder folder(folders.definitions, largest_definition);
//     const auto loaded = folder.load([](const std::string& name, const std::string& text) { return parse(name, text); });
//     for (const auto& complaint : folder.complaints()) log::warning("{}", complaint.text);
//
// What is broken is set aside: renamed to NAME.xml.broken, never deleted, never over another. What merely cannot be read
// now (EIO, EACCES, a link whose target is not mounted) stays where it is, and nothing is written over it. Everything
// here blocks: call it in a lane.
#pragma once

#include "base/parallel.hpp"
#include "os/files.hpp"

#include <ctime>
#include <map>
#include <optional>
#include <type_traits>

namespace domus {

/// What a client sends and is sent as one text (REMOTE_STRING_MAX): nothing larger is kept as a definition.
inline constexpr std::size_t largest_definition = 4u << 20;
/// Records and snapshots hold definitions and what a running object has beside them.
inline constexpr std::size_t largest_record = 16u << 20;

struct Complaint {
    std::string name;           ///< "web" of web.xml; empty: the folder itself
    std::filesystem::path file; ///< where it lies now
    std::string text;           ///< a line for the log
};

template <class Value> struct Stored {
    std::string name;
    Value value;
};

/// Renames a file or folder to PATH.broken, or PATH.broken-2 and so on, and returns that. Throws Error.
std::filesystem::path set_aside(const std::filesystem::path& path);

class StoredFolder {
public:
    StoredFolder(std::filesystem::path path, std::size_t limit, std::string suffix = ".xml")
        : path_(std::move(path)), limit_(limit), suffix_(std::move(suffix)) {}

    std::filesystem::path file(const std::string& name) const { return path_ / (name + suffix_); }

    /// What `make(name, text)` makes of each file, the oldest first. `make` runs in several threads; what it throws is
    /// what is wrong with the file. Removes temporary files that a kill left behind.
    template <class Make> auto load(const Make& make) {
        using Value = std::invoke_result_t<const Make&, const std::string&, const std::string&>;
        auto found = list();
        std::vector<std::optional<Value>> values(found.size());
        parallel_for(found.size(), [&](std::size_t i) { values[i] = attempt<Value>(found[i], make); });
        std::vector<Stored<Value>> loaded;
        for (std::size_t i = 0; i < found.size(); ++i)
            if (values[i])
                loaded.push_back({std::move(found[i].name), std::move(*values[i])});
            else
                settle(found[i]);
        return loaded;
    }

    /// Of several with the same key the first stays, the others are set aside. `key` maps a value to what must be unique.
    template <class Value, class Key> void require_unique(std::vector<Stored<Value>>& loaded, const Key& key) {
        std::map<std::invoke_result_t<const Key&, const Value&>, std::string> first;
        std::erase_if(loaded, [&](const Stored<Value>& stored) {
            const auto [place, fresh] = first.emplace(key(stored.value), stored.name);
            if (!fresh) reject(stored.name, "its UUID is that of '" + file(place->second).string() + "'");
            return !fresh;
        });
    }

    /// Sets the file of that name aside.
    void reject(const std::string& name, const std::string& why);

    const std::vector<Complaint>& complaints() const { return complaints_; }

    /// What was set aside here, and what cannot be used; a line each. Changes nothing.
    std::vector<std::string> aside() const;
    std::vector<std::string> unusable() const;

    /// Replaces a file durably. Throws xml_error for a text that load() would not read. `fresh`: the object is new to the
    /// daemon, so that whatever lies under its name was not read: it is set aside, or operation_failed is thrown if it
    /// cannot be read now.
    void save(const std::string& name, std::string_view text, bool fresh) const;
    /// Replaces a file without syncing: for folders in memory.
    void replace(const std::string& name, std::string_view text) const;

    /// Removes each symbolic link in another folder that has no file of its name here, and none that was set aside: of an
    /// object whose removal was cut off. One made under its name would begin with it.
    void remove_lone_links(const std::filesystem::path& links) const;

private:
    void require_readable(std::string_view text) const;
    void make_room(const std::string& name) const;
    struct Found {
        explicit Found(std::string its_name) : name(std::move(its_name)) {}
        std::string name;
        std::timespec written{};
        std::string fault;   ///< empty: it can be used
        bool broken = false; ///< the fault is in the file, not in the reading of it
        bool gone = false;
    };
    std::vector<Found> list();
    void look(Found& found) const;
    std::string read(Found& found) const;
    void settle(const Found& found);

    template <class Value, class Make> std::optional<Value> attempt(Found& found, const Make& make) const {
        const auto text = read(found);
        if (!found.fault.empty() || found.gone) return std::nullopt;
        try {
            return make(found.name, text);
        } catch (const std::exception& error) {
            found.fault = error.what();
            found.broken = true;
            return std::nullopt;
        }
    }

    std::filesystem::path path_;
    std::size_t limit_;
    std::string suffix_;
    std::vector<Complaint> complaints_;
};

} // namespace domus
