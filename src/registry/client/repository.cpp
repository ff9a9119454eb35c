// Manifests and tags of one repository; blobs are in transfer.cpp.
#include "base/json.h"
#include "base/text.h"
#include "blob/hash.h"
#include "registry/client/registry_impl.h"
#include "registry/client/transfer.h"
#include "registry/protocol/ranges.h"

namespace shoal::registry {
namespace {

constexpr std::size_t pages_max = 10'000;
constexpr std::size_t tags_max = 100'000;

std::vector<std::string> every_image_type() {
    return {std::string(oci::media::oci_index), std::string(oci::media::oci_manifest),
            std::string(oci::media::docker_index), std::string(oci::media::docker_manifest),
            "application/vnd.docker.distribution.manifest.v1+prettyjws"};
}

std::string without_parameters(std::string_view media_type) {
    return std::string(trim(media_type.substr(0, media_type.find(';'))));
}

Error manifest_error(Error error, const std::string& shown, Purpose purpose) {
    if (error.code == Errc::NotFound) {
        error.message = "manifest for " + shown + " not found: " + error.message;
    } else if (purpose == Purpose::Pull &&
               (error.code == Errc::Forbidden || error.message.starts_with("unauthorized") ||
                error.message.starts_with("denied"))) {
        const std::string name = shown.substr(0, shown.find_last_of("@:") == std::string::npos
                                                     ? shown.size()
                                                     : shown.find_last_of("@:"));
        error.code = Errc::NotFound;
        error.message =
            "pull access denied for " + name +
            ", repository does not exist or may require 'docker login': " + error.message;
    }
    return error;
}

} // namespace

std::vector<Scope> scopes_of(const std::string& path, Purpose purpose) {
    std::vector<std::string> actions{"pull"};
    if (purpose == Purpose::Push) { actions.push_back("push"); }
    return {{"repository", path, std::move(actions)}};
}

Repository::Repository(std::shared_ptr<Registry> registry, std::string path, Purpose purpose)
    : registry_(std::move(registry)), path_(std::move(path)), purpose_(purpose) {}
Repository::~Repository() = default;
Repository::Repository(Repository&&) noexcept = default;

namespace {

/// "nginx:1" or "host:5000/x@sha256:...", as Docker shows it.
std::string shown(const Registry& registry, const std::string& path, const std::string& reference) {
    const bool digest = reference.find(':') != std::string::npos;
    const std::string text = registry.domain() + "/" + path + (digest ? "@" : ":") + reference;
    const auto parsed = oci::Reference::parse(text);
    return parsed ? parsed->familiar() : text;
}

struct ManifestAsk {
    std::string method;
    std::string path;
    std::string reference;
    std::vector<std::string> accept;
    Purpose purpose = Purpose::Pull;
};

Result<ManifestAnswer> read_manifest(const ManifestAsk& ask, const net::Headers& headers,
                                     std::string body) {
    ManifestAnswer manifest;
    manifest.media_type = without_parameters(headers.get_or("Content-Type", ""));
    const auto wanted = oci::Digest::parse(ask.reference);
    const auto said = oci::Digest::parse(headers.get_or("Docker-Content-Digest", ""));
    if (ask.method == "HEAD") {
        if (said) { manifest.digest = *said; }
        if (wanted) { manifest.digest = *wanted; }
        manifest.size =
            parse_number<std::int64_t>(headers.get_or("Content-Length", "")).value_or(0);
        return manifest;
    }
    const auto kind = wanted ? wanted->kind() : oci::HashKind::Sha256;
    manifest.digest = blob::hash(body, kind);
    if (wanted && manifest.digest != *wanted) {
        return invalid("manifest verification failed for digest " + wanted->text());
    }
    manifest.size = static_cast<std::int64_t>(body.size());
    manifest.bytes = std::move(body);
    return manifest;
}

net::Task<Result<ManifestAnswer>> ask_manifest(std::shared_ptr<Registry> registry, ManifestAsk wish,
                                               net::Until until) {
    Registry::Impl& impl = registry->impl();
    while (true) {
        CO_TRY(co_await impl.choose(until));
        const std::size_t asked = impl.current;
        Ask ask;
        ask.method = wish.method;
        ask.url = impl.at_endpoint("/v2/" + wish.path + "/manifests/" + wish.reference);
        ask.scopes = scopes_of(wish.path, wish.purpose);
        for (const auto& type : wish.accept) { ask.headers.add("Accept", type); }
        auto answer =
            co_await impl.fetch(std::move(ask), until, impl.options.limits.manifest_bytes_max);
        if (answer) {
            auto manifest = read_manifest(wish, answer->headers, std::move(answer->body));
            if (!manifest && impl.give_up_mirror(asked)) { continue; }
            co_return manifest;
        }
        if (!until.cancelled() && impl.give_up_mirror(asked)) { continue; }
        if (answer.error().code == Errc::Exhausted) {
            co_return Error{Errc::Invalid,
                            "the manifest is larger than " +
                                std::to_string(impl.options.limits.manifest_bytes_max) + " bytes"};
        }
        co_return manifest_error(std::move(answer).error(),
                                 shown(*registry, wish.path, wish.reference), wish.purpose);
    }
}

} // namespace

net::Task<Result<ManifestAnswer>> Repository::manifest(std::string reference, net::Until until,
                                                       std::vector<std::string> accept) {
    if (accept.empty()) { accept = every_image_type(); }
    return ask_manifest(registry_,
                        {"GET", path_, std::move(reference), std::move(accept), purpose_}, until);
}

net::Task<Result<ManifestAnswer>> Repository::head_manifest(std::string reference, net::Until until,
                                                            std::vector<std::string> accept) {
    if (accept.empty()) { accept = every_image_type(); }
    return ask_manifest(registry_,
                        {"HEAD", path_, std::move(reference), std::move(accept), purpose_}, until);
}

net::Task<Result<oci::Digest>> Repository::put_manifest(std::string reference,
                                                        std::string media_type, std::string bytes,
                                                        net::Until until) {
    Registry::Impl& impl = registry_->impl();
    CO_TRY(co_await impl.choose(until));
    Ask ask;
    ask.method = "PUT";
    ask.url = impl.at_endpoint("/v2/" + path_ + "/manifests/" + reference);
    ask.scopes = scopes_of(path_, Purpose::Push);
    ask.headers.add("Content-Type", std::move(media_type));
    const oci::Digest own = blob::hash(bytes);
    ask.body = std::move(bytes);
    CO_TRY_LET(answer, co_await impl.fetch(std::move(ask), until, 1 << 20));
    const std::string_view said = answer.headers.get_or("Docker-Content-Digest", "");
    if (const auto digest = oci::Digest::parse(said);
        digest && digest->kind() == own.kind() && *digest != own) {
        co_return internal("the registry stored " + digest->text() + " instead of " + own.text());
    }
    co_return own;
}

net::Task<Result<std::vector<std::string>>> Repository::tags(net::Until until) {
    Registry::Impl& impl = registry_->impl();
    while (true) {
        CO_TRY(co_await impl.choose(until));
        const std::size_t asked = impl.current;
        auto all = co_await tags_here(until);
        if (all || until.cancelled() || !impl.give_up_mirror(asked)) { co_return all; }
    }
}

net::Task<Result<std::vector<std::string>>> Repository::tags_here(net::Until until) {
    Registry::Impl& impl = registry_->impl();
    std::vector<std::string> all;
    net::Url next = impl.at_endpoint("/v2/" + path_ + "/tags/list");
    for (std::size_t page = 0; page < pages_max; ++page) {
        Ask ask;
        ask.url = next;
        ask.scopes = scopes_of(path_, purpose_);
        auto answer =
            co_await impl.fetch(std::move(ask), until, impl.options.limits.page_bytes_max);
        if (!answer) {
            Error error = manifest_error(std::move(answer).error(),
                                         shown(*registry_, path_, "latest"), purpose_);
            if (error.message.starts_with("manifest for ")) {
                error.message = error.message.substr(error.message.find(" not found: ") + 12);
            }
            co_return error;
        }
        CO_TRY_LET(document, parse_json(answer->body));
        if (!document.is_object()) { co_return invalid("the registry's list of tags is none"); }
        if (document.contains("tags") && document["tags"].is_array()) {
            for (const auto& tag : document["tags"]) {
                if (tag.is_string() && oci::is_tag(tag.get<std::string>())) {
                    all.push_back(tag.get<std::string>());
                }
            }
        }
        if (all.size() > tags_max) { co_return invalid("the repository has too many tags"); }
        const std::string link = next_link(answer->headers.get_or("Link", ""));
        if (link.empty()) { break; }
        CO_TRY_LET(following, net::follow_redirect(answer->url, link));
        if (following == next || !same_origin(following, next)) { break; }
        next = std::move(following);
    }
    co_return all;
}

net::Task<Result<std::optional<std::int64_t>>> Repository::head_blob(oci::Digest digest,
                                                                     net::Until until) {
    Registry::Impl& impl = registry_->impl();
    CO_TRY(co_await impl.choose(until));
    Ask ask;
    ask.method = "HEAD";
    ask.url = impl.at_endpoint("/v2/" + path_ + "/blobs/" + digest.text());
    ask.scopes = scopes_of(path_, purpose_);
    auto answer = co_await impl.fetch(std::move(ask), until, 0);
    if (!answer && answer.error().code == Errc::NotFound) {
        co_return std::optional<std::int64_t>();
    }
    if (!answer) { co_return std::move(answer).error(); }
    const std::string_view length = answer->headers.get_or("Content-Length", "");
    co_return std::optional<std::int64_t>(parse_number<std::int64_t>(length).value_or(0));
}

net::Task<Result<bool>> Repository::mount(oci::Digest digest, std::string from, net::Until until) {
    Registry::Impl& impl = registry_->impl();
    CO_TRY(co_await impl.choose(until));
    Ask ask;
    ask.method = "POST";
    ask.url =
        impl.at_endpoint("/v2/" + path_ + "/blobs/uploads/?mount=" + encode_percent(digest.text()) +
                         "&from=" + encode_percent(from));
    ask.scopes = scopes_of(path_, Purpose::Push);
    ask.scopes.push_back({"repository", from, {"pull"}});
    CO_TRY_LET(answer, co_await impl.ask(std::move(ask), until));
    if (answer.head.status == 201) { co_return true; }
    if (answer.head.status == 202) {
        co_await cancel_upload(registry_, path_, std::move(answer), until);
        co_return false;
    }
    if (answer.head.status == 401 || answer.head.status == 403) { co_return false; }
    Error error = co_await impl.error_of(std::move(answer), until);
    co_return error;
}

} // namespace shoal::registry
