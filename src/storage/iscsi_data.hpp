// The bytes of a unit of an iSCSI target, in a session of their own.
#pragma once

#include "storage/iscsi_library.hpp"
#include "storage/volume_data.hpp"

#include <mutex>

namespace domus::storage {

class IscsiData final : public VolumeData {
public:
    /// Logs in. Throws as IscsiSession does.
    IscsiData(const IscsiLogin& login, const std::string& target, int number);
    ~IscsiData() override;

    std::uint64_t size() const override { return unit_.size(); }
    /// Zeros that were read are a hole.
    Piece read(std::uint64_t at, std::uint64_t end, bool holes, std::size_t most) override;
    Written write(std::uint64_t at, const std::string& data) override;
    Written write_hole(std::uint64_t at, std::uint64_t length) override;
    Fault flush() override;
    void close() override;

private:
    Fault break_off(const Error& error);
    std::string read_bytes(std::uint64_t at, std::uint64_t length);
    void write_bytes(std::uint64_t at, std::string_view data);
    void write_part(std::uint64_t block, std::uint64_t skip, std::string_view data);
    void clear_bytes(std::uint64_t at, std::uint64_t length);

    std::mutex turn_; ///< one who was given up at his deadline may still be at work
    std::unique_ptr<IscsiSession> session_;
    IscsiUnit unit_;
};

} // namespace domus::storage
