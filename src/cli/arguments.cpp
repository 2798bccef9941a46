#include "cli/arguments.hpp"

#include "base/bytes.hpp"
#include "cli/failure.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>

namespace domus::cli {

namespace {

bool takes_value(const Option& option) { return option.kind != OptionKind::flag; }

/// The rest of a text that starts with a whole number, and the number; nothing if it does not start with one.
struct Scanned {
    std::uint64_t value = 0;
    bool negative = false;
    std::string_view rest;
};

std::optional<Scanned> scan(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
    Scanned result;
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
        result.negative = text.front() == '-';
        text.remove_prefix(1);
    }
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() > 1 && text.front() == '0') {
        base = 8;
    }
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), result.value, base);
    if (problem != std::errc{}) return std::nullopt;
    result.rest = text.substr(static_cast<std::size_t>(end - text.data()));
    return result;
}

[[noreturn]] void malformed(std::string_view name, const std::string& value) {
    fail("Numeric value '{}' for <{}> option is malformed or out of range", value, name);
}

class Parser {
public:
    Parser(const Command& command, std::span<const std::string> words) : command_(command), words_(words) {}

    void run(std::map<std::string, std::vector<std::string>, std::less<>>& values, bool& help, bool& json) {
        for (; at_ < words_.size(); ++at_) {
            const auto& word = words_[at_];
            if (!only_data_ && word == "--") {
                only_data_ = true;
            } else if (!only_data_ && word.size() > 2 && word.starts_with("--")) {
                if (word == "--help") {
                    help = true;
                    return;
                }
                if (word == "--json") {
                    json = true;
                    continue;
                }
                take_named(std::string_view(word).substr(2), values);
            } else {
                take_by_place(word, values);
            }
        }
        for (const auto& option : command_.options)
            if (option.required && !values.contains(option.name)) missing(option);
    }

private:
    using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

    void take_named(std::string_view word, Values& values) {
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        const auto* option = find_option(command_, name);
        if (!option) throw UsageError(fmt::format("command '{}' doesn't support option --{}", command_.name, name));
        if (option->kind != OptionKind::list && values.contains(name))
            throw UsageError(fmt::format("option --{} already seen", name));
        if (!takes_value(*option)) {
            if (equals != std::string_view::npos) throw UsageError(fmt::format("invalid '=' after option --{}", name));
            values[std::string(name)];
            return;
        }
        if (equals != std::string_view::npos) {
            values[std::string(name)].emplace_back(word.substr(equals + 1));
            return;
        }
        if (at_ + 1 >= words_.size())
            throw UsageError(fmt::format("expected syntax: --{} <{}>", name,
                                         option->kind == OptionKind::number ? "number" : "string"));
        values[std::string(name)].push_back(words_[++at_]);
    }

    void take_by_place(const std::string& word, Values& values) {
        for (const auto& option : command_.options) {
            if (!takes_value(option) || option.named_only) continue;
            if (option.kind != OptionKind::list && values.contains(option.name)) continue;
            values[std::string(option.name)].push_back(word);
            return;
        }
        throw UsageError(fmt::format("unexpected data '{}'", word));
    }

    [[noreturn]] void missing(const Option& option) {
        if (option.kind == OptionKind::text || option.kind == OptionKind::list)
            throw UsageError(fmt::format("command '{}' requires <{}> option", command_.name, option.name));
        throw UsageError(fmt::format("command '{}' requires --{} option", command_.name, option.name));
    }

    const Command& command_;
    std::span<const std::string> words_;
    std::size_t at_ = 0;
    bool only_data_ = false;
};

} // namespace

Arguments parse(const Command& command, std::span<const std::string> words) {
    Arguments arguments;
    arguments.command_ = &command;
    Parser(command, words).run(arguments.values_, arguments.help_, arguments.json_);
    return arguments;
}

std::optional<std::string> Arguments::text(std::string_view name) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    const auto& value = found->second.front();
    const auto* option = find_option(*command_, name);
    if (value.empty() && option && !option->may_be_empty)
        fail("Failed to get option '{}': Option argument is empty", name);
    return value;
}

std::string Arguments::required(std::string_view name) const { return text(name).value_or(std::string{}); }

std::optional<std::int64_t> Arguments::number(std::string_view name, std::int64_t least, std::int64_t most) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    const auto& value = found->second.front();
    const auto scanned = scan(value);
    constexpr auto top = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!scanned || !scanned->rest.empty() || scanned->value > top) malformed(name, value);
    const auto magnitude = static_cast<std::int64_t>(scanned->value);
    const auto result = scanned->negative ? -magnitude : magnitude;
    if (result < least || result > most) malformed(name, value);
    return result;
}

std::optional<std::uint64_t> Arguments::natural(std::string_view name, std::uint64_t most) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    const auto& value = found->second.front();
    const auto scanned = scan(value);
    if (!scanned || !scanned->rest.empty() || scanned->negative || scanned->value > most) malformed(name, value);
    return scanned->value;
}

std::uint64_t parse_size(const std::string& value, std::uint64_t scale, const std::string& line) {
    constexpr std::string_view hint = "a size is a number of bytes, or a number with a unit: 512M, 10G, 1T";
    const auto scanned = scan(value);
    if (!scanned || scanned->negative) throw Failure(line).hint(std::string(hint));
    auto factor = std::optional<std::uint64_t>(scale);
    if (!scanned->rest.empty()) factor = unit_factor(scanned->rest);
    if (!factor)
        throw Failure(line, Error(ErrorCode::invalid_arg, ErrorDomain::none,
                                  fmt::format("invalid argument: unknown suffix '{}'", scanned->rest)))
            .hint(std::string(hint));
    if (scanned->value > std::numeric_limits<std::uint64_t>::max() / *factor)
        throw Failure(line).hint(std::string(hint));
    return scanned->value * *factor;
}

std::optional<std::uint64_t> Arguments::size(std::string_view name, std::uint64_t scale) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    const auto& value = found->second.front();
    return parse_size(
        value, scale,
        fmt::format("Scaled numeric value '{}' for <{}> option is malformed or out of range", value, name));
}

std::span<const std::string> Arguments::list(std::string_view name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return {};
    return found->second;
}

void Arguments::exclusive(std::string_view first, std::string_view second) const {
    if (given(first) && given(second)) fail("Options --{} and --{} are mutually exclusive", first, second);
}

void Arguments::requires_option(std::string_view needs, std::string_view wanted) const {
    if (given(needs) && !given(wanted)) fail("Option --{} is required by option --{}", wanted, needs);
}

} // namespace domus::cli
