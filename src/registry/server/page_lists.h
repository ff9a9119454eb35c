// The lists and documents that the page shows, out of the storage. Lists of many thousand tags are
// costly on slow storage, so they are kept for some seconds, and what a digest stands for, which
// never changes, for longer. It knows no HTTP and asks for no rights. Every call may block; it is
// safe for many threads.
#pragma once

#include "base/json.h"
#include "registry/server/store.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace shoal::registry {

/// Which part of a list is wanted.
struct ListWindow {
    std::string search; ///< in lower case; "" for all
    std::size_t offset = 0;
    std::size_t count = 50;
};

enum class TagOrder { Name, Newest };

class PageLists {
  public:
    PageLists(std::shared_ptr<const Store> store, const Clock& clock);
    ~PageLists();

    /// {"total", "repositories": [{"name","tags","bytes","changed"}]} of those that `show` lets
    /// through.
    Json repositories(const ListWindow& window,
                      const std::function<bool(const std::string&)>& show) const;
    /// {"name","tags","bytes","changed"}
    Result<Json> repository(const std::string& name) const;
    /// {"total", "tags": [{"tag","changed", and a summary as in browse.h}]}; with `digest` only
    /// those that stand for it.
    Result<Json> tags(const std::string& name, const ListWindow& window, TagOrder order,
                      const std::optional<oci::Digest>& digest);
    Result<Json> manifest(const std::string& name, const std::string& reference) const;
    /// {"referrers": [...]}
    Result<Json> referrers(const std::string& name, const oci::Digest& digest) const;

  private:
    struct Kept;
    using Times = std::shared_ptr<const std::vector<Store::TagTime>>;
    Result<Times> times_of(const std::string& name);
    Json summary_of(const std::string& name, const oci::Digest& digest, std::size_t* bytes_left);

    std::shared_ptr<const Store> store_;
    const Clock& clock_;
    std::unique_ptr<Kept> kept_;
};

} // namespace shoal::registry
