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

namespace {

std::string text_of(const PassedFd& passed) {
    Options options;
    options.set("set", passed.set).set("fd", passed.number);
    if (!passed.owner.empty()) options.set("opaque", passed.owner);
    return options.text();
}

} // namespace

std::vector<std::string> Arguments::take() {
    std::vector<std::string> list;
    list.reserve(2 * entries_.size());
    for (auto& [option, value] : entries_) {
        list.push_back(std::move(option));
        if (auto* text = std::get_if<std::string>(&value))
            list.push_back(std::move(*text));
        else if (const auto* object = std::get_if<boost::json::object>(&value))
            list.push_back(boost::json::serialize(*object));
        else if (const auto* fd = std::get_if<PassedFd>(&value))
            list.push_back(text_of(*fd));
    }
    entries_.clear();
    return list;
}

} // namespace domus::engine::qemu
