#include "base/error.hpp"

#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include <string_view>
#include <system_error>
#include <utility>

namespace domus {

Error::Error(ErrorCode code, ErrorDomain domain, std::string message)
    : code_(code), domain_(domain), message_(std::move(message)) {
    compose();
}

Error&& Error::because(std::string cause) && {
    add_cause(std::move(cause));
    return std::move(*this);
}

Error&& Error::hint(std::string text) && {
    hint_ = std::move(text);
    compose();
    return std::move(*this);
}

Error&& Error::with_errno(int number) && {
    number_ = number;
    return std::move(*this);
}

void Error::add_cause(std::string cause) {
    if (cause.empty()) return;
    causes_.push_back(std::move(cause));
    compose();
}

void Error::prefix(const std::string& what) {
    message_ = fmt::format("{}: {}", what, message_);
    compose();
}

void Error::compose() {
    text_ = message_;
    for (const auto& cause : causes_) text_ += ": " + cause;
    if (!hint_.empty()) text_ += "\nhint: " + hint_;
}

Error system_error(int number, std::string what, ErrorDomain domain) {
    return Error(ErrorCode::system_error, domain, fmt::format("{}: {}", what, std::generic_category().message(number)))
        .with_errno(number);
}

namespace {

/// Without the place in the library's source that Boost's own text has.
std::string text_of(const std::exception& error) {
    const auto* of_boost = dynamic_cast<const boost::system::system_error*>(&error);
    if (!of_boost) return error.what();
    auto message = of_boost->code().message();
    if (std::string_view(of_boost->code().category().name()) != "boost.json") return message;
    return fmt::format("a program's answer is not of the shape that its protocol has: {}", message);
}

} // namespace

Error error_of(const std::exception_ptr& failure, ErrorDomain domain) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error;
    } catch (...) {
        return Error(ErrorCode::internal_error, domain, "internal error: " + describe(std::current_exception()));
    }
}

std::string describe(const std::exception_ptr& failure) {
    if (!failure) return "no error";
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        return text_of(error);
    } catch (...) {
        return "an exception of unknown type";
    }
}

} // namespace domus
