// Which images running domains only boot or read from: installers delete such a file while the guest has it open.
#pragma once

#include <string>

namespace domus::compute {

struct Environment;
class Domains;

/// Whether a running domain has that file as a read-only CD-ROM or floppy, kernel or initrd, and none has it as anything
/// else, as far as definitions say it. QEMU keeps the file open, so the guest goes on without the file's name.
bool only_boot_medium(const Environment& environment, const Domains& domains, const std::string& path);

} // namespace domus::compute
