// What the commands of storage pools and of volumes share.
#pragma once

#include "cli/objects.hpp"
#include "cli/progress.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace domus::cli {

/// virStoragePoolState.
constexpr std::uint32_t pool_running = 2, pool_degraded = 3;

/// What helps after an error of the daemon that says nothing itself: by its code, else `otherwise`.
std::string storage_hint(const Error& error, std::string_view pool, std::string otherwise);

/// As doing(), and the error ends in a hint.
template <class Work>
decltype(auto) doing_in_pool(std::string what, std::string_view pool, std::string hint, Work&& work) {
    try {
        return std::forward<Work>(work)();
    } catch (const Error& error) {
        throw Failure(std::move(what), error).hint(storage_hint(error, pool, std::move(hint)));
    }
}

/// A call of which the daemon says nothing until it is over: a line goes on meanwhile, and is gone with the reply.
template <wire::Procedure procedure>
auto call_with_progress(Call& call, const std::string& label, const typename wire::Call<procedure>::Args& args) {
    ProgressBar bar(call.out, label);
    const auto never = [] { return false; };
    return call.server().call_watched<procedure>(args, ProgressBar::pace, never, [&] { bar.show_bytes(0); });
}

Option the_pool(Complete complete = Complete::pool);
/// The options of --xpath and --wrap.
Option xpath_option();
Option wrap_option();

/// `text` with what XML needs escaped.
std::string xml_escaped(std::string_view text);

/// Sorts by name as virsh does, without regard to case; equal names by case, so that the order is always the same.
bool before_without_case(const std::string& left, const std::string& right);

} // namespace domus::cli
