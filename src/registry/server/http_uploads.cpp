// Blobs into the registry: sessions, chunks in order, Docker's streams, whole blobs in one request,
// and mounts from another repository. Bytes go to the storage in pieces; a client that goes away
// leaves what has come, and may go on from there.
#include "blob/hash.h"
#include "registry/protocol/name.h"
#include "registry/protocol/ranges.h"
#include "registry/server/http_call.h"

#include <algorithm>
#include <memory>

namespace shoal::registry {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

std::string place_of(const Call& call, const std::string& id) {
    return "/v2/" + call.name() + "/blobs/uploads/" + id;
}

/// Location, Range and id of a session.
net::Headers session_headers(const Call& call, const std::string& id, std::uint64_t offset) {
    net::Headers headers = api_headers();
    headers.add("Location", place_of(call, id));
    headers.add("Range", "0-" + std::to_string(offset == 0 ? 0 : offset - 1));
    headers.add("Docker-Upload-UUID", id);
    return headers;
}

net::Task<void> answer_session(Call& call, int status, std::string id, std::uint64_t offset) {
    co_await call.answer(status, session_headers(call, id, offset));
}

/// A chunk that does not follow on what is there.
net::Task<void> refuse_chunk(Call& call, std::string id, std::uint64_t offset) {
    net::Headers headers = session_headers(call, id, offset);
    headers.add("Content-Type", "application/json; charset=utf-8");
    std::vector<Problem> problems;
    problems.push_back(
        {Code::RangeInvalid, "the next chunk begins at byte " + std::to_string(offset), nullptr});
    co_await call.answer(416, std::move(headers), print_errors(problems));
}

net::Task<void> answer_created(Call& call, oci::Digest digest) {
    net::Headers headers = api_headers();
    headers.add("Location", "/v2/" + call.name() + "/blobs/" + digest.text());
    headers.add("Docker-Content-Digest", digest.text());
    co_await call.answer(201, std::move(headers));
}

/// What became of a request's body.
struct Taken {
    std::uint64_t offset = 0;        ///< of the session now
    std::optional<Error> storage;    ///< it could not be kept
    std::optional<Error> connection; ///< it did not come to its end
};

using WriterPtr = std::shared_ptr<UploadWriter>;

net::Task<Result<std::size_t>> fill(net::Exchange& exchange, std::span<char> into,
                                    std::chrono::seconds stall) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        auto got = co_await exchange.read_some(into.subspan(filled), Deadline::in(stall));
        if (!got && filled == 0) { co_return std::move(got).error(); }
        if (!got || *got == 0) { break; }
        filled += *got;
    }
    co_return filled;
}

net::Task<Taken> take_body(Call& call, WriterPtr writer) {
    Taken taken;
    taken.offset = writer->offset();
    const std::uint64_t expected = call.exchange().body_length().value_or(piece_bytes);
    if (expected == 0) { co_return taken; }
    auto piece =
        std::make_shared<std::string>(std::min<std::uint64_t>(expected, piece_bytes), '\0');
    while (true) {
        const std::span<char> into(piece->data(), piece->size());
        auto got = co_await fill(call.exchange(), into, call.service().http.stall_timeout);
        if (!got) {
            taken.connection = got.error();
            co_return taken;
        }
        if (*got == 0) { co_return taken; }
        const auto write = [writer, piece, count = *got] {
            return writer->write(std::string_view(*piece).substr(0, count));
        };
        auto written = co_await call.run(write);
        taken.offset = writer->offset();
        if (!written) {
            taken.storage = written.error();
            co_return taken;
        }
    }
}

net::Task<Result<WriterPtr>> open_writer(Call& call, std::string id) {
    const auto open = [store = call.service().store, name = call.name(), id] {
        return store->write_upload(name, id);
    };
    CO_TRY_LET(writer, co_await call.run(open));
    co_return WriterPtr(std::move(writer));
}

/// Closing may wait for the disk.
net::Task<void> close_writer(Call& call, WriterPtr writer) {
    auto drop = [held = std::move(writer)]() mutable { held.reset(); };
    co_await call.run(std::move(drop));
}

/// The body of a chunk appended to its session. False: the refusal has been sent.
net::Task<bool> append_body(Call& call, std::string id, std::uint64_t* offset) {
    auto writer = co_await open_writer(call, id);
    if (!writer) {
        co_await call.refuse(writer.error(), Code::BlobUploadUnknown);
        co_return false;
    }
    *offset = (*writer)->offset();
    std::optional<ByteRange> range;
    if (const auto* text = call.request().headers.get("Content-Range")) {
        auto parsed = parse_chunk_range(*text);
        if (!parsed) {
            co_await close_writer(call, std::move(*writer));
            co_await call.refuse(Code::BlobUploadInvalid, parsed.error().message);
            co_return false;
        }
        range = *parsed;
    }
    const auto length = call.exchange().body_length();
    if (range && range->first != *offset) {
        co_await close_writer(call, std::move(*writer));
        co_await refuse_chunk(call, id, *offset);
        co_return false;
    }
    if (range && length && *length != range->size()) {
        co_await close_writer(call, std::move(*writer));
        co_await call.refuse(Code::SizeInvalid);
        co_return false;
    }
    const Taken taken = co_await take_body(call, *writer);
    co_await close_writer(call, std::move(*writer));
    const std::uint64_t begun = *offset;
    *offset = taken.offset;
    if (taken.storage) {
        co_await call.refuse(*taken.storage, Code::BlobUploadInvalid);
        co_return false;
    }
    if (taken.connection) {
        co_await call.refuse(Code::BlobUploadInvalid, taken.connection->message);
        co_return false;
    }
    if (range && taken.offset - begun != range->size()) {
        co_await call.refuse(Code::SizeInvalid);
        co_return false;
    }
    co_return true;
}

net::Task<void> finish(Call& call, std::string id, oci::Digest digest) {
    const auto job = [store = call.service().store, name = call.name(), id, digest] {
        return store->finish_upload(name, id, digest);
    };
    auto finished = co_await call.run(job);
    call.audit("upload blob", call.name() + "@" + digest.text(),
               finished ? "ok" : std::string_view(finished.error().message));
    if (!finished) {
        const bool gone = finished.error().code == Errc::NotFound;
        const Code code = gone ? Code::BlobUploadUnknown : Code::DigestInvalid;
        co_await call.refuse(finished.error(), code);
        co_return;
    }
    co_await answer_created(call, digest);
}

/// The repositories that the caller may read, for a search on another thread.
Store::Show readable_by(const Call& call) {
    const Service& service = call.service();
    const auto show = [&](const std::string& name) {
        return service.access->allows(call.caller(), name, Action::Pull);
    };
    auto names = std::make_shared<const std::vector<std::string>>(
        service.store->repositories("", SIZE_MAX, show));
    return [names](const std::string& name) {
        return std::binary_search(names->begin(), names->end(), name);
    };
}

/// The repository to mount from; "" when there is none that the caller may read.
net::Task<std::string> source_of(Call& call, oci::Digest digest) {
    const std::string from = call.param("from");
    if (!from.empty()) {
        const bool allowed = is_repository_name(from) &&
                             call.service().access->allows(call.caller(), from, Action::Pull);
        co_return allowed ? from : "";
    }
    const auto find = [store = call.service().store, digest, show = readable_by(call)] {
        return store->find_source(digest, show);
    };
    co_return co_await call.run(find);
}

/// True when the blob is in the repository now, and said so.
net::Task<bool> mount(Call& call, oci::Digest digest) {
    const std::string from = co_await source_of(call, digest);
    if (from.empty()) { co_return false; }
    const auto job = [store = call.service().store, to = call.name(), from, digest] {
        return store->mount(to, from, digest);
    };
    auto mounted = co_await call.run(job);
    if (!mounted && mounted.error().code == Errc::NotFound) { co_return false; }
    call.audit("mount blob", call.name() + "@" + digest.text() + " from " + from,
               mounted ? "ok" : std::string_view(mounted.error().message));
    if (!mounted) {
        co_await call.refuse(mounted.error(), Code::BlobUnknown);
    } else {
        co_await answer_created(call, digest);
    }
    co_return true;
}

net::Task<Result<UploadState>> begin_session(Call& call) {
    const auto begin = [store = call.service().store, name = call.name()] {
        return store->begin_upload(name);
    };
    co_return co_await call.run(begin);
}

net::Task<void> refuse_session(Call& call, Error error) {
    const bool full = error.code == Errc::Exhausted && error.os_errno == 0;
    if (full) {
        co_await call.refuse(Code::TooManyRequests, error.message);
        co_return;
    }
    co_await call.refuse(std::move(error), Code::NameInvalid);
}

/// POST with ?digest=: a blob in one request. A client that sends no bytes wants a session.
net::Task<void> take_whole_blob(Call& call, std::string id, oci::Digest digest) {
    const bool empty = call.exchange().body_length() == 0u;
    if (empty && digest != blob::hash("", digest.kind())) {
        co_await answer_session(call, 202, id, 0);
        co_return;
    }
    std::uint64_t offset = 0;
    const bool taken = co_await append_body(call, id, &offset);
    if (taken) {
        co_await finish(call, id, digest);
        co_return;
    }
    const auto cancel = [store = call.service().store, name = call.name(), id] {
        return store->cancel_upload(name, id);
    };
    auto cancelled = co_await call.run(cancel);
    (void)cancelled;
}

bool is_hash_name(std::string_view name) { return name == "sha256" || name == "sha512"; }

} // namespace

net::Task<void> begin_upload(Call& call) {
    const std::string algorithm = call.param("digest-algorithm");
    if (!algorithm.empty() && !is_hash_name(algorithm)) {
        co_await call.refuse(Code::DigestInvalid, "unsupported digest algorithm");
        co_return;
    }
    const bool mounting = call.request().param("mount") != nullptr;
    const bool whole = !mounting && call.request().param("digest") != nullptr;
    oci::Digest digest;
    if (mounting || whole) {
        auto parsed = oci::Digest::parse(call.param(mounting ? "mount" : "digest"));
        if (!parsed) {
            co_await call.refuse(Code::DigestInvalid, parsed.error().message);
            co_return;
        }
        digest = *parsed;
    }
    if (mounting) {
        const bool answered = co_await mount(call, digest);
        if (answered) { co_return; }
    }
    auto session = co_await begin_session(call);
    if (!session) {
        co_await refuse_session(call, session.error());
        co_return;
    }
    if (whole) {
        co_await take_whole_blob(call, session->id, digest);
        co_return;
    }
    co_await answer_session(call, 202, session->id, 0);
}

net::Task<void> get_upload(Call& call) {
    const auto look = [store = call.service().store, name = call.name(), id = call.item()] {
        return store->upload(name, id);
    };
    auto session = co_await call.run(look);
    if (!session) {
        co_await call.refuse(session.error(), Code::BlobUploadUnknown);
        co_return;
    }
    co_await answer_session(call, 204, session->id, session->offset);
}

net::Task<void> patch_upload(Call& call) {
    std::uint64_t offset = 0;
    const std::string id = call.item();
    const bool taken = co_await append_body(call, id, &offset);
    if (taken) { co_await answer_session(call, 202, id, offset); }
}

net::Task<void> put_upload(Call& call) {
    const std::string id = call.item();
    const auto digest = oci::Digest::parse(call.param("digest"));
    if (!digest) {
        co_await call.refuse(Code::DigestInvalid, digest.error().message);
        co_return;
    }
    std::uint64_t offset = 0;
    const bool with_body = call.exchange().body_length() != 0u;
    if (with_body) {
        const bool taken = co_await append_body(call, id, &offset);
        if (!taken) { co_return; }
    }
    co_await finish(call, id, *digest);
}

net::Task<void> cancel_upload(Call& call) {
    const auto cancel = [store = call.service().store, name = call.name(), id = call.item()] {
        return store->cancel_upload(name, id);
    };
    auto cancelled = co_await call.run(cancel);
    if (!cancelled) {
        co_await call.refuse(cancelled.error(), Code::BlobUploadUnknown);
        co_return;
    }
    co_await call.answer(204, api_headers());
}

} // namespace shoal::registry
