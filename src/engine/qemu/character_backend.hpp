// A character device's options in the form that chardev-add takes (QEMU's qapi/char.json, ChardevBackend).
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace domus::engine::qemu {

/// From "socket,id=charchannel0,path=/x,server=on": {"id": "charchannel0", "backend": {...}}. Throws config_unsupported
/// for a backend that is not plugged in.
boost::json::object character_backend(std::string_view options);

} // namespace domus::engine::qemu
