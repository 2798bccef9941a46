// What is common to the pools whose volumes are the files of a folder: one of the host, or one that is mounted.
#pragma once

#include "storage/kind.hpp"

namespace domus::storage {

class FolderKind : public Kind {
public:
    explicit FolderKind(KindInfo info);
    std::optional<Watched> watched(const model::Pool& pool) const override { return Watched{*pool.target, true, {}}; }
    Task<> remove(Definition pool, Site site) const override;
    Task<Contents> look(Definition pool, Site site) const override;
    Task<Contents> look_again(Definition pool, Known known, Site site) const override;
    bool surely_unchanged(const model::Volume& known, dev_t device, const timespec& since) const override;
    Task<Contents> measure(Definition pool, Site site) const override;
    std::optional<std::string> file_of(const model::Pool& pool, const std::string& volume) const override;
    Task<model::Volume> look_at(Definition pool, std::string volume, Site site) const override;
    Task<> remove_volume(Definition pool, VolumePtr volume, unsigned flags, Site site) const override;
    Task<> create(Definition pool, model::Volume wanted, unsigned flags, Site site) const override;
    Task<> copy(Definition pool, model::Volume wanted, Origin from, unsigned flags, Site site) const override;
    Task<> resize(Definition pool, VolumePtr volume, ByteCount capacity, unsigned flags, Site site) const override;

protected:
    /// Requires an absolute <target><path> and writes it in its simplest form.
    static void admit_target(model::Pool& pool);
    /// Makes the folder, with its owner and mode.
    static void make_folder(const model::Pool& pool);
    /// Throws where a folder without a device of its own is asked to be formatted. Flags: build_flag.
    static void refuse_formatting(const model::Pool& pool, unsigned flags);
    /// Throws if it is not there, telling how to make it.
    static void require_folder(const model::Pool& pool);
};

} // namespace domus::storage
