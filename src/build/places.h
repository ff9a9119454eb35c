// Directories that outlive a build so that the next one is faster: the last copy of a client's
// directory, and cache mounts. Each has a row in the store and lies in data-root/build/<id>/data.
// Who uses one holds a lease; without one it may be pruned at any time.
#pragma once

#include "build/builder.h"
#include "engine/env.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::build {

struct Place {
    std::string id;   ///< 64 hex digits
    std::string type; ///< "source.local", "exec.cachemount"
    std::string description;
    std::int64_t size_bytes = 0; ///< when last measured
    Instant created{};
    Instant last_used{};
    int usage_count = 0;
    int users = 0; ///< leases; not kept in the store
};

class Places {
  public:
    explicit Places(engine::Env& env);

    /// Reads the rows; directories without a row, and rows without a directory, go.
    net::Task<Result<void>> load();

    class Lease {
      public:
        Lease() = default;
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&& other) noexcept;
        ~Lease();
        const std::string& path() const { return path_; }
        bool fresh() const { return fresh_; } ///< nobody has filled it yet

      private:
        friend class Places;
        Places* places_ = nullptr;
        std::string id_;
        std::string path_;
        bool fresh_ = false;
    };
    struct Wish {
        std::string id;
        std::string type;
        std::string description;
        bool filled_by_caller =
            false; ///< while it is fresh there is no directory: it is renamed there
    };
    /// Makes it when it is not there. Several leases of one place may live at a time.
    Result<Lease> take(const Wish& wish);
    bool in_use(const std::string& id) const;
    const std::map<std::string, Place>& all() const { return places_; }
    /// Looks how large it has become; off the path of builds.
    net::Task<void> measure(std::string id);
    net::Task<Result<void>> remove(std::string id);

  private:
    std::string directory(const std::string& id) const;
    Result<void> save(const Place& place);
    engine::Env& env_;
    std::map<std::string, Place> places_;
};

} // namespace shoal::build
