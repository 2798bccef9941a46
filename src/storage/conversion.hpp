// Copies by qemu-img, which reads what it knows how to reach: files, devices and images on servers, encrypted or not.
#pragma once

#include "storage/kind.hpp"

#include <boost/json/fwd.hpp>

namespace domus::storage {

/// What qemu-img calls a node of QEMU's block layer.
std::string node_name(const boost::json::object& node);

/// Has qemu-img hold a secret as its object `key`, through a descriptor: it stands nowhere else.
void pass_secret(Command& command, std::string_view key, std::string_view value);

/// The file or device to read from, open for reading: the one in `from`, else it is opened now (Origin::file).
Task<std::shared_ptr<UniqueFd>> source_file(Origin from, Site site);

/// `qemu-img convert` from a volume to one like `wanted`, with further options: the caller adds the name of what is
/// written to. Throws no_secret, and what the pool's kind does.
Task<std::shared_ptr<Command>> conversion(Origin from, model::Volume wanted, std::vector<std::string> options,
                                          Site site);

/// Runs qemu-img, which has been given -p, until it has written `size` or the work is cancelled; `encrypts` if it makes an
/// encrypted image. Names the package of a driver that it lacks.
Task<> convert(std::shared_ptr<Command> command, bool encrypts, ByteCount size, std::string purpose, Site site);

/// The same site, where programs are ended when the server that a volume is on does not answer any more.
Site beside(const Origin& from, Site site);

} // namespace domus::storage
