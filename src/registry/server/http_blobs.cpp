// Blobs out of the registry: whole or a range, by sendfile.
#include "registry/protocol/ranges.h"
#include "registry/server/cache.h"
#include "registry/server/http_call.h"
#include "registry/server/http_etag.h"

namespace shoal::registry {
namespace {

/// A range counts only while the client's copy is of the same content.
Wanted wanted_of(const net::RequestHead& request, const std::string& etag, std::uint64_t size) {
    const auto* range = request.headers.get("Range");
    if (range == nullptr) { return {}; }
    const auto* condition = request.headers.get("If-Range");
    if (condition != nullptr && *condition != etag) { return {}; }
    return wanted_range(*range, size);
}

net::Task<Result<void>> send_as_it_grows(Call& call, OpenBlob& blob, Growth& growth,
                                         ByteRange range) {
    std::uint64_t at = range.first;
    const std::uint64_t end = range.last + 1;
    while (at < end) {
        const net::Until until({}, call.exchange().gone());
        CO_TRY_LET(readable, co_await growth.beyond(at, until));
        const std::uint64_t length = std::min(readable, end) - at;
        CO_TRY(co_await call.exchange().write_file(blob.file, at, length));
        at += length;
    }
    co_return ok();
}

net::Task<void> send_part(Call& call, OpenBlob& blob, Growth* growth, net::Headers headers,
                          ByteRange range, int status) {
    headers.add("Content-Length", std::to_string(range.size()));
    auto begun = co_await call.exchange().begin(status, std::move(headers));
    if (!begun) { co_return; }
    auto sent = ok();
    if (growth != nullptr) {
        sent = co_await send_as_it_grows(call, blob, *growth, range);
    } else {
        sent = co_await call.exchange().write_file(blob.file, range.first, range.size());
    }
    if (!sent) { co_return; }
    auto ended = co_await call.exchange().end();
    (void)ended;
}

} // namespace

net::Task<void> send_blob(Call& call, OpenBlob blob, oci::Digest digest,
                          std::shared_ptr<Growth> growth) {
    const std::string etag = etag_of(digest);
    const auto size = static_cast<std::uint64_t>(blob.size);
    net::Headers headers = api_headers();
    headers.add("Docker-Content-Digest", digest.text());
    headers.add("Etag", etag);
    headers.add("Cache-Control", "max-age=31536000");
    headers.add("Accept-Ranges", "bytes");
    headers.add("Content-Type", blob.media_type);
    if (matches_etag(call.request().headers.get_or("If-None-Match", ""), etag)) {
        co_await call.answer(304, std::move(headers));
        co_return;
    }
    const Wanted wanted = wanted_of(call.request(), etag, size);
    if (wanted.kind == RangeKind::Unsatisfiable) {
        headers = api_headers();
        headers.add("Content-Range", "bytes */" + std::to_string(size));
        headers.add("Content-Type", "application/json; charset=utf-8");
        std::vector<Problem> problems;
        problems.push_back({Code::RangeInvalid, "", nullptr});
        co_await call.answer(416, std::move(headers), print_errors(problems));
        co_return;
    }
    if (wanted.kind == RangeKind::Part) {
        headers.add("Content-Range", "bytes " + std::to_string(wanted.range.first) + "-" +
                                         std::to_string(wanted.range.last) + "/" +
                                         std::to_string(size));
        co_await send_part(call, blob, growth.get(), std::move(headers), wanted.range, 206);
        co_return;
    }
    if (size == 0) {
        co_await call.answer(200, std::move(headers));
        co_return;
    }
    const ByteRange whole{0, size - 1};
    co_await send_part(call, blob, growth.get(), std::move(headers), whole, 200);
}

net::Task<void> get_blob(Call& call) {
    const auto digest = oci::Digest::parse(call.item());
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    const auto open = [store = call.service().store, name = call.name(), digest = *digest] {
        return store->open_blob(name, digest);
    };
    auto blob = co_await call.run(open);
    if (!blob) {
        co_await call.refuse(blob.error(), Code::BlobUnknown);
        co_return;
    }
    co_await send_blob(call, std::move(*blob), *digest);
}

net::Task<void> delete_blob(Call& call) {
    const auto digest = oci::Digest::parse(call.item());
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    const auto remove = [store = call.service().store, name = call.name(), digest = *digest] {
        return store->delete_blob(name, digest);
    };
    auto removed = co_await call.run(remove);
    call.audit("delete blob", call.name() + "@" + digest->text(),
               removed ? "ok" : std::string_view(removed.error().message));
    if (!removed) {
        co_await call.refuse(removed.error(), Code::BlobUnknown);
        co_return;
    }
    net::Headers headers = api_headers();
    headers.add("Docker-Content-Digest", digest->text());
    co_await call.answer(202, std::move(headers));
}

} // namespace shoal::registry
