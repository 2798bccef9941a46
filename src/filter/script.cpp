#include "filter/script.hpp"

#include "model/nwfilter_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::filter {

namespace {

constexpr std::string_view table = "bridge domus_filter";

/// A hook, with the map that leads from it to the chains of ports.
struct Hook {
    std::string_view name, key;
    Way way;
    bool frames;
    std::string_view where;
};
/// Frames from a guest are judged before connection tracking (-200) sees them, packets after it; before tracking confirms
/// what a guest gets (the last of all).
constexpr std::array hooks{
    Hook{"from_frames", "iifname", Way::from_guest, true, "type filter hook prerouting priority -300"},
    Hook{"from_packets", "iifname", Way::from_guest, false, "type filter hook prerouting priority -150"},
    Hook{"to_packets", "oifname", Way::to_guest, false, "type filter hook postrouting priority 310"},
    Hook{"to_frames", "oifname", Way::to_guest, true, "type filter hook postrouting priority 320"},
};

/// Chains of nft are named by letters, digits and / \ _ . only; devices may have any.
std::string chain_word(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) || c == '.' || c == '-')
            out += c;
        else
            out += fmt::format("_{:02x}", byte);
    }
    return out;
}

std::string root_of(const Hook& hook, const std::string& device) {
    return fmt::format("{}-{}", hook.name, chain_word(device));
}

/// What stands in the root chain: a rule's line, or the way into another chain.
struct Entry {
    int priority;
    std::string text;
};

class PortWriter {
public:
    PortWriter(const PortRules& port, const Abilities& abilities) : port_(port), abilities_(abilities) {}

    PortScript write(const Chains& before) {
        for (const auto& hook : hooks) add(hook);
        PortScript script;
        for (const auto& [chain, lines] : chains_) script.chains.insert(chain);
        auto all = before;
        all.insert(script.chains.begin(), script.chains.end());
        for (const auto& chain : all)
            script.text += fmt::format("add chain {0} {1}\nflush chain {0} {1}\n", table, chain);
        for (const auto& [chain, lines] : chains_)
            for (const auto& line : lines) script.text += fmt::format("add rule {} {} {}\n", table, chain, line);
        for (const auto& hook : hooks)
            script.text += fmt::format("add element {} {} {{ \"{}\" : goto {} }}\n", table, hook.name, port_.device,
                                       root_of(hook, port_.device));
        for (const auto& chain : before)
            if (!script.chains.contains(chain)) script.text += fmt::format("delete chain {} {}\n", table, chain);
        return script;
    }

private:
    void add(const Hook& hook) {
        const auto root = root_of(hook, port_.device);
        chains_[root]; // is there even when it is empty: the map leads to it
        if (port_.sealed) {
            if (hook.frames) chains_[root].push_back("counter drop");
            return;
        }
        std::vector<Entry> entries;
        std::map<std::string, std::vector<Entry>> inner;
        for (const auto& rule : port_.rules.rules) {
            if (model::is_layer2(rule.protocol) != hook.frames) continue;
            const bool in_root = rule.chain == "root" || !hook.frames;
            for (auto& text : statements(rule, hook.way, abilities_)) {
                if (!in_root && !inner.contains(rule.chain)) entries.push_back(jump(root, rule.chain));
                (in_root ? entries : inner[rule.chain]).push_back({rule.priority, std::move(text)});
            }
        }
        put(root, std::move(entries));
        for (auto& [chain, rules] : inner) put(inner_name(root, chain), std::move(rules));
    }

    static std::string inner_name(const std::string& root, const std::string& chain) {
        return fmt::format("{}-{}", root, chain_word(chain));
    }

    Entry jump(const std::string& root, const std::string& chain) const {
        const auto condition = chain_condition(chain);
        const auto known = port_.rules.chains.find(chain);
        return {known == port_.rules.chains.end() ? 0 : known->second,
                fmt::format("{}{}jump {}", condition, condition.empty() ? "" : " ", inner_name(root, chain))};
    }

    void put(const std::string& chain, std::vector<Entry> entries) {
        std::ranges::stable_sort(entries, {}, &Entry::priority);
        auto& lines = chains_[chain];
        for (auto& entry : entries) lines.push_back(std::move(entry.text));
    }

    const PortRules& port_;
    const Abilities& abilities_;
    std::map<std::string, std::vector<std::string>> chains_;
};

} // namespace

PortScript port_script(const PortRules& port, const Abilities& abilities, const Chains& before) {
    return PortWriter(port, abilities).write(before);
}

std::string table_script() {
    auto text = fmt::format("add table {}\n", table);
    for (const auto& hook : hooks) {
        text += fmt::format("add map {0} {1} {{ type ifname : verdict; }}\n"
                            "add chain {0} {1} {{ {2}; policy accept; }}\n"
                            "flush chain {0} {1}\n"
                            "add rule {0} {1} {3} vmap @{1}\n",
                            table, hook.name, hook.where, hook.key);
    }
    // A bridge that takes part in the spanning tree keeps its messages from the other hooks.
    text += fmt::format("add chain {0} from_stp {{ type filter hook input priority -300; policy accept; }}\n"
                        "flush chain {0} from_stp\n"
                        "add rule {0} from_stp ether daddr 01:80:c2:00:00:00 iifname vmap @from_frames\n",
                        table);
    return text;
}

std::string reset_script() { return fmt::format("add table {0}\ndelete table {0}\n", table); }

std::string removal_script(const std::string& device, const Chains& chains, bool last) {
    if (last) return reset_script();
    // Whoever has flushed the tables meanwhile has left nothing to delete.
    std::string text = table_script();
    for (const auto& chain : chains) text += fmt::format("add chain {0} {1}\nflush chain {0} {1}\n", table, chain);
    for (const auto& hook : hooks) {
        const auto root = root_of(hook, device);
        text += fmt::format("add chain {0} {1}\n"
                            "add element {0} {2} {{ \"{3}\" : goto {1} }}\n"
                            "delete element {0} {2} {{ \"{3}\" }}\n",
                            table, root, hook.name, device);
    }
    for (const auto& chain : chains) text += fmt::format("delete chain {} {}\n", table, chain);
    return text;
}

std::string probe_script(std::string_view statement) {
    return fmt::format("table bridge domus_probe {{\n"
                       "chain c {{\n"
                       "type filter hook prerouting priority -150\n"
                       "{}\n"
                       "}}\n"
                       "}}\n",
                       statement);
}

} // namespace domus::filter
