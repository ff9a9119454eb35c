// What the pull-through cache keeps on disk: per repository its manifests, tags and blobs. A blob
// of several repositories is one file with several names (hard links), so that each repository
// shows only what its upstream has shown for it. Blocking; times of files say when they were last
// read.
#pragma once

#include "base/clock.h"
#include "registry/server/store.h"

namespace shoal::registry::cache_files {

struct KnownTag {
    oci::Digest digest;
    Instant checked; ///< when the upstream last said so
};

/// Makes the directories and removes unfinished files.
Result<void> prepare(const std::string& root);
std::string temporary(const std::string& root, std::uint64_t number);

Result<StoredManifest> load_manifest(const std::string& root, const std::string& name,
                                     const oci::Digest& digest);
Result<void> save_manifest(const std::string& root, const std::string& name,
                           const StoredManifest& manifest);
Result<KnownTag> load_tag(const std::string& root, const std::string& name, const std::string& tag);
Result<void> save_tag(const std::string& root, const std::string& name, const std::string& tag,
                      const KnownTag& known);
Result<void> forget_tag(const std::string& root, const std::string& name, const std::string& tag);
std::vector<std::string> tags(const std::string& root, const std::string& name);

Result<OpenBlob> open_blob(const std::string& root, const std::string& name,
                           const oci::Digest& digest);
/// What name a manifest or blob has in its folder: "sha256-…".
std::string item_of(const oci::Digest& digest);
/// A whole and verified file becomes the blob, on disk for certain.
Result<void> keep_blob(const std::string& root, const std::string& name, const oci::Digest& digest,
                       const std::string& file);
/// Another repository's copy becomes this one's too. Fails: NotFound when there is none.
Result<void> link_blob(const std::string& root, const std::string& name, const oci::Digest& digest);

} // namespace shoal::registry::cache_files
