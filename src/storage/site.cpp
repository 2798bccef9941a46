#include "storage/site.hpp"

#include "base/log.hpp"
#include "storage/needs.hpp"

#include <fmt/format.h>

namespace domus::storage {

namespace {

Command command_of(std::string program, std::vector<std::string> arguments) {
    Command command(std::move(program));
    command.arguments = std::move(arguments);
    return command;
}

} // namespace

Command Site::judged(Command command) const {
    require_needed(command.program);
    if (who_.unrestricted()) return command;
    command.uid = who_.uid;
    command.gid = who_.gid;
    command.groups = who_.groups;
    return command;
}

Task<std::string> Site::run(std::string program, std::vector<std::string> arguments, std::string purpose,
                            std::string input) const {
    return run(command_of(std::move(program), std::move(arguments)), std::move(purpose), std::move(input));
}

Task<std::string> Site::run(Command command, std::string purpose, std::string input) const {
    const auto program = command.program;
    auto output = co_await finish(std::move(command), purpose, std::move(input));
    require_success(output, program, purpose);
    co_return std::move(output.out);
}

Task<CommandOutput> Site::finish(Command command, std::string purpose, std::string input) const {
    std::optional<Error> late;
    try {
        auto output = co_await attempt(std::move(command), std::move(input));
        co_return output;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_timeout) throw;
        late = Error(ErrorCode::operation_timeout, ErrorDomain::storage,
                     fmt::format("cannot {}: {}", purpose, error.message()))
                   .hint("look whether the storage or its server answers");
    }
    throw std::move(*late);
}

void Site::require_success(const CommandOutput& output, std::string_view program, std::string_view purpose) {
    if (output.status.success()) return;
    throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                fmt::format("cannot {}: {} {}", purpose, program, output.status.text()))
        .because(output.err.empty() ? "it said nothing" : output.err);
}

Task<CommandOutput> Site::attempt(std::string program, std::vector<std::string> arguments, std::string input) const {
    return attempt(command_of(std::move(program), std::move(arguments)), std::move(input));
}

Task<CommandOutput> Site::attempt(Command command, std::string input) const {
    std::optional<Progress::ToItsEnd> uninterrupted;
    if (!watch_.progress) uninterrupted.emplace(progress_);
    auto output = co_await run_command(judged(std::move(command)), by_, std::move(input), watch_);
    co_return output;
}

Task<> or_undo(Task<> work, Task<> undo) {
    std::exception_ptr failure;
    try {
        co_await std::move(work);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    std::exception_ptr further;
    try {
        co_await std::move(undo);
    } catch (...) {
        further = std::current_exception();
    }
    if (further) log::warning("what has failed is not undone: {}", describe(further));
    std::rethrow_exception(failure);
}

} // namespace domus::storage
