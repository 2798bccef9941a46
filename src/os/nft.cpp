#include "os/nft.hpp"

#include "base/error.hpp"
#include "base/number.hpp"
#include "base/text.hpp"
#include "os/files.hpp"
#include "os/process.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace domus::nft {

namespace json = boost::json;

namespace {

constexpr std::size_t most_output = 64u << 20;

Error failure(ErrorCode code, std::string what) { return Error(code, ErrorDomain::network, std::move(what)); }

/// A file in memory that a program writes to.
class Output {
public:
    explicit Output(const char* name) : name_(name), fd_(::memfd_create(name, MFD_CLOEXEC)) {
        if (!fd_) throw system_error(errno, "cannot create a file in memory");
    }
    UniqueFd for_child() const { return duplicate(fd_.get()); }
    std::string text() const {
        struct stat info{};
        if (::fstat(fd_.get(), &info) < 0) throw system_error(errno, "cannot look at a file in memory");
        return read_at(fd_.get(), static_cast<std::size_t>(info.st_size), 0, name_);
    }

private:
    const char* name_;
    UniqueFd fd_;
};

/// Nothing at the timeout.
std::optional<ExitStatus> wait(Process& process, std::chrono::milliseconds timeout) {
    const auto by = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        if (const auto status = process.poll()) return status;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(by - std::chrono::steady_clock::now());
        if (left.count() <= 0) return std::nullopt;
        pollfd ended{process.pidfd(), POLLIN, 0};
        if (::poll(&ended, 1, static_cast<int>(left.count())) < 0 && errno != EINTR)
            throw system_error(errno, "cannot wait for nft");
    }
}

struct Said {
    ExitStatus status;
    std::string out, err;
};

Said run(std::vector<std::string> arguments, const std::string& input, std::chrono::milliseconds timeout) {
    const Output out("nft's output"), err("nft's errors");
    Command command("nft");
    command.arguments = std::move(arguments);
    command.redirect(make_memfd("nft's script", input), 0);
    command.redirect(out.for_child(), 1);
    command.redirect(err.for_child(), 2);
    command.limits.push_back({RLIMIT_FSIZE, most_output});
    auto process = Process::spawn(command);
    const auto status = wait(process, timeout);
    if (status) return {*status, out.text(), err.text()};
    throw failure(ErrorCode::operation_timeout,
                  fmt::format("nft did not end within {} ms and was killed", timeout.count()))
        .hint("see who else changes the firewall: 'ps -C nft,iptables -f'");
}

std::string_view line_of(std::string_view text, std::size_t number) {
    for (; number > 1 && !text.empty(); --number) {
        const auto end = text.find('\n');
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return text.substr(0, text.find('\n'));
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

} // namespace

std::string complaint(std::string_view said, std::string_view script) {
    constexpr std::string_view mark = "Error: ";
    constexpr std::size_t longest = 400;
    const auto at = said.find(mark);
    if (at == said.npos) return std::string(cut_text(trimmed(said), longest));
    const auto begin = said.rfind('\n', at) == said.npos ? 0 : said.rfind('\n', at) + 1;
    const auto place = said.substr(begin, at - begin); // "/dev/stdin:3:5-10: "
    const auto what = cut_text(trimmed(line_of(said.substr(at + mark.size()), 1)), longest);
    const auto colon = place.find(':');
    const auto digits = colon == place.npos ? place : place.substr(colon + 1);
    const auto number = parse_number<std::size_t>(digits.substr(0, digits.find(':')));
    const auto line = number ? cut_text(trimmed(line_of(script, *number)), longest) : std::string_view();
    if (line.empty()) return std::string(what);
    return fmt::format("{}: line {}: {}", what, *number, line);
}

namespace {

void give_script(std::vector<std::string> arguments, const std::string& script, std::chrono::milliseconds timeout) {
    const auto said = run(std::move(arguments), script, timeout);
    if (said.status.success()) return;
    auto error = failure(ErrorCode::operation_failed, "the firewall's rules were refused");
    const auto words = complaint(said.err, script);
    throw std::move(error)
        .because(words.empty() ? fmt::format("nft {}", said.status.text()) : fmt::format("nft: {}", words))
        .hint("see 'nft list ruleset' and 'domus doctor'");
}

} // namespace

void apply_script(const std::string& script, std::chrono::milliseconds timeout) {
    give_script({"-f", "-"}, script, timeout);
}

void check_script(const std::string& script, std::chrono::milliseconds timeout) {
    give_script({"-c", "-f", "-"}, script, timeout);
}

namespace {

std::string text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint64_t number_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    if (!value) return 0;
    if (value->is_uint64()) return value->get_uint64();
    return value->is_int64() && value->get_int64() > 0 ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

const json::object* member(const json::object& entry, std::string_view kind) {
    const auto* found = entry.if_contains(kind);
    return found ? found->if_object() : nullptr;
}

void add(Ruleset& ruleset, const json::object& entry) {
    if (const auto* chain = member(entry, "chain"))
        ruleset.chains.push_back({text_of(*chain, "family"), text_of(*chain, "table"), text_of(*chain, "name"),
                                  text_of(*chain, "type"), text_of(*chain, "hook"), text_of(*chain, "policy")});
    if (const auto* rule = member(entry, "rule"))
        ruleset.rules.push_back({text_of(*rule, "family"), text_of(*rule, "table"), text_of(*rule, "chain"),
                                 number_of(*rule, "handle"), text_of(*rule, "comment")});
}

} // namespace

Ruleset parse_ruleset(std::string_view text) {
    boost::system::error_code malformed;
    const auto document = json::parse(text, malformed);
    const auto* top = malformed ? nullptr : document.if_object();
    const auto* entries = top ? top->if_contains("nftables") : nullptr;
    if (!entries || !entries->is_array())
        throw failure(ErrorCode::operation_failed, "nft's list of rules cannot be read")
            .because(malformed ? malformed.message() : "it has no list 'nftables'");
    Ruleset ruleset;
    for (const auto& entry : entries->get_array())
        if (const auto* object = entry.if_object()) add(ruleset, *object);
    return ruleset;
}

Ruleset list_ruleset(std::chrono::milliseconds timeout) {
    const auto said = run({"-j", "list", "ruleset"}, "", timeout);
    if (said.status.success()) return parse_ruleset(said.out);
    auto error = failure(ErrorCode::operation_failed, "the firewall's rules cannot be listed");
    const auto words = complaint(said.err, "");
    throw std::move(error).because(words.empty() ? fmt::format("nft {}", said.status.text())
                                                 : fmt::format("nft: {}", words));
}

} // namespace domus::nft
