// What is known of a kind of pool without touching storage. Generic code, the reference page and the capabilities document
// ask this; none of them compares a kind's name.
#pragma once

#include "os/package.hpp"

#include <string_view>
#include <type_traits>
#include <vector>

namespace domus::storage {

/// Operations that not every kind of pool has.
enum class Can : unsigned {
    nothing = 0,
    build = 1,          ///< pool-build makes the storage
    remove = 2,         ///< pool-delete undoes that
    find_sources = 4,   ///< find-storage-pool-sources-as
    create = 8,         ///< vol-create
    copy = 16,          ///< vol-clone, vol-create-from into the pool
    resize = 32,        ///< vol-resize
    remove_volumes = 64 ///< vol-delete
};

constexpr Can operator|(Can one, Can other) {
    return static_cast<Can>(static_cast<unsigned>(one) | static_cast<unsigned>(other));
}
constexpr bool includes(Can all, Can one) {
    return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) == static_cast<unsigned>(one);
}

/// A program or library that a kind needs on the host, and the package of Debian that brings it.
struct Need {
    std::string_view program;
    Package package;
};

/// What pools of a kind reach: files in one folder, a server that the daemon logs in to, or devices and mounts of the host.
/// It decides who may define them.
enum class Reach { folder, server, host };
std::string_view word(Reach reach);

struct KindInfo {
    std::string_view name;       ///< type='...' of the pool
    std::string_view about;      ///< what such a pool is, in a few words, for the reference page
    std::string_view usage = {}; ///< what else a user must know, as paragraphs of Markdown, for the same page
    Can can = Can::nothing;      ///< abilities_of<Class>()
    Reach reach = Reach::host;
    std::vector<Need> needs{};
    /// The formats of volumes; the first is the default.
    std::vector<std::string_view> volume_formats{"raw"};
    /// The formats of the source, if it has any: "lvm2"; the first is the default.
    std::vector<std::string_view> source_formats{};
    std::string_view block_driver{}; ///< of QEMU, for volumes on servers: "rbd"
    bool logs_in = false;            ///< with the <auth> of the source
    bool holds_files = false;        ///< its volumes are files below the pool's target
    bool one_at_a_time = false;      ///< only one volume of a pool can be worked on at a time
    bool device_tells_all = true;    ///< the device of a block volume tells all of it that may have changed
};

/// The operations that a class of kind has: those that it overrides. What it does not, Kind refuses.
template <class Base, class Class> consteval Can abilities_of() {
    Can can = Can::nothing;
    const auto add = [&](bool overridden, Can one) {
        if (overridden) can = can | one;
    };
    add(!std::is_same_v<decltype(&Class::build), decltype(&Base::build)>, Can::build);
    add(!std::is_same_v<decltype(&Class::remove), decltype(&Base::remove)>, Can::remove);
    add(!std::is_same_v<decltype(&Class::find_sources), decltype(&Base::find_sources)>, Can::find_sources);
    add(!std::is_same_v<decltype(&Class::create), decltype(&Base::create)>, Can::create);
    add(!std::is_same_v<decltype(&Class::copy), decltype(&Base::copy)>, Can::copy);
    add(!std::is_same_v<decltype(&Class::resize), decltype(&Base::resize)>, Can::resize);
    add(!std::is_same_v<decltype(&Class::remove_volume), decltype(&Base::remove_volume)>, Can::remove_volumes);
    return can;
}

/// The commands of `domus` that a kind with these abilities has: "pool-build", "vol-create", ...
std::vector<std::string_view> commands(Can can);

} // namespace domus::storage
