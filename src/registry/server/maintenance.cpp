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

} // namespace

int run_gc_command(Store& store, const GcOptions& options, Output output) {
    const auto report = collect_garbage(store, options);
    if (!report) { return fail(report.error()); }
    if (output == Output::Json) {
        const Json document{{"dryRun", options.dry_run},
                            {"removedTags", report->removed_tags},
                            {"removedManifests", report->removed_manifests},
                            {"removedBlobs", texts_of(report->removed_blobs)},
                            {"removedLinks", report->removed_links},
                            {"removedUploads", report->removed_uploads},
                            {"freedBytes", report->freed_bytes},
                            {"keptBytes", report->kept_bytes}};
        fmt::print("{}\n", dump_json(document));
        return 0;
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
    return 0;
}

int run_du_command(Store& store, Output output) {
    const auto usage = measure_usage(store);
    if (!usage) { return fail(usage.error()); }
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
                            {"uploadsBytes", usage->uploads_bytes}};
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
