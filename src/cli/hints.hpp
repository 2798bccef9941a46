// The commands that hints name, made to work where they are printed: with the URI that the person gave.
#pragma once

#include <string>
#include <string_view>

namespace domus::cli {

/// "start it with 'domus start web'" becomes "start it with 'domus -c URI start web'". Commands that need no daemon, and
/// those that name one, stay as they are; so does everything when the URI is empty.
std::string hint_with_uri(std::string_view hint, std::string_view uri);

} // namespace domus::cli
