#include "storage/site.hpp"

#include <fmt/format.h>

namespace domus::storage {

Task<std::string> Site::run(std::string program, std::vector<std::string> arguments, std::string purpose,
                            std::string input) const {
    CommandOutput output;
    std::optional<Error> late;
    try {
        output = co_await attempt(program, std::move(arguments), std::move(input));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_timeout) throw;
        late = Error(ErrorCode::operation_timeout, ErrorDomain::storage, fmt::format("cannot {}: {}", purpose, error.message()))
                   .hint("look whether the storage or its server answers");
    }
    if (late) throw std::move(*late);
    if (!output.status.success())
        throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                    fmt::format("cannot {}: {} {}", purpose, program, output.status.text()))
            .because(output.err.empty() ? "it said nothing" : output.err);
    co_return std::move(output.out);
}

Task<CommandOutput> Site::attempt(std::string program, std::vector<std::string> arguments, std::string input) const {
    Command command(std::move(program));
    command.arguments = std::move(arguments);
    auto output = co_await run_command(std::move(command), by_, std::move(input));
    co_return output;
}

} // namespace domus::storage
