// The operations on images that answer with one document, and the table of all of them.
#include "api/image_document.h"
#include "api/image_handlers.h"
#include "api/router.h"
#include "engine/engine.h"

namespace shoal::api {
namespace {

net::Task<Result<void>> list_images(Call& call) {
    engine::ImageListRequest request;
    request.all = call.query_bool("all");
    request.shared_size = call.query_bool("shared-size");
    // `digests` is always honoured; `manifests` finds nothing to add: a store of layers has one
    // manifest per image.
    if (call.query_bool("identity")) {
        co_return unsupported("identity: the origin of images is not recorded");
    }
    CO_TRY_LET(filters, call.filters());
    request.filters = std::move(filters);
    if (call.version < 125 && call.has_query("filter")) {
        request.filters.add("reference", call.query_text("filter"));
    }
    CO_TRY_LET(images, call.engine.images.list(request));
    Json rows = Json::array();
    for (const auto& image : images) {
        rows.push_back(image_summary_document(image, call.version));
    }
    co_return co_await call.json(200, std::move(rows));
}

net::Task<Result<void>> inspect_image(Call& call) {
    CO_TRY(check_platform(call, call.param("name")));
    CO_TRY_LET(image, call.engine.images.resolve(call.param("name")));
    std::vector<std::string> paths;
    for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
        paths.push_back(call.engine.images.layer_path(*layer));
    }
    co_return co_await call.json(200, image_inspect_document(image, paths, call.version));
}

net::Task<Result<void>> image_history(Call& call) {
    CO_TRY(check_platform(call, call.param("name")));
    CO_TRY_LET(items, call.engine.images.history(call.param("name")));
    co_return co_await call.json(200, image_history_document(items));
}

net::Task<Result<void>> tag_image(Call& call) {
    CO_TRY(call.engine.images.tag(call.param("name"), call.query_text("repo"),
                                  call.query_text("tag")));
    co_return co_await call.empty(201);
}

net::Task<Result<void>> remove_image(Call& call) {
    engine::ImageRemoveRequest request;
    request.name = call.param("name");
    request.force = call.query_bool("force");
    request.prune_parents = !call.query_bool("noprune");
    for (const auto& text : call.query_all("platforms")) {
        CO_TRY_LET(platform, oci::parse_platform(text));
        CO_TRY_LET(image, call.engine.images.resolve(request.name));
        if (!oci::satisfies(
                {image.config->architecture, image.config->os, "", {}, image.config->variant},
                platform)) {
            co_return Error{Errc::NotFound, "No such image: " + request.name + " for platform " +
                                                oci::platform_text(platform)};
        }
    }
    CO_TRY_LET(removed, co_await call.engine.images.remove(std::move(request)));
    co_return co_await call.json(200, image_removed_document(removed));
}

net::Task<Result<void>> prune_images(Call& call) {
    CO_TRY_LET(filters, call.filters());
    CO_TRY_LET(pruned, co_await call.engine.images.prune(std::move(filters)));
    Json removed = image_removed_document(pruned.removed);
    if (removed.empty()) { removed = nullptr; }
    Json document{{"ImagesDeleted", std::move(removed)},
                  {"SpaceReclaimed", pruned.reclaimed_bytes}};
    co_return co_await call.json(200, std::move(document));
}

} // namespace

Result<oci::Platform> platform_of(const Call& call) {
    return oci::parse_platform(call.query_text("platform"));
}

Result<void> check_platform(const Call& call, const std::string& name) {
    if (call.query_text("platform").empty()) { return ok(); }
    TRY_LET(wanted, platform_of(call));
    TRY_LET(image, call.engine.images.resolve(name));
    const oci::Platform have{
        image.config->architecture, image.config->os, "", {}, image.config->variant};
    if (oci::satisfies(have, wanted)) { return ok(); }
    return Error{Errc::NotFound, "image with reference " + name + " was found but its platform (" +
                                     oci::platform_text(have) +
                                     ") does not match the specified platform (" +
                                     oci::platform_text(wanted) + ")"};
}

void add_image_routes(Router& router) {
    router.add("GET", "/images/json", Right::Read, list_images);
    router.add("GET", "/images/get", Right::Stream, save_images);
    router.add("POST", "/images/load", Right::Build, load_images);
    router.add("POST", "/images/create", Right::Build, create_image);
    router.add("POST", "/images/prune", Right::Write, prune_images);
    router.add("POST", "/images/bootstrap", Right::Build, bootstrap_image);
    router.add("POST", "/commit", Right::Build, commit_container);
    router.add("GET", "/images/{name:.*}/json", Right::Read, inspect_image);
    router.add("GET", "/images/{name:.*}/history", Right::Read, image_history);
    router.add("GET", "/images/{name:.*}/get", Right::Stream, save_image);
    router.add("POST", "/images/{name:.*}/tag", Right::Write, tag_image);
    router.add("DELETE", "/images/{name:.*}", Right::Write, remove_image);
}

} // namespace shoal::api
