// Images as the real qemu-img judges them, and as it would have made them.
#include "image/new_qcow2.hpp"

#include "base/error.hpp"
#include "image/test_images.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>

#include <limits>
#include <sstream>

namespace domus::image {

namespace {

class NewImages : public Images {
public:
    void make(const std::string& name, const NewQcow2& wanted) const {
        const UniqueFd fd(::open(path(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        write_new_qcow2(fd.get(), wanted);
    }
    /// What `qemu-img info` says, without what is another file's.
    boost::json::object info(const std::string& name) const {
        shell("qemu-img check -q " + name);
        shell("qemu-img info --output=json " + name + " >" + name + ".json");
        std::stringstream text;
        text << std::ifstream(path(name + ".json")).rdbuf();
        auto object = boost::json::parse(text.str()).as_object();
        for (const auto* key : {"filename", "actual-size", "dirty-flag"}) object.erase(key);
        return object;
    }
};

struct Case {
    const char* name;
    NewQcow2 wanted;
    const char* options;
};

class NewQcow2Cases : public NewImages, public testing::WithParamInterface<Case> {};

TEST_P(NewQcow2Cases, areAsQemuMakesThem) {
    const auto& [name, wanted, options] = GetParam();
    create("-f raw base.raw 3M");
    make("ours", wanted);
    create(fmt::format("-f qcow2 -o {} theirs {}", options, wanted.virtual_size.bytes));
    EXPECT_EQ(info("ours"), info("theirs"));
}

constexpr std::uint64_t kib = 1024, gib = 1u << 30;
INSTANTIATE_TEST_SUITE_P(
    Images, NewQcow2Cases,
    testing::Values(
        Case{"plain", {.virtual_size = ByteCount{20 * gib}}, "compat=1.1"},
        Case{"old", {.virtual_size = ByteCount{gib}, .version = 2}, "compat=0.10"},
        Case{"odd", {.virtual_size = ByteCount{1000}}, "compat=1.1"},
        Case{"empty", {.virtual_size = ByteCount{0}}, "compat=1.1"},
        Case{"lazy", {.virtual_size = ByteCount{gib}, .lazy_refcounts = true}, "lazy_refcounts=on"},
        Case{"extended",
             {.virtual_size = ByteCount{gib}, .cluster_size = ByteCount{128 * kib}, .extended_l2 = true},
             "extended_l2=on,cluster_size=128k"},
        Case{"smallClusters",
             {.virtual_size = ByteCount{100 * gib}, .cluster_size = ByteCount{512}},
             "cluster_size=512"},
        Case{"largeClusters",
             {.virtual_size = ByteCount{1024 * gib}, .cluster_size = ByteCount{2048 * kib}},
             "cluster_size=2M"},
        Case{"large", {.virtual_size = ByteCount{1024 * 1024 * gib}}, "compat=1.1"},
        Case{"backed",
             {.virtual_size = ByteCount{5 * gib}, .backing_file = "base.raw", .backing_format = "raw"},
             "backing_file=base.raw,backing_fmt=raw"},
        Case{"backedOld",
             {.virtual_size = ByteCount{5 * gib}, .version = 2, .backing_file = "base.raw", .backing_format = "raw"},
             "compat=0.10,backing_file=base.raw,backing_fmt=raw"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(NewImages, canBeWrittenToAndReadBack) {
    make("disk", {.virtual_size = ByteCount{100 << 20}, .cluster_size = ByteCount{512}});
    shell("qemu-io -c 'write -P 7 0 64k' -c 'write -P 9 99M 1M' disk");
    shell("qemu-img check disk && qemu-io -c 'read -P 7 0 64k' -c 'read -P 9 99M 1M' -c 'read -P 0 50M 1M' disk");
}

TEST_F(NewImages, refuseWhatTheFormatCannotHave) {
    const auto message = [&](const NewQcow2& wanted) {
        try {
            make("no", wanted);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::config_unsupported);
            EXPECT_EQ(std::filesystem::file_size(path("no")), 0U);
            return error.text();
        }
        return std::string("was made");
    };
    using testing::HasSubstr;
    const ByteCount size{gib};
    EXPECT_THAT(message({.virtual_size = size, .cluster_size = ByteCount{3000}}), HasSubstr("not of 3000"));
    EXPECT_THAT(message({.virtual_size = size, .cluster_size = ByteCount{256}}), HasSubstr("not of 256"));
    EXPECT_THAT(message({.virtual_size = size, .cluster_size = ByteCount{4096 * kib}}), HasSubstr("not of 4194304"));
    EXPECT_THAT(message({.virtual_size = size, .version = 2, .lazy_refcounts = true}), HasSubstr("lazy refcounts"));
    EXPECT_THAT(message({.virtual_size = size, .version = 2, .extended_l2 = true}), HasSubstr("extended L2"));
    EXPECT_THAT(message({.virtual_size = size, .cluster_size = ByteCount{4096}, .extended_l2 = true}),
                HasSubstr("16384"));
    EXPECT_THAT(message({.virtual_size = ByteCount{std::numeric_limits<std::uint64_t>::max()}}),
                HasSubstr("cannot have"));
    EXPECT_THAT(message({.virtual_size = ByteCount{1024 * gib}, .cluster_size = ByteCount{512}}),
                HasSubstr("more than 512"));
    EXPECT_THAT(message({.virtual_size = size, .backing_file = std::string(1024, 'x'), .backing_format = "raw"}),
                HasSubstr("so long"));
    EXPECT_THAT(message({.virtual_size = size, .cluster_size = ByteCount{512}, .backing_file = std::string(500, 'x')}),
                HasSubstr("so long"));
}

} // namespace

} // namespace domus::image
