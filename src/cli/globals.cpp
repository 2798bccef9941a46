#include "cli/globals.hpp"

#include "base/number.hpp"
#include "cli/failure.hpp"

#include <fmt/format.h>

#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace domus::cli {

namespace {

// Long options without a letter get numbers beyond those of characters.
enum { option_json = 256, option_no_color };

int int_of(std::string_view text, char letter) {
    const auto number = parse_number<int>(text);
    if (!number) throw UsageError(fmt::format("Invalid value for option -{}", letter));
    return *number;
}

/// "^]" is the control character; a single character is itself, as long as it is a control character.
char escape_of(std::string_view text) {
    if (text.size() == 2 && text[0] == '^') {
        const auto upper = text[1] >= 'a' && text[1] <= 'z' ? text[1] - 'a' + 'A' : text[1];
        if (upper >= '@' && upper <= '_') return static_cast<char>(upper ^ 0x40);
    } else if (text.size() == 1 && text != "^" && static_cast<unsigned char>(text[0]) < 0x20) {
        return text[0];
    }
    throw UsageError(fmt::format("Invalid string '{}' for escape sequence", text));
}

void take_debug(Settings& settings, std::string_view text, std::string_view what) {
    const auto level = parse_number<int>(text);
    if (!level) throw UsageError(fmt::format("{} takes a numeric argument", what));
    if (*level < 0 || *level > 4)
        fmt::print(stderr, "error: ignoring debug level {} out of range [0-4]\n", *level);
    else
        settings.debug = *level;
}

void read_environment(Settings& settings) {
    if (const char* uri = std::getenv("VIRSH_DEFAULT_CONNECT_URI")) settings.uri = uri;
    if (const char* level = std::getenv("VIRSH_DEBUG")) {
        if (const auto number = parse_number<int>(level); number && *number >= 0 && *number <= 4)
            settings.debug = *number;
        else
            fmt::print(stderr, "error: VIRSH_DEBUG not set with a valid numeric value\n");
    }
    if (const char* file = std::getenv("VIRSH_LOG_FILE")) settings.log_file = file;
    if (std::getenv("NO_COLOR")) settings.colour = false;
}

std::vector<option> long_options() {
    std::vector<option> all;
    for (const auto& each : global_options()) {
        int code = static_cast<unsigned char>(each.letter);
        if (each.name == "json") code = option_json;
        if (each.name == "no-color") code = option_no_color;
        const int takes = each.value.empty()       ? no_argument
                          : each.name == "version" ? optional_argument
                                                   : required_argument;
        all.push_back({each.name.data(), takes, nullptr, code});
    }
    all.push_back({nullptr, 0, nullptr, 0});
    return all;
}

[[noreturn]] void refuse(int code, int letter, const char* word, const std::vector<option>& names) {
    if (code == ':') {
        for (const auto& each : names)
            if (each.name && each.val == letter)
                throw UsageError(
                    fmt::format("option '-{}'/'--{}' requires an argument", static_cast<char>(letter), each.name));
        throw UsageError(fmt::format("option '-{}' requires an argument", static_cast<char>(letter)));
    }
    if (letter > 0 && letter < 256)
        throw UsageError(fmt::format("unsupported option '-{}'. See --help.", static_cast<char>(letter)));
    throw UsageError(fmt::format("unsupported option '{}'. See --help.", word));
}

} // namespace

const std::vector<GlobalOption>& global_options() {
    static const std::vector<GlobalOption> all{
        {'c', "connect", "URI", "URI of the daemon"},
        {'d', "debug", "NUM", "log level on standard error, 0 (everything) to 4"},
        {'e', "escape", "CHAR", "escape character of consoles; ^] by default"},
        {'h', "help", "", "print this help"},
        {0, "json", "", "print results and errors as JSON"},
        {'k', "keepalive-interval", "NUM", "seconds between keepalive messages; 0 disables them"},
        {'K', "keepalive-count", "NUM", "number of keepalive messages that may stay unanswered"},
        {'l', "log", "FILE", "write the log to a file"},
        {0, "no-color", "", "print no colours (also if NO_COLOR is set)"},
        {'q', "quiet", "", "print only results: no headers, no messages"},
        {'r', "readonly", "", "connect read-only"},
        {'t', "timing", "", "print how long each command took"},
        {'v', "version", "[=short|long]", "print the version (-V: the long form)"},
    };
    return all;
}

Settings read_globals(int argc, char** argv) {
    Settings settings;
    read_environment(settings);
    const auto names = long_options();
    optind = 0; // glibc: start anew, for tests that call this several times
    opterr = 0;
    while (true) {
        const int before = optind == 0 ? 1 : optind;
        const int code = getopt_long(argc, argv, "+:c:d:e:hk:K:l:qrtvV", names.data(), nullptr);
        if (code == -1) break;
        switch (code) {
        case 'c':
            settings.uri = optarg;
            settings.uri_given = true;
            break;
        case 'd':
            take_debug(settings, optarg, "option -d");
            break;
        case 'e':
            settings.escape = escape_of(optarg);
            break;
        case 'h':
            settings.task = Settings::Task::help;
            break;
        case 'k':
            settings.keepalive_interval = int_of(optarg, 'k');
            break;
        case 'K':
            settings.keepalive_count = int_of(optarg, 'K');
            break;
        case 'l':
            settings.log_file = optarg;
            break;
        case 'q':
            settings.quiet = true;
            break;
        case 'r':
            settings.readonly = true;
            break;
        case 't':
            settings.timing = true;
            break;
        case 'V':
            settings.task = Settings::Task::long_version;
            break;
        case 'v':
            settings.task =
                optarg && std::strcmp(optarg, "long") == 0 ? Settings::Task::long_version : Settings::Task::version;
            break;
        case option_json:
            settings.json = true;
            break;
        case option_no_color:
            settings.colour = false;
            break;
        default:
            refuse(code, optopt, argv[before], names);
        }
        if (settings.task != Settings::Task::run) return settings;
    }
    settings.words.assign(argv + optind, argv + argc);
    return settings;
}

} // namespace domus::cli
