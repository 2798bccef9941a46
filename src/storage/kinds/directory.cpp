// Pool type 'dir': a folder of the host, and the files in it.
#include "storage/folder_kind.hpp"

namespace domus::storage {

namespace {

class Directory final : public FolderKind {
public:
    Directory()
        : FolderKind({
              .name = "dir",
              .about = "a folder of the host, and the files in it",
              .can = abilities_of<Kind, Directory>(),
              .reach = Reach::folder,
          }) {}
    void admit(model::Pool& pool) const override { admit_target(pool); }
    std::string source(const model::Pool& pool) const override { return "folder " + *pool.target; }

    Task<> build(Definition pool, unsigned flags, Site site) const override {
        refuse_formatting(*pool, flags);
        auto work = [pool] { make_folder(*pool); };
        return site.block(std::move(work));
    }
    Task<> start(Definition pool, Site site) const override {
        auto work = [pool] { require_folder(*pool); };
        return site.block(std::move(work));
    }
};

} // namespace

const Kind& kind_directory() {
    static const Directory kind;
    return kind;
}

} // namespace domus::storage
