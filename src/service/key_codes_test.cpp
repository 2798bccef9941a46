#include "service/key_codes.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus::service {

namespace {

std::uint32_t number(KeycodeSet set, std::uint32_t code) { return qemu_key_number(static_cast<unsigned>(set), code); }

} // namespace

TEST(KeyCodes, the_same_keys_in_every_set) {
    using enum KeycodeSet;
    struct Key {
        std::uint32_t qnum, linux_code, set1, set2, set3, mac, x_kbd, usb_code, windows;
    };
    // left control, delete, right alt, F12, up, keypad enter
    constexpr Key keys[] = {{0x1d, 29, 0x1d, 0x14, 0x11, 0x3b, 0x1d, 0xe0, 0xa2},
                            {0xd3, 111, 0xe053, 0xe071, 0x64, 0x75, 0x153, 0x4c, 0x2e},
                            {0xb8, 100, 0xe038, 0xe011, 0x39, 0x3d, 0x138, 0xe6, 0xa5},
                            {0x58, 88, 0x58, 0x07, 0x5e, 0x6f, 0x58, 0x45, 0x7b},
                            {0xc8, 103, 0xe048, 0xe075, 0x63, 0x7e, 0x148, 0x52, 0x26},
                            {0x9c, 96, 0xe01c, 0xe05a, 0x79, 0x4c, 0x11c, 0x58, 0x0d}};
    for (const auto& key : keys) {
        EXPECT_EQ(number(qnum, key.qnum), key.qnum);
        EXPECT_EQ(number(linux_, key.linux_code), key.qnum);
        EXPECT_EQ(number(xt, key.set1), key.qnum);
        EXPECT_EQ(number(atset1, key.set1), key.qnum);
        EXPECT_EQ(number(atset2, key.set2), key.qnum);
        EXPECT_EQ(number(atset3, key.set3), key.qnum);
        EXPECT_EQ(number(osx, key.mac), key.qnum);
        EXPECT_EQ(number(xt_kbd, key.x_kbd), key.qnum);
        EXPECT_EQ(number(usb, key.usb_code), key.qnum);
        if (key.windows != 0x0d) { // Windows has one code for both enter keys
            EXPECT_EQ(number(win32, key.windows), key.qnum);
        }
    }
}

TEST(KeyCodes, what_does_not_exist_is_refused_by_number_and_set) {
    for (const auto& [set, code] :
         {std::pair{0u, 0u}, {0u, 767u}, {2u, 0x80u}, {2u, 0xe080u}, {7u, 3u}, {7u, 70000u}, {9u, 256u}})
        EXPECT_THROW(qemu_key_number(set, code), Error) << set << ' ' << code;
    try {
        qemu_key_number(7, 3);
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.text().find("cannot translate keycode 3 of usb codeset"), std::string::npos);
    }
    EXPECT_THROW(qemu_key_number(10, 1), Error);
}

} // namespace domus::service
