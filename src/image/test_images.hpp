// For tests: images that the real qemu-img makes, in a folder that is gone afterwards.
#pragma once

#include "image/header.hpp"
#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace domus::image {

class Images : public testing::Test {
public:
    Images() {
        char name[] = "/tmp/domus-image-XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error("no folder for images");
        folder_ = name;
    }
    ~Images() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    /// Runs it in the folder; its words are shown where the test fails.
    void shell(const std::string& command) const {
        const auto log = path("log");
        const auto line = fmt::format("cd '{}' && {{ {}; }} >'{}' 2>&1", folder_.string(), command, log);
        const int status = std::system(line.c_str());
        ASSERT_EQ(status, 0) << command << "\n" << std::ifstream(log).rdbuf();
    }

    /// "-f qcow2 disk 1M"
    void create(const std::string& arguments) const { shell("qemu-img create -q " + arguments); }

    UniqueFd open(const std::string& name) const { return UniqueFd(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC)); }
    Header read(const std::string& name, std::string_view format) const {
        return read_header(open(name).get(), format);
    }
    Header probe(const std::string& name) const { return probe_header(open(name).get()); }

    void write(const std::string& name, std::uint64_t at, std::string_view bytes) const {
        std::fstream file(path(name), std::ios::in | std::ios::out | std::ios::binary);
        if (!file) file.open(path(name), std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(at));
        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        ASSERT_TRUE(file.flush());
    }

    /// As big-endian number of that many bytes.
    void put(const std::string& name, std::uint64_t at, std::uint64_t value, unsigned width) const {
        std::string bytes;
        for (unsigned i = width; i-- > 0;) bytes += static_cast<char>(value >> (8 * i) & 0xff);
        write(name, at, bytes);
    }
    void put_little(const std::string& name, std::uint64_t at, std::uint64_t value, unsigned width) const {
        std::string bytes;
        for (unsigned i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
        write(name, at, bytes);
    }

private:
    std::filesystem::path folder_;
};

} // namespace domus::image
