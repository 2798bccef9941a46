// The file that a domain's memory is saved to, in libvirt's format (its qemu driver's "save image"), so that images of
// libvirtd are restored here and ours there: a header of 92 bytes, the domain's XML with room to grow, and QEMU's
// migration stream. Everything here blocks: call it in a lane.
//
//     auto file = SaveFile::create(caller, "/tmp/web.save", xml, true);   // "LibvirtQemudPart" until it is complete
//     ... QEMU writes behind file.fd() ...
//     file.complete();                                                    // takes the place of what was saved there before
//     auto image = open_save_image(caller, "/tmp/web.save");             // image.fd stands at the stream
#pragma once

#include "compute/memory/save_beside.hpp"
#include "os/credentials.hpp"
#include "os/unique_fd.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace domus::compute {

/// How the stream is packed (libvirt's save_image_format); we write raw ones.
enum class SaveFormat : std::uint32_t { raw, gzip, bzip2, xz, lzop, zstd };

/// What is before the stream.
struct SaveHeader {
    static constexpr std::size_t size = 92; ///< bytes in the file
    static constexpr std::uint32_t newest = 2;

    bool complete = true;
    std::uint32_t version = newest;
    std::uint32_t data_length = 0; ///< bytes of XML and cookie with their NULs and what is kept free
    bool was_running = true;
    SaveFormat format = SaveFormat::raw;
    std::uint32_t cookie_offset = 0; ///< from the end of the header; 0: there is none
    bool operator==(const SaveHeader&) const = default;
};

std::string encode(const SaveHeader& header);
/// Throws Error operation_failed, in libvirt's words, for what is no header or cannot be true of a file of `file_size`
/// bytes. A header of an unfinished save is returned.
SaveHeader decode_save_header(std::string_view bytes, std::uint64_t file_size, const std::filesystem::path& path);

/// Which file it is, whatever its name is by now. None: not known.
struct SaveId {
    std::uint64_t device = 0, inode = 0;
    bool known() const { return inode != 0; }
    bool operator==(const SaveId&) const = default;
};

/// A save in the making. Held with a lock against other programs that use the file; goes with its descriptor. A file that
/// has something in it stays until this one is complete, where that can be (save_beside.hpp); else it is emptied.
class SaveFile {
public:
    /// Makes the file with the rights of `caller` and writes what comes before the stream. Throws resource_busy if one of
    /// its name is in use (by QEMU as an image, by another save), operation_invalid if that is no plain file.
    static SaveFile create(const Credentials& caller, const std::filesystem::path& path, const std::string& xml,
                           bool was_running);

    const UniqueFd& fd() const { return beside_ ? beside_->fd : fd_; }
    const std::filesystem::path& path() const { return path_; }
    SaveId id() const;
    /// Its name while an older file has `path()`; empty if none has.
    std::filesystem::path beside() const { return beside_ ? beside_->path : std::filesystem::path(); }
    /// The stream is whole: on the disk first, then declared so, then under its name, which is on the disk too.
    void complete();
    /// Removes the file if it is still there. One that has taken the place of an older one stays: nothing else is left.
    void discard() noexcept;

private:
    SaveFile(UniqueFd fd, std::filesystem::path path, Credentials caller)
        : fd_(std::move(fd)), path_(std::move(path)), caller_(std::move(caller)) {}
    void choose_place();
    void begin(const std::string& xml, bool was_running) const;

    UniqueFd fd_; ///< what is under its name: the older file, if there is one
    std::filesystem::path path_;
    Credentials caller_;
    std::optional<SaveBeside> beside_;
    bool took_place_ = false;
};

struct SaveImage {
    SaveHeader header;
    std::string xml;
    UniqueFd fd; ///< read-only, at the first byte of the stream
};

/// Throws what open_as and decode_save_header throw; operation_failed also for an unfinished save.
SaveImage open_save_image(const Credentials& caller, const std::filesystem::path& path);

/// Whether there is a file that says of itself that it is an unfinished save.
bool is_unfinished_save(const std::filesystem::path& path);

/// How far a save came that a killed daemon has left; `other`: what has that name is not the file that it has made.
enum class SaveLeft { other, unfinished, complete };
/// Without `id` the header alone is judged.
SaveLeft look_at_save(const std::filesystem::path& path, SaveId id);
/// Removes what that save has made, if it is unfinished and still has that name; nothing else.
void remove_unfinished_save(const std::filesystem::path& path, SaveId id);
/// The same of one that was written beside an older file, whether it was whole or not.
void remove_save_beside(const std::filesystem::path& beside, SaveId id);

/// Replaces the XML and the state in which it is restored: whatever fails and whoever is killed in between, the image has
/// the old or the new ones (save_edit.hpp). Throws operation_failed if the new XML needs more room than was kept free.
void rewrite_save_image(const Credentials& caller, const std::filesystem::path& path, const std::string& xml,
                        bool was_running);

} // namespace domus::compute
