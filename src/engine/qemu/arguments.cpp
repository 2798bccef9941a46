#include "engine/qemu/arguments.hpp"

#include <boost/json/serialize.hpp>

namespace domus::engine::qemu {

void Options::comma() {
    if (!text_.empty()) text_ += ',';
}

Options& Options::set(std::string_view key, std::string_view value) {
    comma();
    text_ += key;
    text_ += '=';
    for (const char c : value) {
        if (c == ',') text_ += ','; // QemuOpts: a comma inside a value is doubled
        text_ += c;
    }
    return *this;
}

Options& Options::flag(std::string_view word) {
    comma();
    text_ += word;
    return *this;
}

void Arguments::add(std::string option, std::string value) {
    list_.push_back(std::move(option));
    list_.push_back(std::move(value));
}

void Arguments::add(std::string option, const boost::json::object& value) {
    add(std::move(option), boost::json::serialize(value));
}

} // namespace domus::engine::qemu
