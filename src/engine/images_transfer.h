// What pulls and pushes share beside the image table: how many transfers run at one time, who is
// fetching which layer, and in which blobs of which registries our layers are known to be. Part of
// the image service.
#pragma once

#include "base/codec.h"
#include "engine/images_state.h"
#include "net/lock.h"

namespace shoal::engine {

/// At most so many at one time; first come, first served.
class Slots {
  public:
    explicit Slots(net::Loop& loop) : queue_(loop) {}
    class Slot {
      public:
        Slot() = default;
        explicit Slot(Slots* of) : of_(of) {}
        Slot(Slot&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        Slot& operator=(Slot&& other) noexcept {
            std::swap(of_, other.of_);
            return *this;
        }
        ~Slot() { release(); }
        void release();

      private:
        Slots* of_ = nullptr;
    };
    net::Task<Result<Slot>> take(int slots_max, net::Until until);
    bool full(int slots_max) const { return taken_ >= slots_max; }

  private:
    net::WaitQueue queue_;
    int taken_ = 0;
};

/// A compressed form of a layer, and the repositories ("host:5000/a/b") that have it.
struct KnownBlob {
    oci::Digest digest;
    std::int64_t size = 0;
    std::string media_type;
    std::vector<std::string> repositories; ///< the latest last
};
template <class V> void describe(V& v, KnownBlob& b) {
    v("Digest", b.digest);
    v("Size", b.size);
    v("MediaType", b.media_type);
    v("Repositories", b.repositories);
}

/// By diff id. It is a memory, not a truth: a registry is asked before it is relied on.
class KnownBlobs {
  public:
    explicit KnownBlobs(Store& store) : store_(&store) {}
    Result<void> load();
    const std::vector<KnownBlob>& of(const oci::Digest& diff_id) const;
    void remember(const oci::Digest& diff_id, const KnownBlob& blob, const std::string& repository);
    void forget(const oci::Digest& diff_id, const oci::Digest& blob, const std::string& repository);

  private:
    void save(const oci::Digest& diff_id);
    Store* store_;
    std::map<oci::Digest, std::vector<KnownBlob>> blobs_;
};

struct ImageTransfers {
    ImageTransfers(net::Loop& loop, Store& store) : downloads(loop), uploads(loop), known(store) {}
    Slots downloads;
    Slots uploads;
    KnownBlobs known;
    /// Who fetches a layer; kept while somebody holds or waits.
    std::map<oci::ChainId, std::shared_ptr<net::Lock>> layers;
};

/// The first 12 digits, as progress lines name a layer.
inline std::string short_digest(const oci::Digest& digest) { return digest.hex().substr(0, 12); }
inline Json status_line(const std::string& id, const std::string& status) {
    return Json{{"status", status}, {"progressDetail", Json::object()}, {"id", id}};
}

} // namespace shoal::engine
