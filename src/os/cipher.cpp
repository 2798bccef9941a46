#include "os/cipher.hpp"

#include "base/error.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <limits>
#include <memory>

namespace domus {

namespace {

constexpr std::size_t nonce_size = 12, tag_size = 16; // of AES-GCM (NIST SP 800-38D)

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

/// Looked up once, and not for each value: threads that look for the same at the same time make OpenSSL 3.0 leak.
const EVP_CIPHER* aes_256_gcm() {
    static const std::unique_ptr<EVP_CIPHER, decltype(&EVP_CIPHER_free)> cipher(
        EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), &EVP_CIPHER_free);
    return cipher.get();
}

void require(bool worked) {
    if (!worked) throw Error(ErrorCode::internal_error, ErrorDomain::crypto, "internal error: libcrypto failed");
}

Context make_context() {
    Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    require(context != nullptr);
    return context;
}

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }

/// The library counts in int.
int length(std::string_view text) {
    require(text.size() < std::numeric_limits<int>::max() / 2);
    return static_cast<int>(text.size());
}

std::string random_text(std::size_t size) {
    std::string text(size, '\0');
    require(RAND_bytes(bytes(text.data()), static_cast<int>(size)) == 1);
    return text;
}

void require_key(const Sensitive& key) { require(key.size() == cipher_key_size); }

} // namespace

Sensitive random_key() {
    Sensitive key(cipher_key_size);
    require(RAND_priv_bytes(bytes(key.data()), static_cast<int>(key.size())) == 1);
    return key;
}

std::string seal(const Sensitive& key, std::string_view plain, std::string_view bound_to) {
    require_key(key);
    const auto context = make_context();
    auto sealed = random_text(nonce_size);
    require(EVP_EncryptInit_ex2(context.get(), aes_256_gcm(), bytes(key.view()), bytes(sealed), nullptr) == 1);
    int count = 0;
    require(EVP_EncryptUpdate(context.get(), nullptr, &count, bytes(bound_to), length(bound_to)) == 1);
    sealed.resize(nonce_size + plain.size() + tag_size);
    auto* const out = bytes(sealed.data() + nonce_size);
    require(EVP_EncryptUpdate(context.get(), out, &count, bytes(plain), length(plain)) == 1);
    require(EVP_EncryptFinal_ex(context.get(), out + count, &count) == 1);
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_size, out + plain.size()) == 1);
    return sealed;
}

std::optional<Sensitive> unseal(const Sensitive& key, std::string_view sealed, std::string_view bound_to) {
    require_key(key);
    if (sealed.size() < nonce_size + tag_size) return std::nullopt;
    const auto context = make_context();
    const auto text = sealed.substr(nonce_size, sealed.size() - nonce_size - tag_size);
    std::string tag(sealed.substr(sealed.size() - tag_size));
    require(EVP_DecryptInit_ex2(context.get(), aes_256_gcm(), bytes(key.view()), bytes(sealed), nullptr) == 1);
    int count = 0;
    require(EVP_DecryptUpdate(context.get(), nullptr, &count, bytes(bound_to), length(bound_to)) == 1);
    Sensitive plain(text.size());
    require(EVP_DecryptUpdate(context.get(), bytes(plain.data()), &count, bytes(text), length(text)) == 1);
    require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_size, tag.data()) == 1);
    if (EVP_DecryptFinal_ex(context.get(), bytes(plain.data()) + count, &count) != 1) return std::nullopt;
    return plain;
}

std::string base64_encode(std::string_view plain) {
    std::string text(4 * ((plain.size() + 2) / 3) + 1, '\0'); // the library ends it with a zero
    text.resize(static_cast<std::size_t>(EVP_EncodeBlock(bytes(text.data()), bytes(plain), length(plain))));
    return text;
}

std::optional<Sensitive> base64_decode(std::string_view text) {
    Sensitive dense(text.size());
    std::size_t size = 0;
    for (const char c : text)
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') dense.data()[size++] = c;
    dense.shorten(size);
    const auto letters = dense.view();
    const auto end = letters.find('=');
    const auto padding = end == letters.npos ? 0 : letters.size() - end;
    if (size % 4 != 0 || padding > 2 || (padding == 2 && letters.back() != '=')) return std::nullopt;
    Sensitive plain(size / 4 * 3);
    const int decoded = EVP_DecodeBlock(bytes(plain.data()), bytes(letters), length(letters));
    if (decoded < 0) return std::nullopt;
    plain.shorten(static_cast<std::size_t>(decoded) - padding);
    return plain;
}

} // namespace domus
