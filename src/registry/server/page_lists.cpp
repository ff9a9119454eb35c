#include "registry/server/page_lists.h"

#include "base/text.h"
#include "os/file.h"
#include "registry/server/browse.h"

#include <algorithm>
#include <map>

namespace shoal::registry {
namespace {

constexpr std::chrono::seconds times_age_max{20}; ///< another program may tag, too
constexpr std::size_t times_max = 16;             ///< repositories whose tags are kept
constexpr std::size_t summaries_max = 10'000;
constexpr std::size_t answer_bytes_max = 32 * 1024 * 1024; ///< read of the storage for one answer

bool matches(const std::string& name, const std::string& search) {
    return search.empty() || to_lower(name).find(search) != std::string::npos;
}

/// [first, last) of `size` things.
std::pair<std::size_t, std::size_t> cut_window(std::size_t size, const ListWindow& window) {
    const std::size_t first = std::min(window.offset, size);
    return {first, std::min(first + window.count, size)};
}

Json print_summary(const RepositorySummary& summary) {
    return Json{{"name", summary.name},
                {"tags", summary.tags},
                {"bytes", summary.bytes},
                {"changed", print_time(summary.changed)}};
}

std::optional<std::string> read_blob(const Store& store, const std::string& name,
                                     const oci::Digest& digest, std::size_t bytes_max) {
    const auto blob = store.open_blob(name, digest);
    if (!blob || blob->size > static_cast<std::int64_t>(bytes_max)) { return std::nullopt; }
    auto bytes = os::read_all(blob->file, bytes_max);
    return bytes ? std::optional(std::move(*bytes)) : std::nullopt;
}

/// Gives nothing any more when so many bytes have been read.
BrowseSource source_in(const Store& store, const std::string& name, std::size_t* bytes_left) {
    const auto take = [bytes_left](std::size_t size) {
        *bytes_left -= std::min(*bytes_left, size);
    };
    BrowseSource source;
    source.manifest = [&store, name, bytes_left,
                       take](const oci::Digest& digest) -> std::optional<StoredManifest> {
        if (*bytes_left == 0) { return std::nullopt; }
        auto manifest = store.manifest(name, digest.text());
        if (!manifest) { return std::nullopt; }
        take(manifest->bytes.size());
        return std::move(*manifest);
    };
    source.blob = [&store, name, bytes_left,
                   take](const oci::Digest& digest,
                         std::size_t bytes_max) -> std::optional<std::string> {
        if (*bytes_left == 0) { return std::nullopt; }
        auto bytes = read_blob(store, name, digest, bytes_max);
        if (bytes) { take(bytes->size()); }
        return bytes;
    };
    return source;
}

} // namespace

struct PageLists::Kept {
    struct Tags {
        std::mutex computing; ///< one reads the directory, the others wait for its result
        Times times;
        std::uint64_t changes = 0;
        Instant read;
    };
    std::mutex mutex; ///< what follows
    std::map<std::string, std::shared_ptr<Tags>> tags;
    std::map<std::string, Json> summaries; ///< by name and digest
};

PageLists::PageLists(std::shared_ptr<const Store> store, const Clock& clock)
    : store_(std::move(store)), clock_(clock), kept_(std::make_unique<Kept>()) {}
PageLists::~PageLists() = default;

Json PageLists::repositories(const ListWindow& window,
                             const std::function<bool(const std::string&)>& show) const {
    const auto wanted = [&](const std::string& name) {
        return matches(name, window.search) && show(name);
    };
    const auto names = store_->repositories("", SIZE_MAX, wanted);
    Json list = Json::array();
    const auto [first, last] = cut_window(names.size(), window);
    for (std::size_t i = first; i < last; ++i) {
        const auto summary = store_->summary(names[i]);
        list.push_back(summary ? print_summary(*summary) : Json{{"name", names[i]}});
    }
    return Json{{"total", names.size()}, {"repositories", std::move(list)}};
}

Result<Json> PageLists::repository(const std::string& name) const {
    TRY_LET(summary, store_->summary(name));
    return print_summary(summary);
}

Result<PageLists::Times> PageLists::times_of(const std::string& name) {
    std::shared_ptr<Kept::Tags> tags;
    {
        const std::lock_guard guard(kept_->mutex);
        if (kept_->tags.size() >= times_max && !kept_->tags.contains(name)) { kept_->tags.clear(); }
        auto& slot = kept_->tags[name];
        if (!slot) { slot = std::make_shared<Kept::Tags>(); }
        tags = slot;
    }
    const std::lock_guard guard(tags->computing);
    const std::uint64_t changes = store_->changes(name);
    const bool fresh =
        tags->times && tags->changes == changes && clock_.now() - tags->read < times_age_max;
    if (fresh) { return tags->times; }
    TRY_LET(times, store_->tag_times(name));
    tags->times = std::make_shared<const std::vector<Store::TagTime>>(std::move(times));
    tags->changes = changes;
    tags->read = clock_.now();
    return tags->times;
}

Json PageLists::summary_of(const std::string& name, const oci::Digest& digest,
                           std::size_t* bytes_left) {
    const std::string key = name + "@" + digest.text();
    {
        const std::lock_guard guard(kept_->mutex);
        const auto known = kept_->summaries.find(key);
        if (known != kept_->summaries.end()) { return known->second; }
    }
    const auto manifest = store_->manifest(name, digest.text());
    if (!manifest) { return Json::object(); } // it went a moment ago
    Json summary = summarize_manifest(*manifest, source_in(*store_, name, bytes_left));
    // Not all of it could be looked at, now.
    const bool partial = summary["size"].is_null() || *bytes_left == 0 ||
                         (summary["kind"] == "image" && summary["platforms"].empty());
    if (partial) { return summary; }
    const std::lock_guard guard(kept_->mutex);
    if (kept_->summaries.size() >= summaries_max) { kept_->summaries.clear(); }
    kept_->summaries[key] = summary;
    return summary;
}

Result<Json> PageLists::tags(const std::string& name, const ListWindow& window, TagOrder order,
                             const std::optional<oci::Digest>& digest) {
    TRY_LET(times, times_of(name));
    std::vector<Store::TagTime> wanted;
    for (const auto& one : *times) {
        if (!matches(one.tag, window.search)) { continue; }
        if (digest) {
            const auto stands_for = store_->tag_digest(name, one.tag);
            if (!stands_for || *stands_for != *digest) { continue; }
        }
        wanted.push_back(one);
    }
    if (order == TagOrder::Newest) {
        std::stable_sort(wanted.begin(), wanted.end(),
                         [](const auto& a, const auto& b) { return a.changed > b.changed; });
    }
    std::size_t bytes_left = answer_bytes_max;
    Json lines = Json::array();
    const auto [first, last] = cut_window(wanted.size(), window);
    for (std::size_t i = first; i < last; ++i) {
        const auto stands_for = store_->tag_digest(name, wanted[i].tag);
        Json line = stands_for ? summary_of(name, *stands_for, &bytes_left) : Json::object();
        line["tag"] = wanted[i].tag;
        line["changed"] = print_time(wanted[i].changed);
        lines.push_back(std::move(line));
    }
    return Json{{"total", wanted.size()}, {"tags", std::move(lines)}};
}

Result<Json> PageLists::manifest(const std::string& name, const std::string& reference) const {
    TRY_LET(manifest, store_->manifest(name, reference));
    std::size_t bytes_left = answer_bytes_max;
    return describe_manifest(manifest, source_in(*store_, name, &bytes_left));
}

Result<Json> PageLists::referrers(const std::string& name, const oci::Digest& digest) const {
    TRY_LET(all, store_->referrers(name, digest, ""));
    Json list = Json::array();
    for (const auto& one : all) {
        list.push_back({{"digest", one.descriptor.digest.text()},
                        {"mediaType", one.descriptor.media_type},
                        {"size", one.descriptor.size},
                        {"artifactType", one.artifact_type},
                        {"annotations", one.descriptor.annotations}});
    }
    return Json{{"referrers", std::move(list)}};
}

} // namespace shoal::registry
