#include "registry/server/http_route.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace shoal::registry {
namespace {

// clang-format off
constexpr std::array table{
    Route{"GET",    Resource::Base,      Need::Known,   "GET base",        answer_base},
    Route{"GET",    Resource::Catalog,   Need::Catalog, "GET catalog",     list_catalog},
    Route{"GET",    Resource::Tags,      Need::Pull,    "GET tags",        list_tags},
    Route{"GET",    Resource::Referrers, Need::Pull,    "GET referrers",   list_referrers},
    Route{"GET",    Resource::Manifest,  Need::Pull,    "GET manifest",    get_manifest},
    Route{"PUT",    Resource::Manifest,  Need::Push,    "PUT manifest",    put_manifest},
    Route{"DELETE", Resource::Manifest,  Need::Delete,  "DELETE manifest", delete_manifest},
    Route{"GET",    Resource::Blob,      Need::Pull,    "GET blob",        get_blob},
    Route{"DELETE", Resource::Blob,      Need::Delete,  "DELETE blob",     delete_blob},
    Route{"POST",   Resource::Uploads,   Need::Push,    "POST upload",     begin_upload},
    Route{"GET",    Resource::Upload,    Need::Push,    "GET upload",      get_upload},
    Route{"PATCH",  Resource::Upload,    Need::Push,    "PATCH upload",    patch_upload},
    Route{"PUT",    Resource::Upload,    Need::Push,    "PUT upload",      put_upload},
    Route{"DELETE", Resource::Upload,    Need::Push,    "DELETE upload",   cancel_upload},
    Route{"GET",    Resource::PageSession,      Need::Nothing, "GET page session",       tell_session},
    Route{"POST",   Resource::PageSession,      Need::Nothing, "POST page session",      log_in_to_page},
    Route{"DELETE", Resource::PageSession,      Need::Nothing, "DELETE page session",    log_out_of_page},
    Route{"GET",    Resource::PageRepositories, Need::Nothing, "GET page repositories",  browse_repositories},
    Route{"GET",    Resource::PageRepository,   Need::Pull,    "GET page repository",    browse_repository},
    Route{"DELETE", Resource::PageRepository,   Need::Delete,  "DELETE page repository", delete_repository},
    Route{"GET",    Resource::PageTags,         Need::Pull,    "GET page tags",          browse_tags},
    Route{"GET",    Resource::PageManifest,     Need::Pull,    "GET page manifest",      browse_manifest},
    Route{"DELETE", Resource::PageManifest,     Need::Delete,  "DELETE page manifest",   delete_manifest},
    Route{"GET",    Resource::PageReferrers,    Need::Pull,    "GET page referrers",     browse_referrers},
};
// clang-format on

bool take_suffix(std::string_view& text, std::string_view suffix) {
    if (!text.ends_with(suffix)) { return false; }
    text.remove_suffix(suffix.size());
    return true;
}

/// "team/app/manifests/latest": the words that count are at the end, since a name may hold any of
/// them.
std::optional<Place> parse_named(std::string_view rest) {
    std::string_view name = rest;
    if (take_suffix(name, "/tags/list")) { return Place{Resource::Tags, std::string(name), ""}; }
    if (take_suffix(name, "/blobs/uploads/") || take_suffix(name, "/blobs/uploads")) {
        return Place{Resource::Uploads, std::string(name), ""};
    }
    const std::size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos || slash + 1 == rest.size()) { return std::nullopt; }
    std::string item(rest.substr(slash + 1));
    name = rest.substr(0, slash);
    constexpr std::pair<std::string_view, Resource> kinds[] = {
        {"/blobs/uploads", Resource::Upload},
        {"/blobs", Resource::Blob},
        {"/manifests", Resource::Manifest},
        {"/referrers", Resource::Referrers},
    };
    for (const auto& [suffix, resource] : kinds) {
        if (take_suffix(name, suffix)) {
            return Place{resource, std::string(name), std::move(item)};
        }
    }
    return std::nullopt;
}

} // namespace

std::optional<Place> parse_place(std::string_view path) {
    if (path == "/v2/" || path == "/v2") { return Place{}; }
    constexpr std::pair<std::string_view, Resource> page[] = {
        {"/api/session", Resource::PageSession},
        {"/api/repositories", Resource::PageRepositories},
        {"/api/repository", Resource::PageRepository},
        {"/api/tags", Resource::PageTags},
        {"/api/manifest", Resource::PageManifest},
        {"/api/referrers", Resource::PageReferrers},
    };
    for (const auto& [known, resource] : page) {
        if (path == known) { return Place{resource, "", ""}; }
    }
    if (!path.starts_with("/v2/")) { return std::nullopt; }
    const auto decoded = decode_percent(path.substr(4), false);
    if (!decoded) { return std::nullopt; }
    if (*decoded == "_catalog") { return Place{Resource::Catalog, "", ""}; }
    return parse_named(*decoded);
}

std::optional<Action> action_of(Need need) {
    switch (need) {
    case Need::Pull:
        return Action::Pull;
    case Need::Push:
        return Action::Push;
    case Need::Delete:
        return Action::Delete;
    case Need::Catalog:
        return Action::Catalog;
    case Need::Nothing:
    case Need::Known:
        break;
    }
    return std::nullopt;
}

bool has_name(Resource resource) {
    switch (resource) {
    case Resource::Base:
    case Resource::Catalog:
    case Resource::PageSession:
    case Resource::PageRepositories:
        return false;
    default:
        return true;
    }
}

bool is_of_page(Resource resource) {
    return resource >= Resource::PageSession && resource <= Resource::PageReferrers;
}

std::span<const Route> routes() { return table; }

const Route* find_route(std::string_view method, Resource resource) {
    if (method == "HEAD") { method = "GET"; }
    const auto* const found = std::find_if(table.begin(), table.end(), [&](const Route& route) {
        return route.resource == resource && route.method == method;
    });
    return found == table.end() ? nullptr : found;
}

std::string allowed_methods(Resource resource) {
    std::string text;
    for (const Route& route : table) {
        if (route.resource != resource) { continue; }
        text += text.empty() ? "" : ", ";
        text += route.method;
        if (route.method == "GET") { text += ", HEAD"; }
    }
    return text;
}

} // namespace shoal::registry
