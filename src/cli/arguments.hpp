// The words of one command, judged against its row in the table. The rules are virsh's: `--name value`, `--name=value`,
// or a value by its place: each bare word goes to the first option that takes a value, has none yet and may be given
// by place; after `--` all words are bare. Names are never abbreviated.
#pragma once

#include "cli/command.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

class Arguments {
public:
    bool flag(std::string_view name) const { return values_.contains(name); }
    bool given(std::string_view name) const { return values_.contains(name); }
    /// Throws Failure when the value is empty and the table does not allow that.
    std::optional<std::string> text(std::string_view name) const;
    /// The value of an option that the table requires.
    std::string required(std::string_view name) const;
    /// A whole number within the limits, decimal, 0x or 0 octal; throws Failure otherwise.
    std::optional<std::int64_t> number(std::string_view name,
                                       std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                                       std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
    std::optional<std::uint64_t> natural(std::string_view name,
                                         std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const;
    /// Bytes: "512M" and the like; a bare number counts in `scale`.
    std::optional<std::uint64_t> size(std::string_view name, std::uint64_t scale) const;
    std::span<const std::string> list(std::string_view name) const;

    void exclusive(std::string_view first, std::string_view second) const;
    /// `needs` is refused without `wanted`.
    void requires_option(std::string_view needs, std::string_view wanted) const;

    const Command& command() const { return *command_; }
    bool help_wanted() const { return help_; }
    /// --json stands before the command or, as here, behind it.
    bool json_wanted() const { return json_; }

private:
    friend Arguments parse(const Command& command, std::span<const std::string> words);

    const Command* command_ = nullptr;
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
    bool help_ = false;
    bool json_ = false;
};

/// "10G" and the like; a bare number counts in `scale`. Throws Failure `line`.
std::uint64_t parse_size(const std::string& value, std::uint64_t scale, const std::string& line);

/// Throws UsageError.
Arguments parse(const Command& command, std::span<const std::string> words);

} // namespace domus::cli
