// POST /commit: a container's changes become an image. What the body leaves open is the
// container's.
#include "api/image_handlers.h"
#include "container/config_codec.h"
#include "engine/engine.h"
#include "engine/merge.h"

namespace shoal::api {
namespace {

template <class T> void fill(T& field, const T& otherwise) {
    if (field == T{}) { field = otherwise; }
}

/// The container's settings beneath those of the request, by Docker's rules: sets are joined, an
/// entry point of the request's own drops the container's command.
container::Config merged(container::Config request, const container::Config& own) {
    if (request.entrypoint.empty()) {
        fill(request.cmd, own.cmd);
        request.entrypoint = own.entrypoint;
    }
    fill(request.user, own.user);
    fill(request.working_dir, own.working_dir);
    fill(request.stop_signal, own.stop_signal);
    fill(request.stop_timeout, own.stop_timeout);
    fill(request.shell, own.shell);
    fill(request.on_build, own.on_build);
    fill(request.healthcheck, own.healthcheck);
    request.exposed_ports.insert(own.exposed_ports.begin(), own.exposed_ports.end());
    request.volumes.insert(own.volumes.begin(), own.volumes.end());
    request.labels.insert(own.labels.begin(), own.labels.end());
    for (const auto& entry : own.env) {
        const std::string key = entry.substr(0, entry.find('=')) + "=";
        const bool named =
            std::any_of(request.env.begin(), request.env.end(),
                        [&](const std::string& given) { return given.starts_with(key); });
        if (!named) { request.env.push_back(entry); }
    }
    return request;
}

} // namespace

net::Task<Result<void>> commit_container(Call& call) {
    CO_TRY_LET(body, co_await call.body_or_default<container::Config>());
    CO_TRY_LET(container, call.engine.containers.find(call.query_text("container")));
    engine::CommitRequest request;
    request.author = call.query_text("author");
    request.comment = call.query_text("comment");
    request.changes = call.query_all("changes");
    request.pause = call.query_bool("pause", true);
    const std::string repo = call.query_text("repo");
    const std::string tag = call.query_text("tag");
    if (!repo.empty()) {
        CO_TRY_LET(reference, oci::Reference::parse(repo));
        oci::Reference named = reference.with_default_tag();
        if (!tag.empty()) {
            CO_TRY_LET(tagged, reference.with_tag(tag));
            named = tagged;
        }
        request.reference = named.familiar();
    }
    request.config = engine::run_config(merged(std::move(body), container->config));
    call.note(container->id.short_text());
    CO_TRY_LET(id, co_await call.engine.containers.commit(container->id, std::move(request)));
    Json document{{"Id", prefixed(id)}};
    co_return co_await call.json(201, std::move(document));
}

} // namespace shoal::api
