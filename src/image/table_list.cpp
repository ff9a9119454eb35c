// Which images a list shows: Docker's rules for GET /images/json.
#include "image/table.h"

#include "base/time.h"

#include <algorithm>

namespace shoal::image {
namespace {

struct Bounds {
    std::optional<Instant> before;
    std::optional<Instant> since;
};

Result<Bounds> bounds_of(const ImageTable& table, const Filters& filters, Instant now) {
    Bounds bounds;
    const auto earlier = [&bounds](Instant at) {
        bounds.before = bounds.before ? std::min(*bounds.before, at) : at;
    };
    for (const auto& value : filters.values("until")) {
        TRY_LET(at, parse_timestamp(value, now).with("until"));
        earlier(at);
    }
    for (const auto& value : filters.values("before")) {
        TRY_LET(image, table.resolve(value));
        earlier(image->config->created);
    }
    for (const auto& value : filters.values("since")) {
        TRY_LET(image, table.resolve(value));
        const Instant at = image->config->created;
        bounds.since = bounds.since ? std::max(*bounds.since, at) : at;
    }
    return bounds;
}

bool within(const Bounds& bounds, Instant created) {
    return (!bounds.before || created < *bounds.before) &&
           (!bounds.since || created > *bounds.since);
}

bool has_labels(const Filters& filters, const Labels& labels) {
    if (!filters.labels("label", labels)) { return false; }
    return !filters.has("label!") || !filters.labels("label!", labels);
}

Result<std::vector<Reference>> matching(const std::vector<Reference>& references,
                                        const Filters& filters) {
    if (!filters.has("reference")) { return references; }
    std::vector<Reference> matched;
    for (const auto& reference : references) {
        for (const auto& pattern : filters.values("reference")) {
            TRY_LET(matches, oci::matches_pattern(reference, pattern));
            if (!matches) { continue; }
            matched.push_back(reference);
            break;
        }
    }
    return matched;
}

} // namespace

Result<std::vector<Listed>> list_images(const ImageTable& table, const ListOptions& options,
                                        Instant now) {
    const Filters& filters = options.filters;
    TRY(filters.allow_only(
        {"dangling", "label", "label!", "before", "since", "reference", "until"}));
    TRY_LET(dangling, filters.boolean("dangling", false));
    TRY_LET(bounds, bounds_of(table, filters, now));
    std::vector<Listed> all;
    for (const auto& [id, record] : table.all()) {
        if (!within(bounds, record.config->created) ||
            !has_labels(filters, record.config->config.labels)) {
            continue;
        }
        const bool is_parent = record.intermediate || !table.children(id).empty();
        const auto references = table.references(id);
        TRY_LET(shown, matching(references, filters));
        if (references.empty()) {
            const bool hidden = (is_parent && !options.all) || (dangling && is_parent) ||
                                (filters.has("dangling") && !dangling) || filters.has("reference");
            if (hidden) { continue; }
        } else if (shown.empty()) {
            continue;
        } else if (dangling && references.front().has_tag()) {
            continue;
        }
        all.push_back({&record, std::move(shown)});
    }
    std::stable_sort(all.begin(), all.end(), [](const Listed& a, const Listed& b) {
        return a.image->config->created > b.image->config->created;
    });
    return all;
}

Result<std::vector<std::string>> plan_prune(const ImageTable& table, const Filters& filters,
                                            Instant now, const UsesOf& uses) {
    TRY(filters.allow_only({"dangling", "label", "label!", "until"}));
    TRY_LET(dangling_only, filters.boolean("dangling", true));
    TRY_LET(bounds, bounds_of(table, filters, now));
    std::vector<std::string> names;
    for (const auto& [id, record] : table.all()) {
        const auto references = table.references(id);
        if (!within(bounds, record.config->created) ||
            !has_labels(filters, record.config->config.labels)) {
            continue;
        }
        if (!uses(id).empty()) { continue; }
        if (references.empty()) {
            if (!record.intermediate && table.children(id).empty()) { names.push_back(prefixed(id)); }
            continue;
        }
        if (dangling_only && references.front().has_tag()) { continue; }
        for (const auto& reference : references) { names.push_back(reference.familiar()); }
    }
    return names;
}

} // namespace shoal::image
