// Changing what a save image has before its stream, so that a kill, a power cut or a full disk at any instant leaves the
// old or the new XML, whole. The new bytes go behind the end of the file first. Only when they are on the disk there, the
// old ones are written over; a mark in a part of the header that libvirt leaves unused says so meanwhile. This needs a file
// that may be written to and room for the XML: the stream is neither moved nor copied, QEMU reads no further than its end,
// and nothing happens in the folder.
//
//     HeadEdit(fd, path, new_header + new_data).run();
//     const auto edit = find_edit(fd, path, head_size);  // one that was cut off
//     if (edit) edit->settle();                          // or read edit->head()
//
// All of it blocks, throws Error, and is for whoever has the file locked.
#pragma once

#include "os/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace domus::compute {

class HeadEdit {
public:
    /// `head`: header and data, as long as those that are there. The file must outlive this.
    HeadEdit(const UniqueFd& fd, std::filesystem::path path, std::string head);

    /// After an Error the old head counts. What fails once the new one counts is a line in the log: reading still finds
    /// it, and the next change completes this one.
    void run() const;

    /// What run() does, one after the other; each is on the disk when it returns.
    using Step = void (HeadEdit::*)() const;
    static std::span<const Step> steps();
    static constexpr std::size_t committed = 2; ///< after so many of them the new head counts

    /// The new head, if it counts: it is whole behind the end of the file.
    const std::optional<std::string>& head() const { return head_; }
    /// Completes an edit that was cut off, or takes it back.
    void settle() const;

private:
    friend std::optional<HeadEdit> find_edit(const UniqueFd&, const std::filesystem::path&, std::size_t);
    HeadEdit(const UniqueFd& fd, std::filesystem::path path, std::uint64_t end, std::optional<std::string> head)
        : fd_(&fd), path_(std::move(path)), end_(end), head_(std::move(head)) {}

    void set_mark() const;
    void write_behind() const;
    void write_over() const;
    void cut() const;
    void clear_mark() const;
    void take_back() const noexcept;
    std::string mark() const;
    void put(std::string_view bytes, std::uint64_t at) const;
    void sync() const;

    const UniqueFd* fd_;
    std::filesystem::path path_;
    std::uint64_t end_; ///< of the file without what is written behind it
    std::optional<std::string> head_;
};

/// An edit that was cut off, as the mark in the header tells. `head_size`: of header and data.
std::optional<HeadEdit> find_edit(const UniqueFd& fd, const std::filesystem::path& path, std::size_t head_size);

} // namespace domus::compute
