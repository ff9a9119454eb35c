#include "build/cache.h"

#include "base/codec.h"
#include "base/text.h"
#include "base/time.h"
#include "blob/hash.h"

#include <algorithm>
#include <set>

namespace shoal::build {
namespace {

constexpr const char* row_kind = "build_cache";
/// A use is written down again when it is this much later: a cached build should not write at all.
constexpr auto use_granularity = std::chrono::minutes(5);

} // namespace

template <class V> void describe(V& v, StepRecord& r) {
    v("Image", r.image);
    v("Parent", r.parent);
    v("Description", r.description);
    v("Size", r.size_bytes);
    v("Created", r.created);
    v("LastUsed", r.last_used);
    v("UsageCount", r.usage_count);
}

KeyMaker& KeyMaker::add(std::string_view part) {
    text_ += std::to_string(part.size());
    text_ += ':';
    text_ += part;
    return *this;
}

std::string KeyMaker::finish() const { return blob::hash(text_).hex(); }

Cache::Cache(engine::Store& store, std::function<bool(const oci::ImageId&)> exists)
    : store_(store), exists_(std::move(exists)) {}

Result<void> Cache::load() {
    TRY_LET(rows, store_.load_all(row_kind));
    for (const auto& [key, text] : rows) {
        auto record = codec::parse<StepRecord>(text, codec::Unknown::Ignore);
        if (!record || !exists_(record->image)) {
            TRY(store_.remove(row_kind, key));
            continue;
        }
        record->key = key;
        records_[key] = std::move(*record);
    }
    return ok();
}

Result<void> Cache::save(const StepRecord& record) {
    return store_.put(row_kind, record.key, codec::print(record));
}

std::optional<oci::ImageId> Cache::find(const std::string& key, Instant now) {
    const auto found = records_.find(key);
    if (found == records_.end()) { return std::nullopt; }
    StepRecord& record = found->second;
    if (!exists_(record.image)) {
        (void)remove(key);
        return std::nullopt;
    }
    ++record.usage_count;
    if (now - record.last_used > use_granularity) {
        record.last_used = now;
        (void)save(record); // only the order of a later prune depends on it
    }
    return record.image;
}

Result<void> Cache::put(StepRecord record) {
    TRY(save(record));
    std::string key = record.key;
    records_[std::move(key)] = std::move(record);
    return ok();
}

Result<void> Cache::remove(const std::string& key) {
    TRY(store_.remove(row_kind, key));
    records_.erase(key);
    return ok();
}

std::vector<std::string> Cache::stale() const {
    std::vector<std::string> keys;
    for (const auto& [key, record] : records_) {
        if (!exists_(record.image)) { keys.push_back(key); }
    }
    return keys;
}

namespace {

Result<bool> passes_bool(const Filters& filters, std::string_view key, bool value) {
    if (!filters.has(key)) { return true; }
    TRY_LET(wanted, filters.boolean(key, value));
    return wanted == value;
}

/// "24h" before now, or a time.
Result<bool> unused_since(const Filters& filters, std::string_view key, Instant last_used,
                          Instant now) {
    for (const auto& text : filters.values(key)) {
        TRY_LET(limit, parse_timestamp(text, now).with(key));
        if (last_used >= limit) { return false; }
    }
    return true;
}

} // namespace

Result<bool> passes(const CacheRecord& record, const Filters& filters, Instant now) {
    TRY(filters.allow_only({"until", "unused-for", "id", "parent", "type", "description", "inuse",
                            "shared", "private"}));
    TRY_LET(in_use, passes_bool(filters, "inuse", record.in_use));
    TRY_LET(shared, passes_bool(filters, "shared", record.shared));
    TRY_LET(own, passes_bool(filters, "private", !record.shared));
    TRY_LET(old, unused_since(filters, "until", record.last_used, now));
    TRY_LET(unused, unused_since(filters, "unused-for", record.last_used, now));
    return in_use && shared && own && old && unused && filters.prefix("id", record.id) &&
           filters.exact("parent", record.parent) && filters.exact("type", record.type) &&
           filters.fuzzy("description", record.description);
}

std::vector<std::string> plan_cache_prune(const std::vector<CacheRecord>& records,
                                          const PruneRequest& request,
                                          const std::vector<std::string>& passing) {
    const std::set<std::string> wanted(passing.begin(), passing.end());
    std::vector<const CacheRecord*> order;
    std::int64_t total = 0;
    for (const auto& record : records) {
        if (!record.shared || request.all) { total += record.size_bytes; }
        if (record.in_use || !wanted.contains(record.id)) { continue; }
        if (record.shared && !request.all) { continue; }
        order.push_back(&record);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto* a, const auto* b) { return a->last_used < b->last_used; });
    const std::int64_t keep = std::max(request.keep_bytes, request.keep_min_bytes);
    std::vector<std::string> ids;
    for (const auto* record : order) {
        if (keep > 0 && total <= keep) { break; }
        total -= record->size_bytes;
        ids.push_back(record->id);
    }
    return ids;
}

} // namespace shoal::build
