// Definitions of one kind of object: a folder with one XML file an object, and beside it a folder with a link for each
// object that starts with the daemon; libvirt's layout. Domains, networks, pools and secrets are kept in it.
//
//     const DefinitionStore store({folders.definitions, folders.autostart});
//     store.prepare();
//     auto loaded = store.load(parse, [](const Network& network) { return network.uuid; });
//     log_complaints(loaded.complaints);
//     store.save("web", xml, fresh);
//
// Reading never fails as a whole, and neither loses nor harms anything (os/stored_files.hpp). Each change is on disk when
// its call returns; after a failure or a power cut at any instant, the old or the new state is there. Everything here
// blocks: call it in a lane. A store is a value: it holds nothing but the names of its folders.
#pragma once

#include "os/stored_files.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace domus {

template <class Value> struct StoredDefinition {
    std::string name;
    Value value;
    bool autostart = false;
};

template <class Value> struct LoadedDefinitions {
    std::vector<StoredDefinition<Value>> definitions; ///< the oldest first
    std::vector<Complaint> complaints;                ///< of files that were set aside, or cannot be used
};

class DefinitionStore {
public:
    struct Places {
        std::filesystem::path definitions;
        std::filesystem::path autostart{}; ///< empty: these objects are not started
        mode_t mode = 0700;                ///< of both folders
    };
    explicit DefinitionStore(Places places) : places_(std::move(places)) {}

    std::filesystem::path file(const std::string& name) const { return folder().file(name); }

    /// Creates the folders that are missing. Throws Error for one that cannot be made, or is not ours.
    void prepare() const;
    /// What `make(name, text)` makes of each file; it runs in several threads, and what it throws is what is wrong with the
    /// file. Of several with the same key the first stays, the others are set aside. Finishes or takes back what was cut off.
    template <class Make, class Key> auto load(const Make& make, const Key& key) const;
    /// Sets the definition of that name aside.
    Complaint reject(const std::string& name, const std::string& why) const;

    /// `fresh`: the object had no definition yet, so that a file under its name was not read. One that is broken is set
    /// aside. Throws operation_failed if it cannot be read now, xml_error for a text that load() would not read, system_error.
    void save(const std::string& name, std::string_view text, bool fresh) const;
    /// Its autostart goes too. Nothing happens if there is none; an Error leaves it.
    void remove(const std::string& name) const;
    /// The same with other parts of the object: the definition gets the name `going` in its folder first, and so can go;
    /// then `remove_parts` runs. If anything throws, the definition is there again. A cut in between leaves `going`.
    void remove(const std::string& name, const std::string& going, const std::function<void()>& remove_parts) const;
    std::filesystem::path going_file(const std::string& going) const { return places_.definitions / going; }
    /// `text` has the new name in it. A cut in between leaves both files; the next load() keeps the new one.
    void rename(const std::string& from, const std::string& to, std::string_view text, bool autostart) const;

    /// A folder that has the link's name is set aside and reported in the log: nobody could remove it with the definition.
    void set_autostart(const std::string& name, bool on) const;
    bool autostarts(const std::string& name) const;

    /// For `domus doctor`: what was set aside or cannot be used, a line each. Changes nothing. Throws Error for a folder
    /// that cannot be listed.
    std::vector<std::string> damage() const;

private:
    template <class Value> struct Read {
        Value value;
        bool renamed = false; ///< over an older file that may still be there
    };
    StoredFolder folder() const { return {places_.definitions, largest_definition}; }
    std::filesystem::path link(const std::string& name) const { return places_.autostart / (name + ".xml"); }
    static bool is_renamed(std::string_view text);
    void remove_link(const std::string& name) const;

    Places places_;
};

template <class Make, class Key> auto DefinitionStore::load(const Make& make, const Key& key) const {
    using Value = std::invoke_result_t<const Make&, const std::string&, const std::string&>;
    LoadedDefinitions<Value> loaded;
    auto files = folder();
    auto found = files.load([&](const std::string& name, const std::string& text) {
        return Read<Value>{make(name, text), is_renamed(text)};
    });
    std::ranges::stable_partition(found, [](const auto& stored) { return stored.value.renamed; });
    files.require_unique(found, [&](const Read<Value>& read) { return key(read.value); });
    if (!places_.autostart.empty()) files.remove_lone_links(places_.autostart);
    for (auto& [name, read] : found) {
        const bool autostart = autostarts(name);
        loaded.definitions.push_back({std::move(name), std::move(read.value), autostart});
    }
    loaded.complaints = files.complaints();
    return loaded;
}

/// Each a warning in the log.
void log_complaints(const std::vector<Complaint>& complaints);

} // namespace domus
