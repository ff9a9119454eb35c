// The registry's storage: repositories, blobs, uploads, manifests, tags and referrers in one
// directory, in the layout of the reference registry (docker/registry/v2/...), so that either can
// serve what the other wrote. A blob or manifest is visible only when whole, verified and linked
// into the repository; a crash leaves the thing or nothing. It knows no HTTP, users or rights.
// Every call may block; it is safe for many threads, and its collection runs beside pushes without
// racing them (gc.h).
//
// The directory may be shared storage, and another program may have written to it: what is on disk
// is the truth. The list of repositories is kept in memory and read again when asked to
// (refresh()).
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "os/fd.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::registry {

struct StoreLimits {
    std::size_t manifest_bytes_max = oci::manifest_bytes_max;
    std::size_t uploads_max = 10'000;                    ///< sessions at one time: Exhausted
    std::chrono::seconds upload_idle_max{7 * 24 * 3600}; ///< then a session may be collected
};

/// How much a repository may hold: the sum of the blobs that it links. Longest prefix wins.
struct Quota {
    std::string prefix; ///< "team/", "" for all
    std::int64_t bytes_max = 0;
};

struct StoreOptions {
    std::string root; ///< the directory that holds docker/registry/v2
    StoreLimits limits{};
    std::vector<Quota> quotas;
};

struct OpenBlob {
    os::Fd file;
    std::int64_t size = 0;
    std::string media_type; ///< "application/octet-stream"
};

struct UploadState {
    std::string id; ///< a UUID
    std::uint64_t offset = 0;
    Instant started;
};

/// The one writer of an upload. Destroying it keeps what has been written.
class UploadWriter {
  public:
    virtual ~UploadWriter() = default;
    virtual Result<void> write(std::string_view bytes) = 0; ///< Exhausted: disk or quota
    virtual std::uint64_t offset() const = 0;
};

struct StoredManifest {
    oci::Digest digest;
    std::string media_type;
    std::string bytes;
};
struct PutManifest {
    oci::Digest digest;
    oci::Digest subject; ///< empty when the manifest has none
};

struct Referrer {
    oci::Descriptor descriptor; ///< with annotations
    std::string artifact_type;
};

struct RepositorySummary {
    std::string name;
    std::int64_t bytes = 0; ///< linked blobs, each once
    std::size_t tags = 0;
    Instant changed; ///< newest tag
};

class Store {
  public:
    /// Makes what is missing. Fails: Invalid when `root` holds something else.
    static Result<std::shared_ptr<Store>> open(StoreOptions options, const Clock& clock,
                                               Random& random);
    virtual ~Store() = default;

    // --- repositories ---

    /// Names after `last`, in byte order, at most `n`; those that `show` lets through. Memory only.
    using Show = std::function<bool(const std::string& name)>;
    virtual std::vector<std::string> repositories(std::string_view last, std::size_t n,
                                                  const Show& show = {}) const = 0;
    virtual bool has_repository(const std::string& name) const = 0;
    virtual Result<RepositorySummary> summary(const std::string& name) const = 0;
    virtual Result<void> remove_repository(const std::string& name) = 0;
    virtual Result<void> refresh() = 0;
    virtual void set_quotas(std::vector<Quota> quotas) = 0;

    // --- blobs: only through a repository that links them ---

    /// Fails: NotFound, also when another repository has it.
    virtual Result<OpenBlob> open_blob(const std::string& name,
                                       const oci::Digest& digest) const = 0;
    virtual Result<std::int64_t> blob_size(const std::string& name,
                                           const oci::Digest& digest) const = 0;
    virtual Result<void> delete_blob(const std::string& name, const oci::Digest& digest) = 0;
    /// Links a blob of `from` into `to`. Fails: NotFound; Exhausted (quota).
    virtual Result<void> mount(const std::string& to, const std::string& from,
                               const oci::Digest& digest) = 0;
    /// A repository that links it, out of those that `show` lets through: for a mount that names no
    /// source. "" when there is none.
    virtual std::string find_source(const oci::Digest& digest, const Show& show) const = 0;

    // --- uploads ---

    virtual Result<UploadState> begin_upload(const std::string& name) = 0;
    /// Fails: NotFound (unknown, finished, cancelled, of another repository).
    virtual Result<UploadState> upload(const std::string& name, const std::string& id) const = 0;
    /// Fails: NotFound; Conflict while another writer has it.
    virtual Result<std::unique_ptr<UploadWriter>> write_upload(const std::string& name,
                                                               const std::string& id) = 0;
    /// Verifies and links. The session is over when this succeeds; after a wrong digest (Invalid)
    /// the session is over too, and nothing is visible. Fails: Exhausted (quota).
    virtual Result<void> finish_upload(const std::string& name, const std::string& id,
                                       const oci::Digest& digest) = 0;
    virtual Result<void> cancel_upload(const std::string& name, const std::string& id) = 0;

    // --- manifests ---

    /// `reference` is a tag or a digest. Fails: NotFound.
    virtual Result<StoredManifest> manifest(const std::string& name,
                                            const std::string& reference) const = 0;
    /// Checks that it is a manifest of `media_type`, that a digest is its own, and that the blobs
    /// and manifests that it names are there (an index's manifests too: no sparse indexes).
    /// Fails: Invalid; NotFound naming the missing blob (`missing` lists all of them); Exhausted
    /// (quota).
    virtual Result<PutManifest> put_manifest(const std::string& name, const std::string& reference,
                                             const std::string& media_type, std::string_view bytes,
                                             std::vector<oci::Digest>* missing) = 0;
    /// With its tags. Fails: NotFound.
    virtual Result<std::vector<std::string>> delete_manifest(const std::string& name,
                                                             const oci::Digest& digest) = 0;
    virtual Result<void> delete_tag(const std::string& name, const std::string& tag) = 0;
    /// After `last`, in byte order, at most `n`. Fails: NotFound for an unknown repository.
    virtual Result<std::vector<std::string>> tags(const std::string& name, std::string_view last,
                                                  std::size_t n) const = 0;
    struct TagInfo {
        std::string tag;
        oci::Digest digest;
        Instant changed;
    };
    virtual Result<std::vector<TagInfo>> tag_infos(const std::string& name, std::string_view last,
                                                   std::size_t n) const = 0;
    /// The digest that a tag names; nothing when there is no such tag.
    virtual std::optional<oci::Digest> tag_digest(const std::string& name,
                                                  const std::string& tag) const = 0;
    struct TagTime {
        std::string tag;
        Instant changed;
    };
    /// All of them in byte order, for lists: what each stands for is not read. Fails as tags().
    virtual Result<std::vector<TagTime>> tag_times(const std::string& name) const = 0;
    /// Grows with every change of the repository through this object: what was read before may be
    /// old.
    virtual std::uint64_t changes(const std::string& name) const = 0;
    /// Manifests whose subject is `digest`, in order of digest; `artifact_type` "" for all. Not an
    /// error when there is no such manifest: then none.
    virtual Result<std::vector<Referrer>> referrers(const std::string& name,
                                                    const oci::Digest& digest,
                                                    std::string_view artifact_type) const = 0;

    /// May a byte be written there: for the health endpoint.
    virtual Result<void> check_writable() const = 0;
};

} // namespace shoal::registry
