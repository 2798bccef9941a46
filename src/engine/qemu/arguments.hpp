// The pieces of QEMU's command line: options in JSON where QEMU takes them, "key=value,..." with doubled commas where
// it does not.
//
//     Arguments arguments;
//     arguments.device({{"driver", "virtio-rng-pci"}, {"id", "rng0"}});
//     arguments.add("-rtc", Options().set("base", "utc").set("driftfix", "slew"));
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
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

class Arguments {
public:
    void add(std::string option) { list_.push_back(std::move(option)); }
    void add(std::string option, std::string value);
    void add(std::string option, const Options& value) { add(std::move(option), value.text()); }
    void add(std::string option, const boost::json::object& value);

    void object(const boost::json::object& value) { add("-object", value); }
    void device(const boost::json::object& value) { add("-device", value); }
    void blockdev(const boost::json::object& value) { add("-blockdev", value); }
    void netdev(const boost::json::object& value) { add("-netdev", value); }

    const std::vector<std::string>& list() const { return list_; }
    std::vector<std::string> take() { return std::move(list_); }

private:
    std::vector<std::string> list_;
};

} // namespace domus::engine::qemu
