// The bytes of an open volume, for transfers: those of a file, a device, or a unit that a server has. All of it blocks,
// but for size() and the destructor: it is used in the lane of the volume's pool, by one at a time.
#pragma once

#include "os/unique_fd.hpp"

#include <cstdint>
#include <string>

namespace domus::storage {

/// What stopped a transfer; nothing where `number` is 0.
struct Fault {
    int number = 0;  ///< an errno
    std::string why; ///< in the words of the server, if there is one
};

/// What lies at a place: so much data, or a hole.
struct Piece {
    std::string data; ///< empty at the end
    std::uint64_t hole = 0;
    Fault fault;
};

/// So many bytes, and why not more.
struct Written {
    std::uint64_t bytes = 0;
    Fault fault;
};

class VolumeData {
public:
    virtual ~VolumeData() = default;
    /// In bytes, when it was opened or now.
    virtual std::uint64_t size() const = 0;
    /// Of [at, end) as much as comes at once, and no more data than `most` bytes. Holes are told only if asked for.
    virtual Piece read(std::uint64_t at, std::uint64_t end, bool holes, std::size_t most) = 0;
    virtual Written write(std::uint64_t at, const std::string& data) = 0;
    /// The bytes of a hole are zeros; a file that ends in one gets its length. Perhaps not of all of it at once.
    virtual Written write_hole(std::uint64_t at, std::uint64_t length) = 0;
    /// What was written is where it is to be, as far as that can fail by now.
    virtual Fault flush() = 0;
    /// Takes leave of a server. Without it the connection is cut.
    virtual void close() {}
};

/// A file or a device.
class FileData final : public VolumeData {
public:
    explicit FileData(UniqueFd fd) : fd_(std::move(fd)) {}

    std::uint64_t size() const override;
    Piece read(std::uint64_t at, std::uint64_t end, bool holes, std::size_t most) override;
    Written write(std::uint64_t at, const std::string& data) override;
    Written write_hole(std::uint64_t at, std::uint64_t length) override;
    Fault flush() override;

private:
    /// Of so many, as many as go at once.
    Written write_zeros(std::uint64_t at, std::uint64_t length);

    UniqueFd fd_;
};

} // namespace domus::storage
