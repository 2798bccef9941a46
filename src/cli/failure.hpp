// How a command ends badly: lines of our own, then what the server or the library said. Printed as virsh prints it:
//
//     error: Failed to start domain 'web'
//     error: Requested operation is not valid: domain is already running
//     hint: ...
#pragma once

#include "base/error.hpp"

#include <fmt/format.h>

#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace domus::cli {

class Failure : public std::exception {
public:
    explicit Failure(std::string line) : lines_{std::move(line)} {}
    Failure(std::string line, Error error) : lines_{std::move(line)}, error_(std::move(error)) {}
    /// Nothing but what the server said.
    static Failure of(Error error) {
        Failure failure;
        failure.error_ = std::move(error);
        return failure;
    }
    /// Only fails: all that was to be said is on the terminal already.
    static Failure silent() { return Failure(); }

    Failure&& hint(std::string text) && {
        hint_ = std::move(text);
        return std::move(*this);
    }

    const std::vector<std::string>& lines() const { return lines_; }
    const std::optional<Error>& error() const { return error_; }
    const std::string& hint() const { return hint_; }
    const char* what() const noexcept override { return lines_.empty() ? "" : lines_.front().c_str(); }

private:
    Failure() = default;

    std::vector<std::string> lines_;
    std::optional<Error> error_;
    std::string hint_;
};

/// The line could not be understood: nothing of it was run, and no blank line follows.
class UsageError : public Failure {
public:
    using Failure::Failure;
    UsageError(UsageError error, std::string hint)
        : Failure(std::move(static_cast<Failure&>(error)).hint(std::move(hint))) {}
};

template <class... Args> [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw Failure(fmt::format(format, std::forward<Args>(args)...));
}

/// Runs `work`; an error of the server in it is told after the line that says what was being done.
template <class Work> decltype(auto) doing(std::string what, Work&& work) {
    try {
        return std::forward<Work>(work)();
    } catch (const Error& error) {
        throw Failure(std::move(what), error);
    }
}

} // namespace domus::cli
