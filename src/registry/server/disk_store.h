// The store on disk: the one implementation of Store. Private to this folder; collection (gc.cpp,
// usage.cpp, verify.cpp) works on it. What must not meet a collection holds a Gate; the order in
// which files are written makes a crash harmless: data, then links, then tags.
#pragma once

#include "blob/hash.h"
#include "registry/server/layout.h"
#include "registry/server/manifest_facts.h"
#include "registry/server/store.h"
#include "registry/server/tree.h"

#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

namespace shoal::registry {

/// Many change things at one time, or one removes: among the threads of this process and among the
/// processes on this directory (flock). Whoever waits to remove lets nobody new in before it.
class Gate {
  public:
    explicit Gate(Tree tree) : tree_(std::move(tree)) {}
    class [[maybe_unused]] Held {
      public:
        std::shared_lock<std::shared_mutex> shared;
        std::unique_lock<std::shared_mutex> exclusive;
        os::Fd file; ///< its lock goes with it
    };
    Result<Held> change(); ///< links are made, data appears
    Result<Held> remove(); ///< data and links go

  private:
    Result<os::Fd> lock_file(const std::string& path, int operation);
    Tree tree_;
    std::shared_mutex mutex_;
};

class DiskStore : public Store {
  public:
    DiskStore(StoreOptions options, Tree tree, const Clock& clock, Random& random);

    std::vector<std::string> repositories(std::string_view last, std::size_t n,
                                          const Show& show) const override;
    bool has_repository(const std::string& name) const override;
    Result<RepositorySummary> summary(const std::string& name) const override;
    Result<void> remove_repository(const std::string& name) override;
    Result<void> refresh() override;
    void set_quotas(std::vector<Quota> quotas) override;

    Result<OpenBlob> open_blob(const std::string& name, const oci::Digest& digest) const override;
    Result<std::int64_t> blob_size(const std::string& name,
                                   const oci::Digest& digest) const override;
    Result<void> delete_blob(const std::string& name, const oci::Digest& digest) override;
    Result<void> mount(const std::string& to, const std::string& from,
                       const oci::Digest& digest) override;
    std::string find_source(const oci::Digest& digest, const Show& show) const override;

    Result<UploadState> begin_upload(const std::string& name) override;
    Result<UploadState> upload(const std::string& name, const std::string& id) const override;
    Result<std::unique_ptr<UploadWriter>> write_upload(const std::string& name,
                                                       const std::string& id) override;
    Result<void> finish_upload(const std::string& name, const std::string& id,
                               const oci::Digest& digest) override;
    Result<void> cancel_upload(const std::string& name, const std::string& id) override;

    Result<StoredManifest> manifest(const std::string& name,
                                    const std::string& reference) const override;
    Result<PutManifest> put_manifest(const std::string& name, const std::string& reference,
                                     const std::string& media_type, std::string_view bytes,
                                     std::vector<oci::Digest>* missing) override;
    Result<std::vector<std::string>> delete_manifest(const std::string& name,
                                                     const oci::Digest& digest) override;
    Result<void> delete_tag(const std::string& name, const std::string& tag) override;
    Result<std::vector<std::string>> tags(const std::string& name, std::string_view last,
                                          std::size_t n) const override;
    std::optional<oci::Digest> tag_digest(const std::string& name,
                                          const std::string& tag) const override;
    Result<std::vector<TagTime>> tag_times(const std::string& name) const override;
    std::uint64_t changes(const std::string& name) const override;
    Result<std::vector<TagInfo>> tag_infos(const std::string& name, std::string_view last,
                                           std::size_t n) const override;
    Result<std::vector<Referrer>> referrers(const std::string& name, const oci::Digest& digest,
                                            std::string_view artifact_type) const override;
    Result<void> check_writable() const override;

    // --- for collection ---

    const Tree& tree() const { return tree_; }
    const Clock& clock() const { return clock_; }
    Gate& gate() { return gate_; }
    Result<std::string> manifest_bytes(const oci::Digest& digest) const;
    /// Digests under a directory of <algorithm>/<hex>/link.
    Result<std::vector<oci::Digest>> digests_in(const std::string& directory) const;
    /// Every name that holds something, also what is no repository yet: uploads, blobs.
    Result<std::vector<std::string>> names_on_disk() const;
    /// After links went: sums are counted anew, an empty repository is no longer one.
    void forget_repository_facts(const std::string& name);

  private:
    struct Session { ///< an upload that is in memory, too
        std::mutex mutex;
        bool writing = false;
        bool hash_valid = true; ///< `hasher` has seen all of the file
        blob::Hasher hasher;
        std::uint64_t offset = 0;
    };
    class Writer;

    Result<void> link_layer(const std::string& name, const oci::Digest& digest, std::int64_t size);
    enum class Reserve { No, Yes }; ///< do the bytes count from now on
    Result<void> check_quota(const std::string& name, std::int64_t more, Reserve reserve);
    std::int64_t used_bytes(const std::string& name);
    void forget_sums(const std::string& name);
    std::uint64_t changes_of(const std::string& name) const; ///< with summaries_mutex_ held
    void forget_summary(const std::string& name);
    void forget_dead_sessions();
    Result<void> write_blob(const oci::Digest& digest, std::string_view bytes);
    void note_repository(const std::string& name);
    std::shared_ptr<Session> session_of(const std::string& name, const std::string& id,
                                        std::uint64_t offset);
    bool referrers_are_known(const std::string& name) const;
    Result<void> ensure_referrers(const std::string& name) const;
    std::string new_upload_id();

    StoreOptions options_;
    Tree tree_;
    const Clock& clock_;
    Random& random_;
    mutable Gate gate_;

    mutable std::shared_mutex names_mutex_;
    std::set<std::string, std::less<>> names_;

    std::mutex mutex_; ///< what follows
    std::map<std::string, std::shared_ptr<Session>> sessions_;
    Instant swept_;                            ///< when dead ones were last looked for
    std::map<std::string, std::int64_t> used_; ///< bytes of repositories with a quota
    mutable std::mutex summaries_mutex_;       ///< what follows
    struct KnownSummary {
        RepositorySummary summary;
        Instant read;
    };
    mutable std::map<std::string, KnownSummary> summaries_;
    std::map<std::string, std::uint64_t> changes_; ///< since the last refresh()
    std::uint64_t refreshed_ = 0;
};

/// "sha256:..." in a link file; nothing when it is none.
std::optional<oci::Digest> read_link(const Tree& tree, const std::string& path);

} // namespace shoal::registry
