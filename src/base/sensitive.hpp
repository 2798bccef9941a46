// Bytes that nobody else is to see: passphrases, keys. They are overwritten when they are let go, and print nowhere.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace domus {

/// Overwrites the bytes, which the compiler may not leave out; the text is empty then.
inline void cleanse(std::string& text) {
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

class Sensitive {
public:
    Sensitive() = default;
    /// Takes the bytes over: what is given is overwritten.
    // NOLINTNEXTLINE(cppcoreguidelines-rvalue-reference-param-not-moved): overwritten, as its bytes may not stay
    explicit Sensitive(std::string&& bytes) : bytes_(bytes.begin(), bytes.end()) { cleanse(bytes); }
    explicit Sensitive(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
    /// So many zeros, to be filled in.
    explicit Sensitive(std::size_t size) : bytes_(size) {}

    Sensitive(const Sensitive&) = default;
    Sensitive(Sensitive&&) noexcept = default;
    Sensitive& operator=(Sensitive other) noexcept {
        bytes_.swap(other.bytes_);
        return *this;
    }
    ~Sensitive() {
        if (!bytes_.empty()) ::explicit_bzero(bytes_.data(), bytes_.size()); // an empty one has no address
    }

    /// Leaves the rest out; never makes it longer, since that would leave a copy behind.
    void shorten(std::size_t size) {
        if (size >= bytes_.size()) return;
        ::explicit_bzero(bytes_.data() + size, bytes_.size() - size);
        bytes_.resize(size);
    }

    std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
    char* data() { return bytes_.data(); }
    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    bool operator==(const Sensitive&) const = default;

private:
    std::vector<char> bytes_;
};

} // namespace domus
