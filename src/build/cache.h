// The build cache: which step, above which image, gave which image. A key is the digest of all that
// can change a step's result; records are made only by steps that ran here, so nothing that an
// image from elsewhere says about itself can enter. Decides in memory and keeps rows in the store.
#pragma once

#include "build/builder.h"
#include "engine/store.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace shoal::build {

/// Builds a key from parts; each part is counted, so that no two lists of parts look alike.
class KeyMaker {
  public:
    KeyMaker& add(std::string_view part);
    std::string finish() const; ///< 64 hex digits

  private:
    std::string text_;
};

struct StepRecord {
    std::string key;
    oci::ImageId image;
    oci::ImageId parent;     ///< empty above nothing
    std::string description; ///< "RUN make"
    std::int64_t size_bytes = 0;
    Instant created{};
    Instant last_used{};
    int usage_count = 0;
};

class Cache {
  public:
    /// `exists` says whether an image is still there.
    Cache(engine::Store& store, std::function<bool(const oci::ImageId&)> exists);

    Result<void> load();
    /// The image that the step gave, if it is still there; counts as a use.
    std::optional<oci::ImageId> find(const std::string& key, Instant now);
    Result<void> put(StepRecord record);
    Result<void> remove(const std::string& key);
    const std::map<std::string, StepRecord>& all() const { return records_; }
    /// Records whose image has gone.
    std::vector<std::string> stale() const;

  private:
    Result<void> save(const StepRecord& record);
    engine::Store& store_;
    std::function<bool(const oci::ImageId&)> exists_;
    std::map<std::string, StepRecord> records_;
};

/// Does a record pass a prune's filters? Keys as in PruneRequest. Fails: Invalid for unknown keys.
Result<bool> passes(const CacheRecord& record, const Filters& filters, Instant now);
/// Which of the records go, oldest use first; pure. `passing` are the ids that the filters let
/// through.
std::vector<std::string> plan_cache_prune(const std::vector<CacheRecord>& records,
                                          const PruneRequest& request,
                                          const std::vector<std::string>& passing);

} // namespace shoal::build
