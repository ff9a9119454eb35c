// Repositories of the pull-through cache: reading only.
#include "base/text.h"
#include "oci/reference.h"
#include "registry/server/cache.h"
#include "registry/server/http_accept.h"
#include "registry/server/http_call.h"

#include <algorithm>

namespace shoal::registry {
namespace {

net::Task<void> answer_manifest(Call& call) {
    Cache& cache = *call.service().cache;
    const std::string item = call.item();
    const bool tag = item.find(':') == std::string::npos;
    if (tag ? !oci::is_tag(item) : !oci::Digest::parse(item).has_value()) {
        co_await call.refuse(tag ? Code::ManifestUnknown : Code::DigestInvalid);
        co_return;
    }
    auto found = co_await cache.manifest(call.name(), item);
    if (found && tag && oci::media::is_index(found->manifest.media_type)) {
        const Acceptance accepts = acceptance_of(call.request().headers);
        const auto other = stand_in_for_index(accepts, found->manifest.bytes);
        if (other) { found = co_await cache.manifest(call.name(), other->text()); }
    }
    if (!found) {
        co_await call.refuse(found.error(), Code::ManifestUnknown);
        co_return;
    }
    co_await send_manifest(call, std::move(found->manifest), found->stale);
}

net::Task<void> answer_blob_size(Call& call, oci::Digest digest) {
    auto size = co_await call.service().cache->blob_size(call.name(), digest);
    if (!size) {
        co_await call.refuse(size.error(), Code::BlobUnknown);
        co_return;
    }
    net::Headers headers = api_headers();
    headers.add("Docker-Content-Digest", digest.text());
    headers.add("Accept-Ranges", "bytes");
    headers.add("Content-Type", "application/octet-stream");
    headers.add("Content-Length", std::to_string(*size));
    auto begun = co_await call.exchange().begin(200, std::move(headers));
    if (!begun) { co_return; }
    auto ended = co_await call.exchange().end();
    (void)ended;
}

net::Task<void> answer_blob(Call& call) {
    const auto digest = oci::Digest::parse(call.item());
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    if (call.is_head()) {
        co_await answer_blob_size(call, *digest);
        co_return;
    }
    auto blob = co_await call.service().cache->blob(call.name(), *digest);
    if (!blob) {
        co_await call.refuse(blob.error(), Code::BlobUnknown);
        co_return;
    }
    co_await send_blob(call, std::move(blob->open), *digest, blob->growth);
}

net::Task<void> answer_tags(Call& call) {
    const std::size_t most = call.service().http.page_max;
    const std::string text = call.param("n");
    const auto asked = text.empty() ? most : parse_number<std::size_t>(text);
    if (!asked) {
        co_await call.refuse(Code::PaginationNumberInvalid);
        co_return;
    }
    auto tags = co_await call.service().cache->tags(call.name());
    if (!tags) {
        co_await call.refuse(tags.error(), Code::NameUnknown);
        co_return;
    }
    const std::size_t n = std::min(*asked, most);
    const auto first = std::upper_bound(tags->begin(), tags->end(), call.param("last"));
    const auto left = static_cast<std::size_t>(tags->end() - first);
    const std::vector<std::string> page(first,
                                        first + static_cast<std::ptrdiff_t>(std::min(n, left)));
    net::Headers headers = api_headers();
    headers.add("Content-Type", "application/json; charset=utf-8");
    if (left > n && n > 0) {
        headers.add("Link", "</v2/" + call.name() +
                                "/tags/list?last=" + encode_percent(page.back()) +
                                "&n=" + std::to_string(n) + ">; rel=\"next\"");
    }
    std::string body = dump_json(Json{{"name", call.name()}, {"tags", page}});
    co_await call.answer(200, std::move(headers), std::move(body));
}

} // namespace

net::Task<void> answer_cached(Call& call) {
    if (call.route().need != Need::Pull) {
        call.audit(call.route().label, call.name(), "denied: of the cache");
        co_await call.refuse(Code::Denied,
                             call.name() + " is a copy of another registry's: it can only be read");
        co_return;
    }
    switch (call.route().resource) {
    case Resource::Manifest:
        co_await answer_manifest(call);
        co_return;
    case Resource::Blob:
        co_await answer_blob(call);
        co_return;
    case Resource::Tags:
        co_await answer_tags(call);
        co_return;
    default:
        // Clients then ask for the tag that stands for the list.
        co_await call.refuse(Code::NameUnknown, "referrers are not asked of an upstream");
    }
}

} // namespace shoal::registry
