// Blobs in and out: a download goes on from the last byte after a broken connection, an upload from
// what the server says it has.
#include "registry/client/transfer.h"

#include "base/text.h"
#include "blob/hash.h"
#include "net/sleep.h"
#include "registry/protocol/ranges.h"

namespace shoal::registry {
namespace {

constexpr std::chrono::milliseconds first_pause{200};
constexpr std::size_t body_bytes_max = 64 * 1024;

class Reader : public BlobReader {
  public:
    Reader(std::shared_ptr<Registry> registry, std::string path, oci::Descriptor blob,
           Purpose purpose)
        : registry_(std::move(registry)), path_(std::move(path)), blob_(std::move(blob)),
          purpose_(purpose) {}

    std::int64_t size() const override { return blob_.size; }

    bool blame_mirror() override { return mirror_ && registry_->impl().give_up_mirror(*mirror_); }

    /// open(), and again at the next endpoint when a mirror does not have it. What may pass is left
    /// to read_some().
    net::Task<Result<void>> begin(net::Until until) {
        while (true) {
            auto opened = co_await open(until);
            if (opened || is_worth_retrying(opened.error()) || until.cancelled() ||
                !registry_->impl().give_up_mirror(asked_)) {
                co_return opened;
            }
        }
    }

    /// Asks for the bytes from the present position on.
    net::Task<Result<void>> open(net::Until until) {
        Registry::Impl& impl = registry_->impl();
        asked_ = impl.endpoints.size() - 1; // when none answers, there is none to give way to
        CO_TRY(co_await impl.choose(until));
        asked_ = impl.current;
        Ask ask;
        ask.url = impl.at_endpoint("/v2/" + path_ + "/blobs/" + blob_.digest.text());
        ask.scopes = scopes_of(path_, purpose_);
        if (at_ > 0) { ask.headers.add("Range", "bytes=" + std::to_string(at_) + "-"); }
        CO_TRY_LET(answer, co_await impl.ask(std::move(ask), until));
        const int status = answer.head.status;
        if (status != 200 && status != 206) {
            Error error = co_await impl.error_of(std::move(answer), until);
            co_return error;
        }
        skip_ = status == 200 ? at_ : 0;
        CO_TRY(check_head(answer.head));
        if (impl.endpoints[asked_].mirror) { mirror_ = asked_; }
        exchange_ = std::move(answer.exchange);
        co_return ok();
    }

    net::Task<Result<std::size_t>> read_some(std::span<char> into, net::Until until) override {
        const auto whole = static_cast<std::uint64_t>(blob_.size);
        while (at_ < whole) {
            auto got = co_await read_piece(into, until);
            if (got && *got > 0) {
                failures_ = 0;
                at_ += *got;
                co_return got;
            }
            Error error = got ? Error{Errc::Unavailable, "the registry closed the connection"}
                              : std::move(got).error();
            exchange_.reset();
            if (until.cancelled()) { co_return std::move(error).with(blob_.digest.text()); }
            if (!is_worth_retrying(error) || ++failures_ >= attempts_max()) {
                if (!registry_->impl().give_up_mirror(asked_)) {
                    co_return std::move(error).with(blob_.digest.text());
                }
                failures_ = 0;
                continue;
            }
            const net::Until pause =
                until.no_later_than(Deadline::in(first_pause * (1 << std::min(failures_, 5))));
            co_await net::sleep(registry_->impl().loop, pause);
        }
        co_return std::size_t{0};
    }

  private:
    int attempts_max() const {
        const Registry::Impl& impl = registry_->impl();
        const ClientLimits& limits = impl.options.limits;
        return impl.endpoints[asked_].mirror ? limits.mirror_attempts_max : limits.attempts_max;
    }

    /// A length or range that cannot be that of the rest is not believed.
    Result<void> check_head(const net::ResponseHead& head) const {
        const auto whole = static_cast<std::uint64_t>(blob_.size);
        const auto length = parse_number<std::uint64_t>(head.headers.get_or("Content-Length", ""));
        const std::uint64_t expected = head.status == 206 ? whole - at_ : whole;
        if (length && *length != expected) {
            return invalid("the registry says that " + blob_.digest.text() + " has " +
                           std::to_string(*length) + " bytes instead of " +
                           std::to_string(expected));
        }
        if (head.status == 206) {
            TRY_LET(range, parse_content_range(head.headers.get_or("Content-Range", "")));
            if (range.range.first != at_) {
                return invalid("the registry sent another range than was asked for");
            }
        }
        return ok();
    }

    net::Task<Result<std::size_t>> read_piece(std::span<char> into, net::Until until) {
        if (!exchange_) { CO_TRY(co_await open(until)); }
        const auto whole = static_cast<std::uint64_t>(blob_.size);
        const net::Until soon =
            until.no_later_than(Deadline::in(registry_->impl().options.limits.stall_timeout));
        while (skip_ > 0) {
            const std::span<char> part = into.first(std::min<std::uint64_t>(into.size(), skip_));
            CO_TRY_LET(passed, co_await exchange_->read_some(part, soon));
            if (passed == 0) { co_return std::size_t{0}; }
            skip_ -= passed;
        }
        CO_TRY_LET(got, co_await exchange_->read_some(into, soon));
        if (got > whole - at_) {
            co_return invalid("the registry sent more than the " + std::to_string(whole) +
                              " bytes of " + blob_.digest.text());
        }
        if (at_ + got == whole) { // a connection read to its end can be used again
            char more = 0;
            const std::span<char> one(&more, 1);
            auto rest = co_await exchange_->read_some(one, soon);
            if (rest && *rest > 0) {
                co_return invalid("the registry sent more than the " + std::to_string(whole) +
                                  " bytes of " + blob_.digest.text());
            }
        }
        co_return got;
    }

    std::shared_ptr<Registry> registry_;
    std::string path_;
    oci::Descriptor blob_;
    Purpose purpose_;
    std::unique_ptr<net::ClientExchange> exchange_;
    std::uint64_t at_ = 0;
    std::uint64_t skip_ = 0;
    int failures_ = 0;
    std::size_t asked_ = 0;             ///< the endpoint that was asked last
    std::optional<std::size_t> mirror_; ///< the last one that gave bytes and was a mirror
};

class Upload : public BlobUpload {
  public:
    Upload(std::shared_ptr<Registry> registry, std::string path, net::Url location)
        : registry_(std::move(registry)), path_(std::move(path)), location_(std::move(location)) {}

    net::Task<Result<void>> write(std::string_view bytes, net::Until until) override {
        if (!exchange_) { CO_TRY(co_await begin_patch(until)); }
        const net::Until soon =
            until.no_later_than(Deadline::in(registry_->impl().options.limits.stall_timeout));
        auto written = co_await exchange_->write(bytes, soon);
        if (written) { co_return ok(); }
        // The server may have said why before it closed.
        auto head = co_await exchange_->head(soon);
        if (head && head->status >= 400) {
            Answer answer{std::move(exchange_), std::move(*head), location_};
            Error error = co_await registry_->impl().error_of(std::move(answer), until);
            co_return error;
        }
        exchange_.reset();
        co_return written;
    }

    net::Task<Result<void>> finish(oci::Digest digest, net::Until until) override {
        if (exchange_) { CO_TRY(co_await end_patch(until)); }
        Ask ask = at_location("PUT");
        const bool has_query = ask.url.target.find('?') != std::string::npos;
        ask.url.target += (has_query ? "&digest=" : "?digest=") + encode_percent(digest.text());
        ask.headers.add("Content-Type", "application/octet-stream");
        CO_TRY_LET(done, co_await registry_->impl().fetch(std::move(ask), until, body_bytes_max));
        const auto said = oci::Digest::parse(done.headers.get_or("Docker-Content-Digest", ""));
        if (said && said->kind() == digest.kind() && *said != digest) {
            co_return internal("the registry stored " + said->text() + " instead of " +
                               digest.text());
        }
        co_return ok();
    }

    net::Task<Result<std::uint64_t>> resume(net::Until until) override {
        exchange_.reset();
        Ask ask = at_location("GET");
        CO_TRY_LET(state, co_await registry_->impl().fetch(std::move(ask), until, body_bytes_max));
        CO_TRY(move_on(state.headers, state.url));
        const std::string_view said = state.headers.get_or("Range", "");
        if (said.empty()) { co_return std::uint64_t{0}; }
        CO_TRY_LET(range, parse_chunk_range(said));
        // "0-0" is what servers say of an empty upload and of one with one byte: none is safe.
        co_return range.last == 0 ? std::uint64_t{0} : range.last + 1;
    }

  private:
    Ask at_location(std::string method) const {
        Ask ask;
        ask.method = std::move(method);
        ask.url = location_;
        ask.scopes = scopes_of(path_, Purpose::Push);
        return ask;
    }
    net::Task<Result<void>> begin_patch(net::Until until) {
        Ask ask = at_location("PATCH");
        ask.streamed = true;
        ask.headers.add("Content-Type", "application/octet-stream");
        CO_TRY_LET(answer, co_await registry_->impl().ask(std::move(ask), until));
        exchange_ = std::move(answer.exchange);
        co_return ok();
    }
    net::Task<Result<void>> end_patch(net::Until until) {
        Registry::Impl& impl = registry_->impl();
        const net::Until soon = impl.within(impl.options.limits.answer_timeout, until);
        CO_TRY(co_await exchange_->end_body(soon));
        CO_TRY_LET(head, co_await exchange_->head(soon));
        Answer answer{std::move(exchange_), std::move(head), location_};
        if (answer.head.status >= 300) {
            Error error = co_await impl.error_of(std::move(answer), until);
            co_return error;
        }
        CO_TRY(co_await answer.exchange->read_body(body_bytes_max, soon));
        co_return move_on(answer.head.headers, location_);
    }
    Result<void> move_on(const net::Headers& headers, const net::Url& from) {
        const std::string_view next = headers.get_or("Location", "");
        if (next.empty()) { return ok(); }
        TRY_LET(to, follow(from, next));
        location_ = std::move(to);
        return ok();
    }

    std::shared_ptr<Registry> registry_;
    std::string path_;
    net::Url location_;
    std::unique_ptr<net::ClientExchange> exchange_;
};

} // namespace

bool is_worth_retrying(const Error& error) {
    return error.code == Errc::Unavailable || error.code == Errc::Cancelled ||
           error.code == Errc::Timeout || error.code == Errc::Internal;
}

net::Task<void> cancel_upload(std::shared_ptr<Registry> registry, std::string path, Answer opened,
                              net::Until until) {
    const auto location = follow(opened.url, opened.head.headers.get_or("Location", ""));
    if (!location) { co_return; }
    Ask ask;
    ask.method = "DELETE";
    ask.url = *location;
    ask.scopes = scopes_of(path, Purpose::Push);
    auto ended = co_await registry->impl().fetch(std::move(ask), until, body_bytes_max);
    (void)ended; // it is forgotten there in time
}

net::Task<Result<std::unique_ptr<BlobReader>>> Repository::blob(oci::Descriptor blob,
                                                                net::Until until) {
    auto reader = std::make_unique<Reader>(registry_, path_, std::move(blob), purpose_);
    auto opened = co_await reader->begin(until);
    if (!opened && !is_worth_retrying(opened.error())) { co_return std::move(opened).error(); }
    co_return std::unique_ptr<BlobReader>(std::move(reader));
}

net::Task<Result<std::string>> Repository::read_blob(oci::Descriptor wanted, std::size_t bytes_max,
                                                     net::Until until) {
    if (wanted.size < 0 || static_cast<std::uint64_t>(wanted.size) > bytes_max) {
        co_return invalid(wanted.digest.text() + " is larger than " + std::to_string(bytes_max) +
                          " bytes");
    }
    while (true) {
        CO_TRY_LET(reader, co_await blob(wanted, until));
        auto bytes = co_await read_whole(reader.get(), wanted, until);
        const bool wrong = !bytes && bytes.error().code == Errc::Invalid;
        if (!wrong || !reader->blame_mirror()) { co_return bytes; }
    }
}

net::Task<Result<std::string>> Repository::read_whole(BlobReader* reader, oci::Descriptor wanted,
                                                      net::Until until) {
    std::string bytes(static_cast<std::size_t>(wanted.size), '\0');
    std::size_t at = 0;
    while (at < bytes.size()) {
        const std::span<char> into(bytes.data() + at, bytes.size() - at);
        CO_TRY_LET(got, co_await reader->read_some(into, until));
        if (got == 0) { break; }
        at += got;
    }
    if (at != bytes.size() || blob::hash(bytes, wanted.digest.kind()) != wanted.digest) {
        co_return invalid("verification failed for digest " + wanted.digest.text());
    }
    co_return bytes;
}

net::Task<Result<std::unique_ptr<BlobUpload>>> Repository::upload(net::Until until) {
    Registry::Impl& impl = registry_->impl();
    CO_TRY(co_await impl.choose(until));
    Ask ask;
    ask.method = "POST";
    ask.url = impl.at_endpoint("/v2/" + path_ + "/blobs/uploads/");
    ask.scopes = scopes_of(path_, Purpose::Push);
    CO_TRY_LET(opened, co_await impl.fetch(std::move(ask), until, body_bytes_max));
    CO_TRY_LET(location, follow(opened.url, opened.headers.get_or("Location", "")));
    co_return std::unique_ptr<BlobUpload>(
        std::make_unique<Upload>(registry_, path_, std::move(location)));
}

} // namespace shoal::registry
