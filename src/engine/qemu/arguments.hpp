// The pieces of QEMU's command line: options in JSON where QEMU takes them, "key=value,..." with doubled commas where
// it does not.
//
//     Arguments arguments;
//     arguments.device({{"driver", "virtio-rng-pci"}, {"id", "rng0"}});
//     arguments.add("-rtc", Options().set("base", "utc").set("driftfix", "slew"));
#pragma once

#include "os/unique_fd.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace domus::engine::qemu {

/// "first,key=value,...".
class Options {
public:
    Options() = default;
    explicit Options(std::string_view first) { flag(first); }

    Options& set(std::string_view key, std::string_view value);
    Options& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
    Options& set(std::string_view key, bool value) { return set(key, value ? "on" : "off"); }
    Options& set(std::string_view key, std::uint64_t value) {
        return set(key, std::string_view(std::to_string(value)));
    }
    Options& set(std::string_view key, std::int64_t value) { return set(key, std::string_view(std::to_string(value))); }
    Options& set(std::string_view key, int value) { return set(key, static_cast<std::int64_t>(value)); }
    Options& set(std::string_view key, unsigned value) { return set(key, static_cast<std::uint64_t>(value)); }
    /// A word without a value.
    Options& flag(std::string_view word);

    const std::string& text() const { return text_; }
    bool empty() const { return text_.empty(); }

private:
    void comma();
    std::string text_;
};

/// A descriptor for a set of QEMU's own ("/dev/fdset/N"), or under a name that an object refers to.
struct PassedFd {
    std::shared_ptr<UniqueFd> fd{};
    int number = -1;     ///< in the new process; unused for one that runs
    unsigned set = 0;    ///< 0: not in a set
    std::string name{};  ///< where it is in no set
    std::string owner{}; ///< alias of the device that it is for
};

/// What a new QEMU is told on its command line (take) and a running one by its monitor (entries; see plug.hpp).
class Arguments {
public:
    struct Entry {
        std::string option; ///< "-device"
        std::variant<std::monostate, std::string, boost::json::object, PassedFd> value;
    };

    void add(std::string option) { entries_.push_back({std::move(option), {}}); }
    void add(std::string option, std::string value) { entries_.push_back({std::move(option), std::move(value)}); }
    void add(std::string option, const Options& value) { add(std::move(option), value.text()); }
    void add(std::string option, const boost::json::object& value) { entries_.push_back({std::move(option), value}); }

    void object(const boost::json::object& value) { add("-object", value); }
    void device(const boost::json::object& value) { add("-device", value); }
    void blockdev(const boost::json::object& value) { add("-blockdev", value); }
    void netdev(const boost::json::object& value) { add("-netdev", value); }
    void fd(PassedFd fd) { entries_.push_back({"-add-fd", std::move(fd)}); }

    const std::vector<Entry>& entries() const { return entries_; }
    /// As a command line has it.
    std::vector<std::string> take();

private:
    std::vector<Entry> entries_;
};

} // namespace domus::engine::qemu
