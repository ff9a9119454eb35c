#include "registry/server/maintenance.h"

#include "base/json.h"
#include "base/text.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace shoal::registry {
namespace {

int fail(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    return 1;
}

Json texts_of(const std::vector<oci::Digest>& digests) {
    Json list = Json::array();
    for (const auto& digest : digests) { list.push_back(digest.text()); }
    return list;
}

/// "hub/" or, for what no upstream covers any more, "(no upstream)"
std::string shown_prefix(const std::string& prefix) {
    return prefix.empty() ? "(no upstream)" : prefix;
}

Json json_of(const cache_upkeep::Holdings& held) {
    Json rows = Json::array();
    for (const auto& one : held.upstreams) {
        rows.push_back({{"prefix", one.prefix},
                        {"bytes", one.bytes},
                        {"repositories", one.repositories},
                        {"tags", one.tags},
                        {"manifests", one.manifests},
                        {"blobs", one.blobs}});
    }
    return Json{{"upstreams", std::move(rows)}, {"bytes", held.bytes}};
}

void print_cache(const cache_upkeep::Holdings& held) {
    if (held.upstreams.empty()) { return; }
    std::size_t width = 13;
    for (const auto& one : held.upstreams) { width = std::max(width, one.prefix.size()); }
    fmt::print("\n{:<{}}   {:>10}   {:>12}   {:>6}   {:>9}   {:>6}\n", "CACHE", width, "SIZE",
               "REPOSITORIES", "TAGS", "MANIFESTS", "BLOBS");
    for (const auto& one : held.upstreams) {
        fmt::print("{:<{}}   {:>10}   {:>12}   {:>6}   {:>9}   {:>6}\n", shown_prefix(one.prefix),
                   width, human_size(static_cast<double>(one.bytes)), one.repositories, one.tags,
                   one.manifests, one.blobs);
    }
    fmt::print("cache {}\n", human_size(static_cast<double>(held.bytes)));
}

} // namespace

int run_gc_command(Store& store, const GcOptions& options, const CachePlace& cache, Instant now,
                   Output output) {
    const auto report = collect_garbage(store, options);
    if (!report) { return fail(report.error()); }
    const auto act = options.dry_run ? cache_upkeep::Act::OnlySay : cache_upkeep::Act::Remove;
    const auto tidied =
        cache_upkeep::tidy(cache.root, cache_upkeep::rules_of(cache.upstreams, now), act);
    if (!tidied) { return fail(tidied.error()); }
    for (const auto& failure : tidied->failures) { fmt::print(stderr, "cache: {}\n", failure); }
    const int code = tidied->failures.empty() ? 0 : 1;
    if (output == Output::Json) {
        const Json document{{"dryRun", options.dry_run},
                            {"removedTags", report->removed_tags},
                            {"removedManifests", report->removed_manifests},
                            {"removedBlobs", texts_of(report->removed_blobs)},
                            {"removedLinks", report->removed_links},
                            {"removedUploads", report->removed_uploads},
                            {"freedBytes", report->freed_bytes},
                            {"keptBytes", report->kept_bytes},
                            {"cache",
                             {{"removedFiles", tidied->removed},
                              {"freedBytes", tidied->removed_bytes},
                              {"keptBytes", tidied->kept_bytes}}}};
        fmt::print("{}\n", dump_json(document));
        return code;
    }
    const char* verb = options.dry_run ? "would remove" : "removed";
    for (const auto& tag : report->removed_tags) { fmt::print("{} tag {}\n", verb, tag); }
    for (const auto& one : report->removed_manifests) { fmt::print("{} manifest {}\n", verb, one); }
    for (const auto& one : report->removed_blobs) { fmt::print("{} blob {}\n", verb, one.text()); }
    fmt::print("{} {} tags, {} manifests, {} blobs, {} links, {} uploads: {}; {} stay\n", verb,
               report->removed_tags.size(), report->removed_manifests.size(),
               report->removed_blobs.size(), report->removed_links, report->removed_uploads,
               human_size(static_cast<double>(report->freed_bytes)),
               human_size(static_cast<double>(report->kept_bytes)));
    if (tidied->removed > 0 || tidied->kept_bytes > 0) {
        fmt::print("{} {} files of the cache: {}; {} stay\n", verb, tidied->removed,
                   human_size(static_cast<double>(tidied->removed_bytes)),
                   human_size(static_cast<double>(tidied->kept_bytes)));
    }
    return code;
}

int run_du_command(Store& store, const CachePlace& cache, Output output) {
    const auto usage = measure_usage(store);
    if (!usage) { return fail(usage.error()); }
    const auto held = cache_upkeep::measure(cache.root, cache.upstreams);
    if (!held) { return fail(held.error()); }
    if (output == Output::Json) {
        Json rows = Json::array();
        for (const auto& one : usage->repositories) {
            rows.push_back({{"name", one.name},
                            {"bytes", one.bytes},
                            {"uniqueBytes", one.unique_bytes},
                            {"tags", one.tags},
                            {"manifests", one.manifests}});
        }
        const Json document{{"repositories", std::move(rows)},
                            {"blobsBytes", usage->blobs_bytes},
                            {"garbageBytes", usage->garbage_bytes},
                            {"uploadsBytes", usage->uploads_bytes},
                            {"cache", json_of(*held)}};
        fmt::print("{}\n", dump_json(document));
        return 0;
    }
    std::size_t width = 10;
    for (const auto& one : usage->repositories) { width = std::max(width, one.name.size()); }
    fmt::print("{:<{}}   {:>10}   {:>10}   {:>6}   {:>9}\n", "REPOSITORY", width, "SIZE", "UNIQUE",
               "TAGS", "MANIFESTS");
    for (const auto& one : usage->repositories) {
        fmt::print("{:<{}}   {:>10}   {:>10}   {:>6}   {:>9}\n", one.name, width,
                   human_size(static_cast<double>(one.bytes)),
                   human_size(static_cast<double>(one.unique_bytes)), one.tags, one.manifests);
    }
    fmt::print("blobs {}, of which nobody links {}; unfinished uploads {}\n",
               human_size(static_cast<double>(usage->blobs_bytes)),
               human_size(static_cast<double>(usage->garbage_bytes)),
               human_size(static_cast<double>(usage->uploads_bytes)));
    print_cache(*held);
    return 0;
}

int run_verify_command(Store& store, Output output) {
    std::uint64_t read = 0;
    const auto rot = verify_store(store, [&](std::uint64_t bytes) { read += bytes; });
    if (!rot) { return fail(rot.error()); }
    if (output == Output::Json) {
        Json list = Json::array();
        for (const auto& one : *rot) { list.push_back(one.what); }
        fmt::print("{}\n", dump_json(Json{{"readBytes", read}, {"problems", std::move(list)}}));
        return rot->empty() ? 0 : 1;
    }
    for (const auto& one : *rot) { fmt::print("{}\n", one.what); }
    fmt::print("{} read, {} problems\n", human_size(static_cast<double>(read)), rot->size());
    return rot->empty() ? 0 : 1;
}

} // namespace shoal::registry
