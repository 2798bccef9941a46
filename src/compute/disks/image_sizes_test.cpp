#include "compute/disks/image_sizes.hpp"

#include "async/test_wait.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

struct ImageSizesTest : FolderTest {
    std::string raw(const std::string& name, std::size_t size) {
        write_file_durably(folder / name, std::string(size, 'x'), 0600);
        return folder / name;
    }

    std::vector<std::optional<ImageSizes>> read(std::vector<ImageName> images) {
        std::vector<std::optional<ImageSizes>> found;
        run_to_end([&](Executor executor) -> Task<> {
            ImageSizeReader reader(executor);
            found = co_await reader.read(std::move(images), Deadline::in(timeout));
        });
        return found;
    }
};

} // namespace

TEST_F(ImageSizesTest, come_in_the_order_of_their_names_and_leave_out_what_cannot_be_read) {
    std::vector<ImageName> images;
    for (int i = 0; i < 100; ++i)
        images.push_back({i % 3 == 0   ? std::string()
                          : i % 3 == 1 ? (folder / "absent").string()
                                       : raw(std::to_string(i), 512u * (i + 1)),
                          "raw"});
    const auto sizes = read(images);
    ASSERT_EQ(sizes.size(), 100u);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        EXPECT_EQ(sizes[i].has_value(), i % 3 == 2) << i;
        if (sizes[i]) {
            EXPECT_EQ(sizes[i]->capacity.bytes, 512u * (i + 1));
        }
    }
    EXPECT_TRUE(read({}).empty());
}

} // namespace domus::compute
