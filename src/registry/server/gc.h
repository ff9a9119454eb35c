// Collection, retention, usage and verification of a registry's storage, online: while pushes and
// pulls go on, from this process or another one on the same directory. A crash at any point loses
// nothing that a tag or an untagged but young manifest needs.
#pragma once

#include "registry/server/store.h"

namespace shoal::registry {

struct RetentionRule {
    std::string repositories;                         ///< a pattern: "team/*", "**"
    std::string tags = "*";                           ///< which tags the rule is about
    std::optional<int> keep_last;                     ///< the newest N of them
    std::optional<std::chrono::seconds> keep_younger; ///< than this
    std::vector<std::string> keep_tags;               ///< patterns that always stay
};

struct GcOptions {
    bool dry_run = false;
    bool untagged = true;             ///< manifests without tag, index or subject go
    std::chrono::seconds grace{3600}; ///< what is younger stays, referenced or not
    std::vector<RetentionRule> retention;
    std::vector<oci::Digest> keep; ///< deployed digests: never collected
    std::chrono::seconds upload_idle_max{7 * 24 * 3600};
    /// Called when a repository has been judged and nothing of it is gone yet: tests push then.
    std::function<void(const std::string& repository)> on_judged;
};

struct GcReport {
    std::vector<std::string> removed_tags;      ///< "name:tag"
    std::vector<std::string> removed_manifests; ///< "name@digest"
    std::vector<oci::Digest> removed_blobs;
    std::size_t removed_links = 0;
    std::size_t removed_uploads = 0;
    std::int64_t freed_bytes = 0;
    std::int64_t kept_bytes = 0;
};
Result<GcReport> collect_garbage(Store& store, const GcOptions& options);

struct RepositoryUsage {
    std::string name;
    std::int64_t bytes = 0;        ///< of all blobs it links
    std::int64_t unique_bytes = 0; ///< of those that no other repository links
    std::size_t tags = 0;
    std::size_t manifests = 0;
};
struct Usage {
    std::vector<RepositoryUsage> repositories;
    std::int64_t blobs_bytes = 0;
    std::int64_t garbage_bytes = 0; ///< linked by nobody
    std::int64_t uploads_bytes = 0;
};
Result<Usage> measure_usage(Store& store);

struct Rot {
    std::string
        what; ///< "blob sha256:… is sha256:…", "demo:latest names sha256:…, which is missing"
};
Result<std::vector<Rot>> verify_store(Store& store,
                                      const std::function<void(std::uint64_t)>& progress);

} // namespace shoal::registry
