// Snapshots and the like as a tree, drawn as virsh draws them.
#pragma once

#include <string>
#include <vector>

namespace domus::cli {

struct TreeNode {
    std::string name;
    std::string parent; ///< one that is not in the list counts as none
};

std::string render_tree(const std::vector<TreeNode>& nodes);

} // namespace domus::cli
