// Whenever a change of a save image is cut off, the image has the old or the new XML and the whole stream.
#include "compute/memory/save_edit.hpp"

#include "base/error.hpp"
#include "compute/memory/save_image.hpp"
#include "os/credentials.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"
#include "os/write_at.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

namespace domus::compute {

namespace {

constexpr std::string_view stream = "what QEMU has written";

struct SaveEdit : FolderTest {
    SaveEdit() {
        path = folder / "image";
        write_file_durably(path, whole("<domain>old</domain>", true), 0600);
        fd = open_file(path, O_RDWR);
    }
    static std::string head(const std::string& xml, bool was_running) {
        SaveHeader header;
        header.data_length = 5000;
        header.was_running = was_running;
        auto bytes = encode(header) + xml;
        bytes.resize(SaveHeader::size + header.data_length, '\0');
        return bytes;
    }
    static std::string whole(const std::string& xml, bool was_running) {
        return head(xml, was_running) + std::string(stream);
    }
    std::string contents() const { return read_file(path, 1u << 20); }
    HeadEdit edit() const { return {fd, path, head("<domain>new</domain>", false)}; }
    void begin(std::size_t steps) const {
        const auto begun = edit();
        for (const auto step : HeadEdit::steps().first(steps)) (begun.*step)();
    }
    std::string xml() const { return open_save_image(me, path).xml; }

    const Credentials me = own_credentials();
    std::filesystem::path path;
    UniqueFd fd;
};

} // namespace

TEST_F(SaveEdit, is_the_old_or_the_new_one_after_each_step) {
    for (std::size_t done = 0; done <= HeadEdit::steps().size(); ++done) {
        write_file_durably(path, whole("<domain>old</domain>", true), 0600);
        fd = open_file(path, O_RDWR);
        begin(done);
        const auto image = open_save_image(me, path);
        EXPECT_EQ(image.xml, done < HeadEdit::committed ? "<domain>old</domain>" : "<domain>new</domain>") << done;
        EXPECT_EQ(image.header.was_running, done < HeadEdit::committed) << done;
        std::string read(stream.size(), '\0');
        EXPECT_EQ(::read(image.fd.get(), read.data(), read.size()), static_cast<ssize_t>(read.size()));
        EXPECT_EQ(read, stream) << done;
    }
    EXPECT_EQ(contents(), whole("<domain>new</domain>", false)) << "after the last step nothing of it is left";
}

TEST_F(SaveEdit, that_was_cut_off_is_settled_by_the_next_one) {
    for (std::size_t done = 0; done <= HeadEdit::steps().size(); ++done) {
        write_file_durably(path, whole("<domain>old</domain>", true), 0600);
        fd = open_file(path, O_RDWR);
        begin(done);
        rewrite_save_image(me, path, "<domain>third</domain>", true);
        EXPECT_EQ(contents(), whole("<domain>third</domain>", true)) << done;
    }
}

TEST_F(SaveEdit, is_the_new_one_while_the_old_one_is_half_written_over) {
    begin(HeadEdit::committed);
    ASSERT_EQ(write_at(fd.get(), std::string(1000, 'x'), SaveHeader::size), 1000u);
    EXPECT_EQ(xml(), "<domain>new</domain>");
    rewrite_save_image(me, path, "<domain>third</domain>", true);
    EXPECT_EQ(contents(), whole("<domain>third</domain>", true));
}

TEST_F(SaveEdit, is_the_old_one_while_the_new_one_is_half_there) {
    begin(1);
    const auto size = contents().size();
    const auto half = head("<domain>new</domain>", false).substr(0, 2000);
    ASSERT_EQ(write_at(fd.get(), half, size), half.size());
    EXPECT_EQ(xml(), "<domain>old</domain>");
    const auto left = find_edit(fd, path, head("", true).size());
    ASSERT_TRUE(left);
    EXPECT_FALSE(left->head());
    left->settle();
    EXPECT_EQ(contents(), whole("<domain>old</domain>", true));
    EXPECT_FALSE(find_edit(fd, path, head("", true).size()));
}

TEST_F(SaveEdit, with_a_damaged_mark_is_none) {
    begin(1);
    ASSERT_EQ(write_at(fd.get(), "\xff", 44), 1u); // the end that it tells
    EXPECT_FALSE(find_edit(fd, path, head("", true).size()));
    EXPECT_EQ(xml(), "<domain>old</domain>");
    rewrite_save_image(me, path, "<domain>third</domain>", true);
    EXPECT_EQ(contents(), whole("<domain>third</domain>", true));
}

TEST_F(SaveEdit, leaves_the_old_one_where_there_is_no_room) {
    const auto before = contents();
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    for (const std::size_t more : {0u, 100u}) {
        const rlimit less{before.size() + more, limit.rlim_max};
        ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &less), 0);
        EXPECT_THROW(rewrite_save_image(me, path, "<domain>new</domain>", false), Error);
        ::setrlimit(RLIMIT_FSIZE, &limit);
        EXPECT_EQ(contents(), before);
    }
    std::signal(SIGXFSZ, handler);
}

} // namespace domus::compute
