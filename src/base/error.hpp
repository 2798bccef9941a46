// The one error of the platform. It is thrown by everything but the monitor's data path, and translated once, at the
// edge: to libvirt's error message by `wire`, to a JSON problem by `http`, to lines on the terminal by `cli`.
//
//     throw Error(ErrorCode::operation_failed, ErrorDomain::storage, "volume group 'vg0' has no free extents")
//         .because("lvcreate: insufficient free space")
//         .hint("free space with 'lvremove', or add a disk with 'vgextend'");
//
// `message` says what failed and on which object, `causes` is the evidence (QEMU's own line, the path component that
// refused), `hint` the command that mends it.
#pragma once

#include "base/error_codes.hpp"

#include <exception>
#include <string>
#include <vector>

namespace domus {

class Error : public std::exception {
public:
    Error(ErrorCode code, ErrorDomain domain, std::string message);

    Error&& because(std::string cause) &&;
    Error&& hint(std::string text) &&;
    /// The errno behind a system_error; travels as int1 on the wire.
    Error&& with_errno(int number) &&;
    void add_cause(std::string cause);
    /// Puts "doing what" before the message: "cannot start domain 'web': <message>".
    void prefix(const std::string& what);

    ErrorCode code() const { return code_; }
    ErrorDomain domain() const { return domain_; }
    const std::string& message() const { return message_; }
    const std::vector<std::string>& causes() const { return causes_; }
    const std::string& hint() const { return hint_; }
    int number() const { return number_; }

    /// Message, causes and hint in one text, as libvirt's clients show it.
    const std::string& text() const { return text_; }
    const char* what() const noexcept override { return text_.c_str(); }

private:
    void compose();

    ErrorCode code_;
    ErrorDomain domain_;
    std::string message_;
    std::vector<std::string> causes_;
    std::string hint_;
    std::string text_;
    int number_ = 0;
};

/// "cannot open '/x': No such file or directory" with code system_error and the errno.
Error system_error(int number, std::string what, ErrorDomain domain = ErrorDomain::none);

/// Whatever was thrown as an Error; internal_error of that domain if it was none. Of JSON that a program sent in another
/// shape than its protocol has, it says so.
Error error_of(const std::exception_ptr& failure, ErrorDomain domain = ErrorDomain::none);

/// The text of whatever was thrown; for logs and edges.
std::string describe(const std::exception_ptr& failure);

} // namespace domus
