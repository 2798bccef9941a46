#include "cli/hints.hpp"

#include "cli/command.hpp"

#include <fmt/format.h>

#include <cctype>

namespace domus::cli {

namespace {

constexpr std::string_view program = "domus ";

/// Hints put commands into single quotes: a URI with what a shell takes for itself gets double ones.
std::string quoted_uri(std::string_view uri) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,/:@%";
    if (uri.find_first_not_of(plain) == std::string_view::npos) return std::string(uri);
    std::string quoted = "\"";
    for (const char c : uri) {
        if (std::string_view("\"\\$`").find(c) != std::string_view::npos) quoted += '\\';
        quoted += c;
    }
    return quoted + "\"";
}

/// Takes a word off the front; empty where something else than a word stands.
std::string take_word(std::string_view& text) {
    const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; };
    std::size_t end = 0;
    while (end < text.size() && is_part(text[end])) ++end;
    std::string word(text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with(' ')) text.remove_prefix(1);
    return word;
}

bool asks_daemon(std::string_view words) {
    const auto first = take_word(words);
    if (first.empty() || first.starts_with('-')) return false;
    const auto joined = join_command({first, take_word(words)});
    const auto* command = find_command(joined.front());
    return command && command->connects;
}

bool begins_word(std::string_view text, std::size_t at) {
    if (at == 0) return true;
    const auto before = static_cast<unsigned char>(text[at - 1]);
    return !std::isalnum(before) && std::string_view("-_./").find(text[at - 1]) == std::string_view::npos;
}

} // namespace

std::string hint_with_uri(std::string_view hint, std::string_view uri) {
    std::string out;
    for (std::size_t done = 0;;) {
        const auto at = uri.empty() ? std::string_view::npos : hint.find(program, done);
        const auto behind = at == std::string_view::npos ? hint.size() : at + program.size();
        out += hint.substr(done, behind - done);
        if (at == std::string_view::npos) return out;
        if (begins_word(hint, at) && asks_daemon(hint.substr(behind))) out += fmt::format("-c {} ", quoted_uri(uri));
        done = behind;
    }
}

} // namespace domus::cli
