#include "format/schema.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace domus::format {

bool Field::applies(const void* object) const {
    if (choices == every_choice) return true;
    int word = 0;
    std::memcpy(&word, static_cast<const std::byte*>(object) + selector, sizeof word);
    return (choices >> word & 1) != 0;
}

bool Field::skips_empty() const {
    if (options & (keep_empty | fresh_if_empty | never_empty)) return false;
    return (options & empty_is_absent) || place != Place::attribute || type->name == "text";
}

const Field* Node::attribute(std::string_view wanted, const void* object) const {
    for (const auto& field : attributes)
        if (field.name == wanted && field.applies(object)) return &field;
    return nullptr;
}

bool Node::has_unit() const {
    if (content && content->place == Place::scaled) return true;
    return std::any_of(attributes.begin(), attributes.end(), [](const Field& field) { return field.scaled; });
}

const Node* Node::child(std::string_view wanted) const {
    for (const auto& node : children)
        if (node.name == wanted) return &node;
    return nullptr;
}

Node& Node::descend(std::string_view wanted) {
    for (auto& node : children)
        if (node.name == wanted) return node;
    auto& node = children.emplace_back();
    node.name = wanted;
    return node;
}

const Rest* Schema::rest(const void* object) const {
    if (rest_offset_ < 0) return nullptr;
    return reinterpret_cast<const Rest*>(static_cast<const std::byte*>(object) + rest_offset_);
}

Rest* Schema::rest(void* object) const { return const_cast<Rest*>(rest(static_cast<const void*>(object))); }

Node& Schema::locate(std::string_view path, std::string& attribute) {
    Node* node = &root_;
    const auto at = path.find('@');
    if (at != path.npos) {
        attribute = path.substr(at + 1);
        path = path.substr(0, at);
    }
    while (!path.empty() && path != ".") {
        const auto slash = path.find('/');
        node = &node->descend(path.substr(0, slash));
        path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
    }
    return *node;
}

Field& Schema::put(std::string_view path, Field field) {
    std::string attribute;
    Node& node = locate(path, attribute);
    if (field.place == Place::attribute) {
        field.name = attribute;
        return node.attributes.emplace_back(std::move(field));
    }
    field.name = node.name;
    assert(!node.content && "an element is described twice");
    return node.content.emplace(std::move(field));
}

namespace detail {

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

bool parse_unsigned(std::string_view text, std::uint64_t& value) {
    text = trim(text);
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse_signed(std::string_view text, std::int64_t& value) {
    text = trim(text);
    if (text.starts_with("0x") || text.starts_with("0X")) {
        std::uint64_t wide = 0;
        if (!parse_unsigned(text, wide) || !std::in_range<std::int64_t>(wide)) return false;
        value = static_cast<std::int64_t>(wide);
        return true;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse_double(std::string_view text, double& value) {
    text = trim(text);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

void print_hex(std::uint64_t value, int digits, std::string& out) {
    char text[16];
    const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
    const auto length = static_cast<int>(end - text);
    out += "0x";
    if (length < digits) out.append(static_cast<std::size_t>(digits - length), '0');
    out.append(text, end);
}

} // namespace detail

} // namespace domus::format
