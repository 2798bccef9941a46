// The state of a domain's monitor, the counters of its network interfaces, and what is typed into the guest.
#include "cli/commands/commands.hpp"
#include "cli/key_names.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <limits>

namespace domus::cli {

namespace {

void domcontrol(Call& call) {
    // virDomainControlState and virDomainControlErrorReason
    constexpr std::string_view states[]{"ok", "background job", "occupied", "error"};
    constexpr std::string_view errors[]{"none", "unknown", "monitor failure", "internal (locking) error"};
    constexpr std::uint32_t ok = 0, error = 3;
    const auto domain = find_domain(call);
    const auto info = call.server().call<Procedure::domain_get_control_info>({.dom = domain, .flags = 0});
    const auto state = word_of(states, info.state);
    boost::json::object object{{"state", state}, {"details", nullptr}, {"since_ms", nullptr}};
    if (info.state == error) {
        const auto details = word_of(errors, info.details);
        call.out.text("{}: {}\n", state, details);
        object["details"] = details;
    } else if (info.state != ok) {
        call.out.text("{} (since {:.3f}s)\n", state, static_cast<double>(info.state_time) / 1000);
        object["since_ms"] = info.state_time;
    } else {
        call.out.text("{}\n", state);
    }
    call.out.result(std::move(object));
}

void domifstat(Call& call) {
    const auto device = call.args.required("interface");
    const auto domain = find_domain(call);
    const auto counters = doing(fmt::format("Failed to get interface stats {} {}", domain.name, device), [&] {
        return call.server().call<Procedure::domain_interface_stats>({.dom = domain, .device = device});
    });
    const std::pair<std::string_view, std::int64_t> all[]{
        {"rx_bytes", counters.rx_bytes}, {"rx_packets", counters.rx_packets}, {"rx_errs", counters.rx_errs},
        {"rx_drop", counters.rx_drop},   {"tx_bytes", counters.tx_bytes},     {"tx_packets", counters.tx_packets},
        {"tx_errs", counters.tx_errs},   {"tx_drop", counters.tx_drop}};
    boost::json::object object{{"interface", device}};
    for (const auto& [name, value] : all) {
        constexpr std::int64_t unknown = -1;
        if (value == unknown) continue;
        call.out.text("{} {} {}\n", device, name, value);
        object[name] = value;
    }
    call.out.result(std::move(object));
}

void inject_nmi(Call& call) {
    const auto domain = find_domain(call);
    call.server().call<Procedure::domain_inject_nmi>({.dom = domain, .flags = 0});
    call.out.result({{"domain", domain.name}});
}

std::uint32_t key_code(const std::string& word, std::string_view codeset) {
    if (const auto number = parse_key_number(word)) return *number;
    if (codeset == "linux")
        if (const auto named = linux_key(word)) return *named;
    throw Failure(fmt::format("invalid keycode: '{}'", word))
        .hint(codeset == "linux"
                  ? "give a number, or a name as KEY_ENTER or KEY_LEFTCTRL; virkeyname-linux(7) lists them"
                  : "only the codeset 'linux' has names here; give a number");
}

void send_key(Call& call) {
    constexpr std::size_t most_keys = 16;
    constexpr std::uint64_t default_hold_ms = 50;
    const auto codeset = call.args.text("codeset").value_or("linux");
    const auto set = std::ranges::find(codesets, codeset);
    if (set == std::end(codesets))
        throw Failure(fmt::format("unknown codeset: '{}'", codeset))
            .hint("codesets: linux, xt, atset1, atset2, atset3, os_x, xt_kbd, usb, win32, qnum");
    const auto hold =
        call.args.natural("holdtime", std::numeric_limits<std::uint32_t>::max()).value_or(default_hold_ms);
    const auto words = call.args.list("keycode");
    if (words.size() > most_keys)
        throw Failure("too many keycodes").hint("one call presses at most 16 keys at once; use several calls");
    std::vector<std::uint32_t> codes;
    for (const auto& word : words) codes.push_back(key_code(word, codeset));
    const auto domain = find_domain(call);
    call.server().call<Procedure::domain_send_key>({.dom = domain,
                                                    .codeset = static_cast<std::uint32_t>(set - std::begin(codesets)),
                                                    .holdtime = static_cast<std::uint32_t>(hold),
                                                    .keycodes = codes,
                                                    .flags = 0});
    boost::json::array sent;
    for (const auto code : codes) sent.push_back(code);
    call.out.result({{"domain", domain.name}, {"codeset", codeset}, {"keycodes", std::move(sent)}});
}

} // namespace

std::vector<Command> control_commands() {
    return {
        {.name = "domcontrol",
         .group = Group::monitor,
         .summary = "print the state of a domain's control interface",
         .about = "Says whether the daemon can control the guest now, and for how long a job has held it.",
         .options = {the_domain(Complete::running_domain)},
         .run = domcontrol},
        {.name = "domifstat",
         .group = Group::monitor,
         .summary = "show the traffic counters of a domain's network interface",
         .options = {the_domain(Complete::running_domain),
                     required(text("interface", "device on the host, or MAC address"))},
         .run = domifstat},
        {.name = "inject-nmi",
         .summary = "inject an NMI into a guest",
         .about = "Sends a non-maskable interrupt to all virtual CPUs. Most guests write a crash dump or panic.",
         .options = {the_domain(Complete::running_domain)},
         .run = inject_nmi},
        {.name = "send-key",
         .summary = "send keys to a guest",
         .about = "Presses the keys in the given order, holds them, then releases them: 'domus send-key web "
                  "KEY_LEFTCTRL KEY_LEFTALT KEY_DELETE'.",
         .options = {the_domain(Complete::running_domain),
                     named(one_of("codeset", "linux|xt|atset1|atset2|atset3|os_x|xt_kbd|usb|win32|qnum",
                                  "codeset of the keys; linux by default")),
                     named(number("holdtime", "milliseconds to hold the keys; 50 by default")),
                     required(rest("keycode", "number or name of a key"))},
         .run = send_key},
    };
}

} // namespace domus::cli
