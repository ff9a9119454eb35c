// Which operation of the distribution API a method and a path mean, and what a caller must be
// allowed to do for it: the one table of the registry's rights. Pure; names and digests are checked
// by the operations, the repository's name by whoever calls it.
#pragma once

#include "registry/server/access.h"

#include <span>
#include <string>
#include <string_view>

namespace shoal::registry {

/// The resources of the API, with the numbers of the specification's table of endpoints.
enum class Resource {
    Base,    ///< /v2/ (end-1)
    Catalog, ///< /v2/_catalog (Docker's)
    // What the page asks for, below /api/; a repository's name is in the query.
    PageSession,      ///< /api/session
    PageRepositories, ///< /api/repositories
    PageRepository,   ///< /api/repository?name=
    PageTags,         ///< /api/tags?name=
    PageManifest,     ///< /api/manifest?name=&reference=
    PageReferrers,    ///< /api/referrers?name=&digest=
    Tags,             ///< /v2/<name>/tags/list (end-8)
    Manifest,         ///< /v2/<name>/manifests/<reference> (end-3, 7, 9)
    Blob,             ///< /v2/<name>/blobs/<digest> (end-2, 10)
    Uploads,          ///< /v2/<name>/blobs/uploads/ (end-4, 11)
    Upload,           ///< /v2/<name>/blobs/uploads/<id> (end-5, 6, 13, 14)
    Referrers,        ///< /v2/<name>/referrers/<digest> (end-12)
};

struct Place {
    Resource resource = Resource::Base;
    std::string name; ///< of the repository, unchecked
    std::string item; ///< reference, digest or upload's id, unchecked; "" where there is none
};
/// `path` as sent, percent-encoded. Nothing when it is no path of the API.
std::optional<Place> parse_place(std::string_view path);

/// What an operation asks of its caller.
enum class Need {
    Nothing, ///< it sees what is its own
    Known,   ///< has said who it is (or nobody has to)
    Pull,
    Push,
    Delete,
    Catalog,
};
std::optional<Action> action_of(Need need); ///< nothing for Nothing and Known
/// It belongs to one repository.
bool has_name(Resource resource);
/// It is the page's, not the distribution API's.
bool is_of_page(Resource resource);

class Call;
using Operation = net::Task<void> (*)(Call&);

struct Route {
    std::string_view method; ///< GET also answers HEAD
    Resource resource;
    Need need;
    std::string_view label; ///< for metrics: "GET blob"
    Operation operation;
};
std::span<const Route> routes();
/// Null when the resource has no such method.
const Route* find_route(std::string_view method, Resource resource);
/// "GET, HEAD, PUT, DELETE"
std::string allowed_methods(Resource resource);

// The operations, each in the file of its subject.
net::Task<void> answer_base(Call& call);
net::Task<void> list_catalog(Call& call);
net::Task<void> list_tags(Call& call);
net::Task<void> list_referrers(Call& call);
net::Task<void> get_manifest(Call& call);
net::Task<void> put_manifest(Call& call);
net::Task<void> delete_manifest(Call& call);
net::Task<void> get_blob(Call& call);
net::Task<void> delete_blob(Call& call);
net::Task<void> begin_upload(Call& call);
net::Task<void> get_upload(Call& call);
net::Task<void> patch_upload(Call& call);
net::Task<void> put_upload(Call& call);
net::Task<void> cancel_upload(Call& call);
net::Task<void> tell_session(Call& call);
net::Task<void> log_in_to_page(Call& call);
net::Task<void> log_out_of_page(Call& call);
net::Task<void> browse_repositories(Call& call);
net::Task<void> browse_repository(Call& call);
net::Task<void> delete_repository(Call& call);
net::Task<void> browse_tags(Call& call);
net::Task<void> browse_manifest(Call& call);
net::Task<void> browse_referrers(Call& call);

} // namespace shoal::registry
