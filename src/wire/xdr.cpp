#include "wire/xdr.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

constexpr char zeros[4] = {};

std::size_t padding(std::size_t n) { return (4 - n % 4) % 4; }

Error malformed(std::string what) { return Error(ErrorCode::rpc, ErrorDomain::rpc, std::move(what)); }

} // namespace

void Encoder::check(const char* name, std::size_t count, std::uint32_t limit) {
    if (count > limit) throw malformed(fmt::format("'{}' has {} elements, the protocol allows {}", name, count, limit));
}

void Encoder::counted(const char* name, std::string_view bytes, std::uint32_t limit) {
    check(name, bytes.size(), limit);
    word(static_cast<std::uint32_t>(bytes.size()));
    out_.append(bytes);
    out_.append(zeros, padding(bytes.size()));
}

void Encoder::operator()(const char* name, const TypedValue& value, std::uint32_t) {
    word(static_cast<std::uint32_t>(value.value.index() + 1));
    std::visit(
        [&](const auto& held) {
            using Held = std::remove_cvref_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, Boolean>)
                word(held.value ? 1 : 0);
            else
                (*this)(name, held, 4194304u);
        },
        value.value);
}

std::string_view Decoder::take(std::size_t n) {
    if (n > in_.size()) throw malformed("the message is shorter than its contents");
    const auto bytes = in_.substr(0, n);
    in_.remove_prefix(n);
    return bytes;
}

std::uint32_t Decoder::count(const char* name, std::uint32_t limit, std::size_t each) {
    const auto n = word();
    if (n > limit) throw malformed(fmt::format("'{}' has {} elements, the protocol allows {}", name, n, limit));
    if (n > in_.size() / each)
        throw malformed(fmt::format("'{}' has {} elements, more than the message holds", name, n));
    return n;
}

std::string Decoder::counted(const char* name, std::uint32_t limit) {
    const auto n = count(name, limit, 1);
    std::string bytes(take(n));
    take(padding(n));
    return bytes;
}

void Decoder::chars(std::string& text, std::uint32_t n) {
    text.clear();
    const auto bytes = take(std::size_t{n} * 4);
    for (std::uint32_t i = 0; i < n; ++i) text += bytes[std::size_t{i} * 4 + 3];
}

void Decoder::operator()(const char* name, TypedValue& value, std::uint32_t) {
    switch (const auto type = word()) {
    case 1:
        (*this)(name, value.value.emplace<0>(), 0u);
        break;
    case 2:
        (*this)(name, value.value.emplace<1>(), 0u);
        break;
    case 3:
        (*this)(name, value.value.emplace<2>(), 0u);
        break;
    case 4:
        (*this)(name, value.value.emplace<3>(), 0u);
        break;
    case 5:
        (*this)(name, value.value.emplace<4>(), 0u);
        break;
    case 6:
        value.value.emplace<5>().value = word() != 0;
        break;
    case 7:
        (*this)(name, value.value.emplace<6>(), 4194304u);
        break;
    default:
        throw malformed(fmt::format("'{}' has the unknown type {}", name, type));
    }
}

void Printer::show(const std::string& value) {
    constexpr std::size_t most = 60;
    out_ += '"';
    for (const char c : cut_text(value, most)) out_ += c == '\n' ? ' ' : c;
    if (value.size() > most) out_ += "...";
    out_ += '"';
}

void Printer::show(const Opaque& value) { out_ += fmt::format("{} bytes", value.bytes.size()); }

void Printer::show(const TypedValue& value) {
    std::visit(
        [&](const auto& held) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(held)>, Boolean>)
                out_ += held.value ? "true" : "false";
            else
                show(held);
        },
        value.value);
}

} // namespace domus::wire
