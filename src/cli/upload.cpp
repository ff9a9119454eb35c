#include "cli/upload.h"

#include "cli/support.h"
#include "net/pool.h"
#include "net/scope.h"

#include <cerrno>

#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

} // namespace

Result<std::string> read_piece(int fd) {
    std::string piece(piece_bytes, '\0');
    ssize_t got = 0;
    do { got = ::read(fd, piece.data(), piece.size()); } while (got < 0 && errno == EINTR);
    if (got < 0) { return os_error("read the archive", errno); }
    piece.resize(static_cast<std::size_t>(got));
    return piece;
}

namespace {

struct Upload {
    Upload(client::Client& client_, UploadBody body_, const TakeBytes& take_)
        : client(client_), body(std::move(body_)), take(take_),
          reader(client_.loop(), 1, net::Pool::AtEnd::Leave), sending(client_.loop()) {}

    client::Client& client;
    UploadBody body;
    const TakeBytes& take;
    std::unique_ptr<client::Answer> answer;
    Result<void> read = ok(); ///< of our own body
    net::Cancel given_up;     ///< fires when that failed: no answer will come of half a body
    bool answered = false;    ///< the exchange is over, also for writing
    net::Pool reader;
    net::TaskScope sending; ///< last: uses everything above
};

net::Task<void> send_body(Upload* self) {
    const net::Until until(self->sending.cancel());
    std::int64_t bytes = 0;
    while (!self->answered) {
        auto job = [read = self->body.read] { return read(); };
        auto piece = co_await self->reader.run_until(std::move(job), until);
        if (self->answered) { co_return; }
        if (!piece) {
            self->read = std::move(piece).error();
            self->given_up.cancel();
            co_return;
        }
        if (piece->empty()) {
            if (self->body.ended) { self->body.ended(bytes); }
            (void)co_await self->answer->exchange().end_body(until);
            co_return;
        }
        auto sent = co_await self->answer->exchange().write(*piece, until);
        if (!sent) { co_return; } // the answer says why
        bytes += static_cast<std::int64_t>(piece->size());
        if (self->body.sent) { self->body.sent(bytes); }
    }
}

net::Task<Result<void>> take_body(client::Answer* answer, const TakeBytes* take, net::Until until) {
    std::vector<char> buffer(piece_bytes);
    while (true) {
        CO_TRY_LET(got, co_await answer->exchange().read_some(buffer, until));
        if (got == 0) { co_return ok(); }
        CO_TRY((*take)({buffer.data(), got}));
    }
}

net::Task<Result<void>> take_answer(Upload* self) {
    const net::Until until(self->given_up);
    CO_TRY(co_await self->answer->head_async(until));
    co_return co_await take_body(self->answer.get(), &self->take, until);
}

net::Task<Result<void>> run(Upload* self, client::Request request) {
    const net::Until until(self->given_up);
    CO_TRY_LET(answer, co_await self->client.open_async(std::move(request), until));
    self->answer = std::move(answer);
    self->sending.spawn(send_body(self));
    auto outcome = co_await take_answer(self);
    self->answered = true;
    co_await self->sending.close();
    if (!self->read) { co_return self->read; }
    co_return outcome;
}

} // namespace

net::Task<Result<void>> upload_async(client::Client* client, client::Request request,
                                     UploadBody body, const TakeBytes* take, net::Until until) {
    request.streamed = true;
    Upload state(*client, std::move(body), *take);
    if (until.cancel != nullptr) { state.given_up.follow(*until.cancel); }
    co_return co_await run(&state, std::move(request));
}

net::Task<Result<void>> download_async(client::Client* client, client::Request request,
                                       const TakeBytes* take, net::Until until) {
    CO_TRY_LET(answer, co_await client->open_async(std::move(request), until));
    co_return co_await take_body(answer.get(), take, until);
}

Result<void> upload(client::Client& client, client::Request request, int fd,
                    const TakeBytes& take) {
    UploadBody body{[fd] { return read_piece(fd); }};
    return net::run_task(client.loop(),
                         upload_async(&client, std::move(request), std::move(body), &take, {}));
}

Result<void> download(client::Client& client, client::Request request, const TakeBytes& take) {
    return net::run_task(client.loop(), download_async(&client, std::move(request), &take, {}));
}

} // namespace shoal::cli
