// XDR (RFC 4506) of the generated messages: three walkers over the same walk() of each struct.
//
//     std::string bytes;  wire::encode(value, bytes);
//     auto args = wire::decode<DomainDefineXmlArgs>(payload);       // Error rpc if it is malformed or over a limit
//     std::string text = wire::print(args);
//
// A count is checked against its limit and against the bytes that are left before any memory is taken.
#pragma once

#include "base/error.hpp"
#include "wire/values.hpp"

#include <bit>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace domus::wire {

class Encoder {
public:
    explicit Encoder(std::string& out) : out_(out) {}

    void operator()(const char*, const std::int32_t& value, std::uint32_t) { word(static_cast<std::uint32_t>(value)); }
    void operator()(const char*, const std::uint32_t& value, std::uint32_t) { word(value); }
    void operator()(const char*, const std::int64_t& value, std::uint32_t) { hyper(static_cast<std::uint64_t>(value)); }
    void operator()(const char*, const std::uint64_t& value, std::uint32_t) { hyper(value); }
    void operator()(const char*, const double& value, std::uint32_t) { hyper(std::bit_cast<std::uint64_t>(value)); }
    void operator()(const char*, const Uuid& value, std::uint32_t) {
        out_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
    }
    void operator()(const char* name, const std::string& value, std::uint32_t limit) { counted(name, value, limit); }
    void operator()(const char* name, const Opaque& value, std::uint32_t limit) { counted(name, value.bytes, limit); }
    void operator()(const char* name, const Chars& value, std::uint32_t limit) {
        check(name, value.text.size(), limit);
        word(static_cast<std::uint32_t>(value.text.size()));
        for (const char c : value.text) word(static_cast<std::uint32_t>(static_cast<std::int32_t>(c)));
    }
    template <std::uint32_t Size> void operator()(const char*, const FixedChars<Size>& value, std::uint32_t) {
        for (std::size_t i = 0; i < Size; ++i)
            word(i < value.text.size() ? static_cast<std::uint32_t>(static_cast<std::int32_t>(value.text[i])) : 0);
    }
    void operator()(const char*, const TypedValue& value, std::uint32_t);
    template <class T> void operator()(const char* name, const std::optional<T>& value, std::uint32_t limit) {
        word(value ? 1 : 0);
        if (value) (*this)(name, *value, limit);
    }
    template <class T> void operator()(const char* name, const std::vector<T>& values, std::uint32_t limit) {
        check(name, values.size(), limit);
        word(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) (*this)(name, value, 4194304);
    }
    template <class T>
        requires std::is_class_v<T>
    void operator()(const char*, const T& value, std::uint32_t) {
        T::walk(value, *this);
    }

    void word(std::uint32_t value) {
        const char bytes[4] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                               static_cast<char>(value >> 8), static_cast<char>(value)};
        out_.append(bytes, 4);
    }
    void hyper(std::uint64_t value) {
        word(static_cast<std::uint32_t>(value >> 32));
        word(static_cast<std::uint32_t>(value));
    }

private:
    void counted(const char* name, std::string_view bytes, std::uint32_t limit);
    static void check(const char* name, std::size_t count, std::uint32_t limit);

    std::string& out_;
};

class Decoder {
public:
    explicit Decoder(std::string_view in) : in_(in) {}

    void operator()(const char*, std::int32_t& value, std::uint32_t) { value = static_cast<std::int32_t>(word()); }
    void operator()(const char*, std::uint32_t& value, std::uint32_t) { value = word(); }
    void operator()(const char*, std::int64_t& value, std::uint32_t) { value = static_cast<std::int64_t>(hyper()); }
    void operator()(const char*, std::uint64_t& value, std::uint32_t) { value = hyper(); }
    void operator()(const char*, double& value, std::uint32_t) { value = std::bit_cast<double>(hyper()); }
    void operator()(const char*, Uuid& value, std::uint32_t) {
        std::memcpy(value.bytes.data(), take(value.bytes.size()).data(), value.bytes.size());
    }
    void operator()(const char* name, std::string& value, std::uint32_t limit) { value = counted(name, limit); }
    void operator()(const char* name, Opaque& value, std::uint32_t limit) { value.bytes = counted(name, limit); }
    void operator()(const char* name, Chars& value, std::uint32_t limit) { chars(value.text, count(name, limit, 4)); }
    template <std::uint32_t Size> void operator()(const char*, FixedChars<Size>& value, std::uint32_t) {
        chars(value.text, Size);
        value.text.resize(std::strlen(value.text.c_str()));
    }
    void operator()(const char*, TypedValue& value, std::uint32_t);
    template <class T> void operator()(const char* name, std::optional<T>& value, std::uint32_t limit) {
        // go-libvirt sends 0x01000000 for true
        if (word() == 0)
            value.reset();
        else
            (*this)(name, value.emplace(), limit);
    }
    template <class T> void operator()(const char* name, std::vector<T>& values, std::uint32_t limit) {
        const auto n = count(name, limit, 4);
        values.clear();
        // Every element takes four bytes at least; a struct is larger in memory, so grow with what really comes.
        values.reserve(std::min<std::size_t>(n, 1024));
        for (std::uint32_t i = 0; i < n; ++i) (*this)(name, values.emplace_back(), 4194304);
    }
    template <class T>
        requires std::is_class_v<T>
    void operator()(const char*, T& value, std::uint32_t) {
        T::walk(value, *this);
    }

    std::uint32_t word() {
        const auto bytes = take(4);
        const auto* b = reinterpret_cast<const unsigned char*>(bytes.data());
        return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
    }
    std::uint64_t hyper() {
        const auto high = word();
        return std::uint64_t{high} << 32 | word();
    }
    std::size_t left() const { return in_.size(); }

private:
    std::string_view take(std::size_t n);
    std::string counted(const char* name, std::uint32_t limit);
    std::uint32_t count(const char* name, std::uint32_t limit, std::size_t each);
    void chars(std::string& text, std::uint32_t n);

    std::string_view in_;
};

/// For people: name=value, cut where long.
class Printer {
public:
    explicit Printer(std::string& out) : out_(out) {}

    template <class T> void operator()(const char* name, const T& value, std::uint32_t) {
        if (!first_) out_ += ", ";
        first_ = false;
        out_ += name;
        out_ += '=';
        show(value);
    }

private:
    void show(const std::string& value);
    void show(const Opaque& value);
    void show(const Chars& value) { show(value.text); }
    template <std::uint32_t Size> void show(const FixedChars<Size>& value) { show(value.text); }
    void show(const Uuid& value) { out_ += value.text(); }
    void show(const TypedValue& value);
    template <class T>
        requires std::is_arithmetic_v<T>
    void show(const T& value) {
        out_ += std::to_string(value);
    }
    template <class T> void show(const std::optional<T>& value) {
        if (value)
            show(*value);
        else
            out_ += "none";
    }
    template <class T> void show(const std::vector<T>& values) {
        constexpr std::size_t most = 8;
        out_ += '[';
        for (std::size_t i = 0; i < values.size() && i < most; ++i) {
            if (i) out_ += ", ";
            show(values[i]);
        }
        if (values.size() > most) out_ += ", ... " + std::to_string(values.size());
        out_ += ']';
    }
    template <class T>
        requires std::is_class_v<T>
    void show(const T& value) {
        out_ += '{';
        const bool outer = first_;
        first_ = true;
        T::walk(value, *this);
        first_ = outer;
        out_ += '}';
    }

    std::string& out_;
    bool first_ = true;
};

template <class T> void encode(const T& value, std::string& out) {
    Encoder encoder(out);
    T::walk(value, encoder);
}

template <class T> T decode(std::string_view bytes) {
    T value;
    Decoder decoder(bytes);
    T::walk(value, decoder);
    return value;
}

template <class T> std::string print(const T& value) {
    std::string out;
    Printer printer(out);
    T::walk(value, printer);
    return out;
}

} // namespace domus::wire
