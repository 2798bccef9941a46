// Reads of a pool's storage take time, overlap, and end in any order. What a read saw is as old as its beginning: it is
// published only where nothing younger is known, so that a listing which began before a volume was made does not lose it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

namespace domus::storage {

class LookOrder {
public:
    /// A read under way. Made before the storage is asked.
    class Look {
    public:
        explicit Look(LookOrder& order) : order_(order), begun_(++order.clock_) { ++order.under_way_; }
        Look(const Look&) = delete;
        Look& operator=(const Look&) = delete;
        ~Look() {
            if (--order_.under_way_ == 0) order_.volumes_.clear(); // no older read is left to compare with
        }

    private:
        friend class LookOrder;
        LookOrder& order_;
        std::uint64_t begun_;
    };

    /// Whether what `look` saw of that volume is to be published; from then on it is what is known.
    bool accept(const Look& look, const std::string& volume) {
        auto& since = volumes_[volume];
        since = std::max(since, listing_);
        return accept(look, since);
    }
    /// The same for a listing of all volumes, but for those of each_younger().
    bool accept_listing(const Look& look) { return accept(look, listing_); }
    bool accept_sizes(const Look& look) { return accept(look, sizes_); }
    bool accept_watch(const Look& look) { return accept(look, watch_); }

    /// The names of volumes of which something younger is known than what `look` saw.
    template <class Visit> void each_younger(const Look& look, Visit visit) const {
        for (const auto& [volume, since] : volumes_)
            if (since > look.begun_) visit(volume);
    }

private:
    static bool accept(const Look& look, std::uint64_t& since) {
        if (since > look.begun_) return false;
        since = look.begun_;
        return true;
    }

    std::uint64_t clock_ = 0;
    std::uint64_t listing_ = 0, sizes_ = 0, watch_ = 0; ///< when the reads began from which these are known
    std::map<std::string, std::uint64_t> volumes_;      ///< the same for single volumes, while reads are under way
    unsigned under_way_ = 0;
};

} // namespace domus::storage
