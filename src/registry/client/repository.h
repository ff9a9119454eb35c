// A client's conversation with one registry about one repository: manifests, blobs, tags, uploads.
// It answers challenges (Basic, token service), follows redirects without carrying credentials to
// strangers, tries the endpoints of the registry in order, and tells errors in the registry's own
// words. It verifies nothing but what a call says; it keeps nothing on disk. All on one loop.
#pragma once

#include "net/task.h"
#include "net/until.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "registry/client/hosts.h"
#include "registry/protocol/auth_config.h"

#include <memory>
#include <optional>
#include <span>

namespace shoal::net {
class Loop;
}

namespace shoal::registry {

/// Named limits on strangers. Times of waiting are between two pieces, not in all.
struct ClientLimits {
    std::chrono::seconds connect_timeout{15};
    std::chrono::seconds answer_timeout{60};
    std::chrono::seconds stall_timeout{60};
    std::size_t token_bytes_max = 1 << 20;
    std::size_t manifest_bytes_max = oci::manifest_bytes_max;
    std::size_t page_bytes_max = 8 << 20;
    int redirects_max = 10;
    int attempts_max = 5;        ///< of one blob, counting those that moved nothing
    int mirror_attempts_max = 2; ///< the same of a mirror: there is another place to ask
};

struct ClientOptions {
    HostSettings hosts;
    ClientLimits limits{};
    std::string user_agent; ///< "docker/… " in Docker's form
};

/// May what failed like this succeed in a moment: a broken connection, a server that is busy.
bool is_worth_retrying(const Error& error);

struct ManifestAnswer {
    std::string media_type; ///< as the registry says; parameters cut
    oci::Digest digest;     ///< computed from `bytes` (or the header, for head())
    std::string bytes;      ///< empty for head()
    std::int64_t size = 0;
};

/// A blob being read. Bytes may have to be asked for again after a broken connection: it does so by
/// itself, from the last byte on; a mirror that fails gives way to the next endpoint. It counts
/// what it gives out; hashing is the caller's, on a thread of its own.
class BlobReader {
  public:
    virtual ~BlobReader() = default;
    /// The next piece, 0 at the end, when size() bytes have come. Fails: Invalid for another size;
    /// Unavailable and others when the attempts are used up.
    virtual net::Task<Result<std::size_t>> read_some(std::span<char> into, net::Until until) = 0;
    virtual std::int64_t size() const = 0;
    /// What was read has proved wrong. True when a mirror gave some of it: that one is asked no
    /// more, and the blob can be read anew.
    virtual bool blame_mirror() = 0;
};

/// An upload under way. Dropped without finish() it is given up (the server is told, if it can be).
class BlobUpload {
  public:
    virtual ~BlobUpload() = default;
    virtual net::Task<Result<void>> write(std::string_view bytes, net::Until until) = 0;
    /// `digest` of all that was written. The server must say the same.
    virtual net::Task<Result<void>> finish(oci::Digest digest, net::Until until) = 0;
    /// What the server has taken for certain; after a failed write() a caller that can make the
    /// bytes again goes on from here with resume().
    virtual net::Task<Result<std::uint64_t>> resume(net::Until until) = 0;
};

class Registry;

class Repository {
  public:
    /// `path` is that of an oci::Reference: "library/nginx".
    Repository(std::shared_ptr<Registry> registry, std::string path, Purpose purpose);
    ~Repository();
    Repository(Repository&&) noexcept;

    /// `reference` is a tag or a digest. `accept`: media types, best first; empty: every image and
    /// index type. A digest is checked against the bytes. Fails: NotFound "manifest for x:y not
    /// found: manifest unknown: ...", Unauthorized, Forbidden.
    net::Task<Result<ManifestAnswer>> manifest(std::string reference, net::Until until,
                                               std::vector<std::string> accept = {});
    net::Task<Result<ManifestAnswer>> head_manifest(std::string reference, net::Until until,
                                                    std::vector<std::string> accept = {});
    /// Gives the digest that the registry has for it.
    net::Task<Result<oci::Digest>> put_manifest(std::string reference, std::string media_type,
                                                std::string bytes, net::Until until);
    net::Task<Result<std::vector<std::string>>> tags(net::Until until); ///< all pages

    /// `blob.urls` of foreign layers are not followed.
    net::Task<Result<std::unique_ptr<BlobReader>>> blob(oci::Descriptor blob, net::Until until);
    /// A small blob whole (a config), its digest checked. Fails: Invalid also for more than
    /// `bytes_max`.
    net::Task<Result<std::string>> read_blob(oci::Descriptor blob, std::size_t bytes_max,
                                             net::Until until);
    /// Whether the repository has it, and how large: nothing when it has not.
    net::Task<Result<std::optional<std::int64_t>>> head_blob(oci::Digest digest, net::Until until);
    net::Task<Result<std::unique_ptr<BlobUpload>>> upload(net::Until until);
    /// True when the registry took it over from the other repository; false: upload it.
    net::Task<Result<bool>> mount(oci::Digest digest, std::string from, net::Until until);

  private:
    net::Task<Result<std::vector<std::string>>> tags_here(net::Until until);
    static net::Task<Result<std::string>> read_whole(BlobReader* reader, oci::Descriptor wanted,
                                                     net::Until until);

    std::shared_ptr<Registry> registry_;
    std::string path_;
    Purpose purpose_;
};

struct SearchResult {
    std::string name;
    std::string description;
    std::int64_t stars = 0;
    bool official = false;
    bool automated = false;
};

/// One registry with one user's credentials: endpoints, connections, tokens. Shared by the
/// repositories of one pull or push.
class Registry : public std::enable_shared_from_this<Registry> {
  public:
    /// `domain`: "docker.io", "host:5000". Fails: Invalid for settings that cannot be read.
    static Result<std::shared_ptr<Registry>> create(net::Loop& loop, const ClientOptions& options,
                                                    const std::string& domain, AuthConfig auth,
                                                    Purpose purpose);
    ~Registry();

    struct LoginAnswer {
        std::string status = "Login Succeeded";
        std::string identity_token; ///< when the token service gave a refresh token
    };
    /// Fails: Unauthorized in Docker's words.
    net::Task<Result<LoginAnswer>> login(net::Until until);
    /// The names in the catalog, page by page, at most `limit`.
    net::Task<Result<std::vector<std::string>>> catalog(std::size_t limit, net::Until until);
    /// The index' /v1/search; where a registry has none (404), its catalog by substring.
    net::Task<Result<std::vector<SearchResult>>> search(std::string term, std::size_t limit,
                                                        net::Until until);
    const std::string& domain() const;

    struct Impl;
    Impl& impl() { return *impl_; }
    explicit Registry(std::unique_ptr<Impl> impl);

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::registry
