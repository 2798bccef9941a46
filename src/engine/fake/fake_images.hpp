// For tests: the names of snapshots in qcow2 images, as whoever looks into an image finds them. Their clusters are not
// there: nobody can go back to them but a FakeMachine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace domus::engine::fake {

std::vector<std::string> image_snapshots(int fd);
/// All that the image has from now on.
void write_image_snapshots(int fd, const std::vector<std::string>& names);

} // namespace domus::engine::fake
