#include "os/cipher.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus {

TEST(Cipher, opens_what_it_sealed_and_nothing_that_was_changed) {
    const auto key = random_key();
    for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 65536u}) {
        const std::string plain(size, 'p');
        const auto sealed = seal(key, plain, "owner");
        const auto opened = unseal(key, sealed, "owner");
        ASSERT_TRUE(opened) << size;
        EXPECT_EQ(opened->view(), plain);
        EXPECT_FALSE(unseal(key, sealed, "other")) << size;
        EXPECT_FALSE(unseal(random_key(), sealed, "owner")) << size;
        for (const std::size_t at : {std::size_t{0}, sealed.size() / 2, sealed.size() - 1}) {
            auto changed = sealed;
            changed[at] = static_cast<char>(changed[at] ^ 1);
            EXPECT_FALSE(unseal(key, changed, "owner")) << size << " at " << at;
        }
        for (const std::size_t rest : {std::size_t{0}, std::size_t{27}, sealed.size() - 1})
            EXPECT_FALSE(unseal(key, sealed.substr(0, rest), "owner")) << size << " cut to " << rest;
    }
}

TEST(Cipher, takes_a_fresh_nonce_each_time) {
    const auto key = random_key();
    EXPECT_NE(seal(key, "same", "same"), seal(key, "same", "same"));
    EXPECT_FALSE(random_key() == random_key());
    EXPECT_EQ(seal(key, "a passphrase", "x").find("passphrase"), std::string::npos);
}

TEST(Cipher, refuses_a_key_of_another_size) {
    EXPECT_THROW((void)seal(Sensitive(std::string_view("short")), "x", "y"), Error);
}

TEST(Base64, is_that_of_rfc_4648) {
    constexpr std::pair<std::string_view, std::string_view> vectors[]{
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}};
    for (const auto& [plain, text] : vectors) {
        EXPECT_EQ(base64_encode(plain), text);
        const auto decoded = base64_decode(text);
        ASSERT_TRUE(decoded) << text;
        EXPECT_EQ(decoded->view(), plain);
    }
    EXPECT_EQ(base64_decode(" Zm9v\nYmE=\n")->view(), "fooba");
    for (const std::string_view wrong : {"Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9v!", "====", "Zm=v"})
        EXPECT_FALSE(base64_decode(wrong)) << wrong;
}

} // namespace domus
