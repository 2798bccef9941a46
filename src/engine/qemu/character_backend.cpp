#include "engine/qemu/character_backend.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

namespace domus::engine::qemu {

namespace json = boost::json;

namespace {

struct Parsed {
    std::string kind;
    std::map<std::string, std::string, std::less<>> values;

    const std::string* find(std::string_view key) const {
        const auto found = values.find(key);
        return found == values.end() ? nullptr : &found->second;
    }
    std::string get(std::string_view key) const { return find(key) ? *find(key) : std::string{}; }
};

/// The reverse of Options: "first,key=value" with doubled commas.
Parsed parse(std::string_view text) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != ',')
            parts.back() += text[i];
        else if (i + 1 < text.size() && text[i + 1] == ',')
            parts.back() += text[i++];
        else
            parts.emplace_back();
    }
    Parsed parsed{parts.front(), {}};
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto equals = parts[i].find('=');
        parsed.values.emplace(parts[i].substr(0, equals), parts[i].substr(equals + 1));
    }
    return parsed;
}

void copy_switch(const Parsed& from, std::string_view key, json::object& to) {
    if (const auto* value = from.find(key)) to[key] = *value == "on";
}

json::object inet(const std::string& host, const std::string& port) {
    return {{"type", "inet"}, {"data", json::object{{"host", host}, {"port", port}}}};
}

json::object socket(const Parsed& from) {
    json::object address;
    if (const auto* fd = from.find("fd"))
        address = {{"type", "fd"}, {"data", json::object{{"str", *fd}}}};
    else if (const auto* path = from.find("path"))
        address = {{"type", "unix"}, {"data", json::object{{"path", *path}}}};
    else
        address = inet(from.get("host"), from.get("port"));
    json::object data{{"addr", std::move(address)}, {"server", from.find("server") != nullptr}};
    for (const auto* key : {"wait", "telnet"}) copy_switch(from, key, data);
    if (const auto* seconds = from.find("reconnect")) data["reconnect"] = std::stoi(*seconds);
    return data;
}

json::object udp(const Parsed& from) {
    json::object data{{"remote", inet(from.get("host"), from.get("port"))}};
    if (from.find("localport")) data["local"] = inet(from.get("localaddr"), from.get("localport"));
    return data;
}

json::object file(const Parsed& from) {
    json::object data{{"out", from.get("path")}};
    copy_switch(from, "append", data);
    return data;
}

json::object device_file(const Parsed& from) { return {{"device", from.get("path")}}; }
json::object nothing(const Parsed&) { return {}; }
json::object channel_type(const Parsed& from) { return {{"type", from.get("name")}}; }

struct Kind {
    std::string_view name;
    json::object (*data)(const Parsed&);
};
constexpr std::array<Kind, 8> kinds{{
    {"null", nothing},
    {"pty", nothing},
    {"socket", socket},
    {"udp", udp},
    {"file", file},
    {"pipe", device_file},
    {"serial", device_file},
    {"spicevmc", channel_type},
}};

} // namespace

json::object character_backend(std::string_view options) {
    const auto parsed = parse(options);
    for (const auto& kind : kinds) {
        if (kind.name != parsed.kind) continue;
        auto data = kind.data(parsed);
        if (const auto* log = parsed.find("logfile")) data["logfile"] = *log;
        copy_switch(parsed, "logappend", data);
        return {{"id", parsed.get("id")}, {"backend", json::object{{"type", kind.name}, {"data", std::move(data)}}}};
    }
    throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                fmt::format("character devices of QEMU's kind '{}' are not plugged into a running domain", parsed.kind))
        .hint("add the device with --config: it is there after the next start");
}

} // namespace domus::engine::qemu
