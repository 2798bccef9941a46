#include "cli/tree.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::cli {

namespace {

struct Branch {
    bool root = true, last = true;
    std::string indent;
};

void draw_branch(const std::vector<TreeNode>& all, const TreeNode& one, const Branch& at, std::string& out) {
    out += fmt::format("{}{}{}\n", at.indent, at.root ? "" : "+- ", one.name);
    const auto inner = at.root ? at.indent : at.indent + (at.last ? "  " : "| ");
    std::vector<const TreeNode*> children;
    for (const auto& each : all)
        if (each.parent == one.name) children.push_back(&each);
    if (!children.empty()) out += inner + "  |\n";
    for (const auto* child : children)
        draw_branch(all, *child, {.root = false, .last = child == children.back(), .indent = inner + "  "}, out);
    if (children.empty() && at.last) out += inner + "\n";
}

} // namespace

std::string render_tree(const std::vector<TreeNode>& nodes) {
    std::string out;
    for (const auto& each : nodes) {
        const auto is_parent = [&](const TreeNode& other) { return other.name == each.parent; };
        if (std::ranges::none_of(nodes, is_parent)) draw_branch(nodes, each, {}, out);
    }
    return out;
}

} // namespace domus::cli
