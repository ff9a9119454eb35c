// Manifests and indexes by tag and digest.
#include "base/text.h"
#include "blob/hash.h"
#include "oci/reference.h"
#include "registry/server/http_accept.h"
#include "registry/server/http_call.h"
#include "registry/server/http_etag.h"

namespace shoal::registry {
namespace {

/// A digest, or nothing for a tag. Fails: Invalid for what is neither.
Result<std::optional<oci::Digest>> parse_item(const std::string& item) {
    if (item.find(':') != std::string::npos) {
        TRY_LET(digest, oci::Digest::parse(item));
        return std::optional<oci::Digest>(digest);
    }
    if (!oci::is_tag(item)) { return invalid("invalid tag: " + item.substr(0, 200)); }
    return std::optional<oci::Digest>();
}

bool looks_like_digest(const std::string& item) { return item.find(':') != std::string::npos; }

net::Task<void> refuse_item(Call& call, std::string message) {
    if (looks_like_digest(call.item())) {
        co_await call.refuse(Code::DigestInvalid, std::move(message));
        co_return;
    }
    // A tag that cannot be is one that is not there, except when somebody wants to make it.
    const bool putting = call.request().method == "PUT";
    co_await call.refuse(putting ? Code::TagInvalid : Code::ManifestUnknown, std::move(message));
}

net::Task<Result<StoredManifest>> load(Call& call, std::string reference) {
    const auto job = [store = call.service().store, name = call.name(),
                      reference = std::move(reference)] {
        return store->manifest(name, reference);
    };
    co_return co_await call.run(job);
}

constexpr std::size_t read_away_max = 16 * 1024 * 1024;

/// The whole body, or nothing when it is larger than `bytes_max`. What is not much larger is read
/// to its end, since most clients hear an answer only then.
net::Task<Result<std::optional<std::string>>>
read_limited(net::Exchange& exchange, std::size_t bytes_max, std::chrono::seconds stall) {
    std::optional<std::string> body;
    if (exchange.body_length().value_or(0) > read_away_max) { co_return body; }
    body.emplace();
    std::vector<char> buffer(32 * 1024);
    std::size_t total = 0;
    while (true) {
        CO_TRY_LET(got, co_await exchange.read_some(buffer, Deadline::in(stall)));
        if (got == 0) { co_return body; }
        total += got;
        if (total > bytes_max) { body.reset(); }
        if (total > read_away_max) { co_return body; }
        if (body) { body->append(buffer.data(), got); }
    }
}

/// What the request says, else what the document says of itself.
std::string media_type_of(const net::RequestHead& request, const std::string& bytes) {
    const std::string_view header = request.headers.get_or("Content-Type", "");
    const std::string_view type = trim(header.substr(0, header.find(';')));
    const bool said = !type.empty() && type != "application/octet-stream" &&
                      type != "application/x-www-form-urlencoded";
    if (said) { return std::string(type); }
    const auto document = parse_json(bytes);
    if (!document || !document->is_object() || !document->contains("mediaType") ||
        !(*document)["mediaType"].is_string()) {
        return std::string(type);
    }
    return (*document)["mediaType"].get<std::string>();
}

net::Task<void> refuse_put(Call& call, Error error, std::vector<oci::Digest> missing) {
    if (missing.empty()) {
        co_await call.refuse(std::move(error), Code::ManifestInvalid);
        co_return;
    }
    std::vector<Problem> problems;
    for (const auto& digest : missing) {
        problems.push_back({Code::ManifestBlobUnknown, "", Json{{"digest", digest.text()}}});
    }
    co_await call.refuse_all(status_of(Code::ManifestBlobUnknown), std::move(problems));
}

std::string object_of(const Call& call, const oci::Digest& digest) {
    const bool tagged = !looks_like_digest(call.item());
    return call.name() + (tagged ? ":" + call.item() : "") + "@" + digest.text();
}

struct Put {
    Result<PutManifest> done = internal("not done");
    std::vector<oci::Digest> missing;
};

net::Task<void> store_manifest(Call& call, std::string bytes) {
    const std::string type = media_type_of(call.request(), bytes);
    const auto job = [store = call.service().store, name = call.name(), item = call.item(), type,
                      bytes = std::move(bytes)] {
        Put put;
        put.done = store->put_manifest(name, item, type, bytes, &put.missing);
        return put;
    };
    Put put = co_await call.run(job);
    if (!put.done) {
        call.audit("push", call.name() + ":" + call.item(), put.done.error().message);
        co_await refuse_put(call, put.done.error(), std::move(put.missing));
        co_return;
    }
    call.audit("push", object_of(call, put.done->digest), "ok");
    net::Headers headers = api_headers();
    const std::string digest = put.done->digest.text();
    headers.add("Location", "/v2/" + call.name() + "/manifests/" + digest);
    headers.add("Docker-Content-Digest", digest);
    if (!put.done->subject.empty()) { headers.add("OCI-Subject", put.done->subject.text()); }
    co_await call.answer(201, std::move(headers));
}

} // namespace

net::Task<void> send_manifest(Call& call, StoredManifest manifest, bool stale) {
    const std::string etag = etag_of(manifest.digest);
    net::Headers headers = api_headers();
    headers.add("Content-Type", manifest.media_type);
    headers.add("Docker-Content-Digest", manifest.digest.text());
    headers.add("Etag", etag);
    headers.add("Vary", "Accept");
    if (stale) { headers.add("Warning", "110 - \"Response is Stale\""); }
    const bool same = matches_etag(call.request().headers.get_or("If-None-Match", ""), etag);
    co_await call.answer(same ? 304 : 200, std::move(headers), std::move(manifest.bytes));
}

net::Task<void> get_manifest(Call& call) {
    const auto digest = parse_item(call.item());
    if (!digest) {
        co_await refuse_item(call, digest.error().message);
        co_return;
    }
    auto manifest = co_await load(call, call.item());
    const bool by_tag = !digest->has_value();
    if (manifest && by_tag && oci::media::is_index(manifest->media_type)) {
        const Acceptance accepts = acceptance_of(call.request().headers);
        const auto other = stand_in_for_index(accepts, manifest->bytes);
        if (other) { manifest = co_await load(call, other->text()); }
    }
    if (!manifest) {
        co_await call.refuse(manifest.error(), Code::ManifestUnknown);
        co_return;
    }
    co_await send_manifest(call, std::move(*manifest), false);
}

net::Task<void> put_manifest(Call& call) {
    const auto digest = parse_item(call.item());
    if (!digest) {
        co_await refuse_item(call, digest.error().message);
        co_return;
    }
    const HttpOptions& options = call.service().http;
    auto body =
        co_await read_limited(call.exchange(), options.manifest_bytes_max, options.stall_timeout);
    if (!body) {
        co_await call.refuse(Code::ManifestInvalid, body.error().message);
        co_return;
    }
    if (!*body) {
        std::vector<Problem> problems;
        problems.push_back(
            {Code::SizeInvalid,
             "a manifest of more than " + std::to_string(options.manifest_bytes_max) + " bytes",
             nullptr});
        co_await call.refuse_all(413, std::move(problems));
        co_return;
    }
    if (*digest && blob::hash(**body, (**digest).kind()) != **digest) {
        co_await call.refuse(Code::DigestInvalid);
        co_return;
    }
    co_await store_manifest(call, std::move(**body));
}

net::Task<void> delete_manifest(Call& call) {
    const auto digest = parse_item(call.item());
    if (!digest) {
        co_await refuse_item(call, digest.error().message);
        co_return;
    }
    const auto remove = [store = call.service().store, name = call.name(), item = call.item(),
                         digest = *digest]() -> Result<std::vector<std::string>> {
        if (digest) { return store->delete_manifest(name, *digest); }
        TRY(store->delete_tag(name, item));
        return std::vector<std::string>();
    };
    auto removed = co_await call.run(remove);
    std::string object = call.name() + (*digest ? "@" : ":") + call.item();
    if (removed && !removed->empty()) { object += " with its tags " + join(*removed, ", "); }
    call.audit("delete", object, removed ? "ok" : std::string_view(removed.error().message));
    if (!removed) {
        co_await call.refuse(removed.error(), Code::ManifestUnknown);
        co_return;
    }
    co_await call.answer(202, api_headers());
}

} // namespace shoal::registry
