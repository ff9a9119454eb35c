// The work on users' storage that may hang, as plain blocking functions. They run in a helper
// process when the storage is one that may hang (helper.h), and in place when it is not.
#pragma once

#include "base/result.h"
#include "volume/mount_plan.h"

#include <string>

namespace shoal::volume {

enum class PathKind { Missing, Directory, File, Other };
bool from_text(std::string_view text, PathKind& kind);
std::string to_text(PathKind kind);

struct Job {
    std::string kind;   ///< mount unmount probe mkdir copy subpath
    std::string path;   ///< mount: where; probe, mkdir, unmount: what; subpath: the volume
    Options options;    ///< mount
    std::string root;   ///< copy: container's root
    std::string source; ///< copy: path inside it; subpath: the path inside the volume
    std::string target; ///< subpath: where it is bound
};
template <class V> void describe(V& v, Job& job) {
    v("kind", job.kind);
    v("path", job.path);
    v("options", job.options);
    v("root", job.root);
    v("source", job.source);
    v("target", job.target);
}

Job mount_job(std::string path, Options options);
Job unmount_job(std::string path);
Job probe_job(std::string path);
Job mkdir_job(std::string path);
/// Copies only when `path` is empty.
Job copy_job(std::string path, std::string root, std::string source);
Job subpath_job(std::string volume, std::string subpath, std::string target);

/// The answer is the kind of path for probe, "" for the others.
Result<std::string> run_job(const Job& job);

} // namespace shoal::volume
