// Images in and out of registries: pull, push, log in, search, and what an image is over there. The
// engine does it; its progress lines wait in a queue until the client takes them.
#include "engine/registries.h"
#include "api/image_handlers.h"
#include "api/router.h"
#include "base/text.h"
#include "engine/engine.h"
#include "net/scope.h"

#include <deque>

namespace shoal::api {
namespace {

constexpr std::size_t lines_max =
    2000; ///< for a client that does not read; progress is dropped then
constexpr std::int64_t search_limit_default = 25;
constexpr std::int64_t search_limit_max = 100;
constexpr std::chrono::seconds short_answer{60};

/// Lines on their way to the client.
class LineQueue : public engine::Lines {
  public:
    explicit LineQueue(net::Loop& loop) : changed_(loop) {}

    void say(Json line) override {
        const bool droppable = line.contains("progressDetail") && !line.contains("aux") &&
                               line["progressDetail"].contains("current");
        if (lines_.size() >= lines_max && droppable) { return; }
        lines_.push_back(std::move(line));
        changed_.raise();
    }
    void end() {
        ended_ = true;
        changed_.raise();
    }
    /// The next line; nothing at the end.
    net::Task<std::optional<Json>> next() {
        while (lines_.empty() && !ended_) {
            net::Until never;
            co_await changed_.wait(never);
        }
        if (lines_.empty()) { co_return std::nullopt; }
        Json line = std::move(lines_.front());
        lines_.pop_front();
        co_return std::optional<Json>(std::move(line));
    }

  private:
    std::deque<Json> lines_;
    net::Signal changed_;
    bool ended_ = false;
};

net::Task<void> end_with(net::Task<Result<void>> task, LineQueue* lines, Result<void>* outcome) {
    *outcome = co_await std::move(task);
    lines->end();
}

/// Sends lines until the task has ended, then how it ended.
net::Task<Result<void>> stream(Call& call, net::Task<Result<void>> task, LineQueue* lines) {
    Result<void> outcome = ok();
    net::TaskScope scope(call.engine.env.loop);
    scope.spawn(end_with(std::move(task), lines, &outcome));
    Result<void> sent = ok();
    while (true) {
        auto line = co_await lines->next();
        if (!line) { break; }
        if (sent) { sent = co_await call.progress(std::move(*line)); }
    }
    net::Until never;
    co_await scope.drain(never);
    CO_TRY(std::move(sent));
    co_return co_await call.finish_progress(std::move(outcome));
}

Result<registry::AuthConfig> auth_of(const Call& call) {
    return registry::parse_auth_header(call.header("X-Registry-Auth"));
}

/// "fromImage" and "tag", where the tag may be a digest, and none means every tag.
Result<oci::Reference> pulled_reference(const Call& call) {
    const std::string name = call.query_text("fromImage");
    if (name == "scratch") { return invalid("'scratch' is a reserved name"); }
    TRY_LET(reference, oci::Reference::parse(name));
    const std::string tag = call.query_text("tag");
    if (tag.empty() || reference.has_digest()) { return reference; }
    if (tag.find(':') != std::string::npos) {
        TRY_LET(digest, oci::Digest::parse(tag));
        return reference.with_digest(digest);
    }
    return reference.with_tag(tag);
}

net::Task<Result<void>> log_in(Call& call) {
    CO_TRY_LET(body, co_await call.body_text(1 << 20));
    CO_TRY_LET(auth, registry::parse_auth_json(body));
    const net::Until until(Deadline::in(short_answer), call.gone());
    CO_TRY_LET(answer, co_await engine::log_in(call.engine.env, std::move(auth), until));
    Json document{{"Status", answer.status}};
    document["IdentityToken"] = answer.identity_token;
    co_return co_await call.json(200, std::move(document));
}

Json platform_document(const oci::Platform& platform) {
    Json document{{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.os_version.empty()) { document["os.version"] = platform.os_version; }
    if (!platform.os_features.empty()) { document["os.features"] = platform.os_features; }
    if (!platform.variant.empty()) { document["variant"] = platform.variant; }
    return document;
}

net::Task<Result<void>> inspect_distribution(Call& call) {
    CO_TRY_LET(reference, oci::Reference::parse(call.param("name")));
    CO_TRY_LET(auth, auth_of(call));
    const net::Until until(Deadline::in(short_answer), call.gone());
    CO_TRY_LET(image,
               co_await engine::inspect_remote(call.engine.env, reference, std::move(auth), until));
    Json descriptor{{"mediaType", image.descriptor.media_type},
                    {"digest", image.descriptor.digest.text()},
                    {"size", image.descriptor.size}};
    Json platforms = Json::array();
    for (const auto& platform : image.platforms) {
        platforms.push_back(platform_document(platform));
    }
    Json document{{"Descriptor", std::move(descriptor)}, {"Platforms", std::move(platforms)}};
    co_return co_await call.json(200, std::move(document));
}

struct SearchFilter {
    std::optional<bool> official;
    std::optional<bool> automated;
    std::int64_t stars = 0;
    bool lets_through(const registry::SearchResult& one) const {
        return (!official || *official == one.official) &&
               (!automated || *automated == one.automated) && one.stars >= stars;
    }
};

Result<SearchFilter> search_filter(const Call& call) {
    TRY_LET(filters, call.filters());
    TRY(filters.allow_only({"is-official", "is-automated", "stars"}));
    SearchFilter filter;
    const auto read_bool = [&](const char* key, std::optional<bool>& into) -> Result<void> {
        for (const auto& value : filters.values(key)) {
            into = parse_bool(value);
            if (!into) {
                return invalid("invalid filter '" + std::string(key) + "=" + value + "'");
            }
        }
        return ok();
    };
    TRY(read_bool("is-official", filter.official));
    TRY(read_bool("is-automated", filter.automated));
    for (const auto& value : filters.values("stars")) {
        const auto stars = parse_number<std::int64_t>(value);
        if (!stars) { return invalid("invalid filter 'stars=" + value + "'"); }
        filter.stars = std::max(filter.stars, *stars);
    }
    return filter;
}

net::Task<Result<void>> search(Call& call) {
    CO_TRY_LET(limit, call.query_int("limit", search_limit_default));
    if (limit == 0) { limit = search_limit_default; }
    if (limit < 1 || limit > search_limit_max) {
        co_return invalid("limit " + std::to_string(limit) + " is outside the range of [1, 100]");
    }
    CO_TRY_LET(filter, search_filter(call));
    CO_TRY_LET(auth, auth_of(call));
    const std::string term = call.query_text("term");
    if (term.empty()) { co_return invalid("term: what is to be searched for"); }
    const net::Until until(Deadline::in(short_answer), call.gone());
    CO_TRY_LET(found, co_await engine::search_registry(call.engine.env, term,
                                                       static_cast<std::size_t>(limit),
                                                       std::move(auth), until));
    Json rows = Json::array();
    for (const auto& one : found) {
        if (!filter.lets_through(one)) { continue; }
        rows.push_back({{"star_count", one.stars},
                        {"is_official", one.official},
                        {"name", one.name},
                        {"is_automated", one.automated},
                        {"description", one.description}});
    }
    co_return co_await call.json(200, std::move(rows));
}

net::Task<Result<void>> push_image(Call& call) {
    CO_TRY_LET(reference, oci::Reference::parse(call.param("name")));
    if (const std::string tag = call.query_text("tag"); !tag.empty()) {
        CO_TRY_LET(tagged, reference.with_tag(tag));
        reference = tagged;
    }
    if (!call.query_text("platform").empty()) {
        co_return unsupported("platform: an image here is of one platform, which is pushed");
    }
    CO_TRY(call.engine.images.check_push(reference));
    engine::ImagePushRequest request;
    CO_TRY_LET(auth, auth_of(call));
    request.auth = std::move(auth);
    request.reference = reference;
    call.note(reference.familiar());
    LineQueue lines(call.engine.env.loop);
    const net::Until until(call.gone());
    auto task = call.engine.images.push(std::move(request), lines, until);
    co_return co_await stream(call, std::move(task), &lines);
}

net::Task<Result<void>> outcome_of(net::Task<Result<engine::ImageId>> task) {
    auto done = co_await std::move(task);
    if (!done) { co_return std::move(done).error(); }
    co_return ok();
}

} // namespace

net::Task<Result<void>> pull_image(Call& call) {
    engine::ImagePullRequest request;
    CO_TRY_LET(reference, pulled_reference(call));
    request.reference = reference;
    CO_TRY_LET(platform, platform_of(call));
    request.platform = platform;
    CO_TRY_LET(auth, auth_of(call));
    request.auth = std::move(auth);
    call.note(reference.familiar());
    LineQueue lines(call.engine.env.loop);
    const net::Until until(call.gone());
    auto task = outcome_of(call.engine.images.pull(std::move(request), lines, until));
    co_return co_await stream(call, std::move(task), &lines);
}

void add_registry_routes(Router& router) {
    router.add("POST", "/auth", Right::Share, log_in);
    router.add("GET", "/distribution/{name:.*}/json", Right::Share, inspect_distribution);
    router.add("GET", "/images/search", Right::Share, search);
    router.add("POST", "/images/{name:.*}/push", Right::Share, push_image);
}

} // namespace shoal::api
