// For tests: a folder of the test's own, removed with what is in it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace domus {

struct FolderTest : testing::Test {
    FolderTest() {
        std::string name = "/tmp/domus-test-XXXXXX";
        if (::mkdtemp(name.data())) folder = name;
        EXPECT_FALSE(folder.empty()) << "no folder can be made in /tmp";
    }
    ~FolderTest() override {
        if (!folder.empty()) std::filesystem::remove_all(folder);
    }

    std::filesystem::path folder;
};

} // namespace domus
