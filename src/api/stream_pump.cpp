#include "api/stream_pump.h"

#include "api/framing.h"
#include "net/sleep.h"

#include <poll.h>

namespace shoal::api {

namespace {

constexpr std::size_t buffer_bytes = 32 * 1024;
constexpr auto look_interval =
    std::chrono::seconds(1); ///< whether a client that has ended its input is still there
constexpr auto farewell_limit =
    std::chrono::seconds(2); ///< for the client to close after the program's end

/// Both directions are closed. A half-closed connection is not: its client may still be reading.
bool has_hung_up(const net::Stream& client) {
    pollfd look{client.raw(), 0, 0};
    return client.raw() < 0 ||
           (::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0);
}

} // namespace

Result<std::string> detach_key_bytes(std::string_view text) {
    auto bytes = parse_detach_keys(text);
    if (!bytes) { return invalid("Invalid detach keys (" + std::string(text) + ") provided"); }
    return bytes;
}

StreamPump::StreamPump(net::Loop& loop, net::Stream& client, engine::Attachment& program,
                       Options options)
    : loop_(loop), client_(client), program_(program), options_(std::move(options)),
      filter_(options_.detach_keys), buffer_(buffer_bytes), input_ended_(loop),
      discard_(!options_.input), scope_(loop) {}

net::Task<StreamPump::Ended> StreamPump::run() {
    scope_.spawn(pump_input());
    co_await pump_output();
    const Ended ended = ended_; // that the client leaves once all is said changes nothing
    if (ended == Ended::Program) {
        // The client gets the chance to read to the end and to close first: closing over unread
        // input would look to it like a broken connection.
        discard_ = true;
        const net::Until until(Deadline::in(farewell_limit));
        auto told = co_await client_.shutdown_write(until);
        if (told) {
            const net::Wake wake = co_await input_ended_.wait(until);
            (void)wake;
        }
    }
    co_await scope_.close();
    co_return ended;
}

void StreamPump::stop(Ended why) {
    if (!stop_.cancelled()) { ended_ = why; }
    stop_.cancel();
}

net::Task<void> StreamPump::pump_output() {
    const net::Until until(stop_);
    for (;;) {
        auto output = co_await program_.read(until);
        if (!output || output->data.empty()) { co_return; }
        const auto kind = static_cast<StreamKind>(output->kind);
        const std::string bytes =
            options_.framed ? frame(kind, output->data) : std::move(output->data);
        auto sent = co_await client_.write_all(bytes, until);
        if (!sent) {
            stop(Ended::ClientGone);
            co_return;
        }
    }
}

net::Task<void> StreamPump::pump_input() {
    const net::Until until(scope_.cancel());
    bool going_on = true;
    while (going_on) {
        auto got = co_await client_.read_some(buffer_, until);
        if (!got) { break; }
        if (*got == 0) {
            input_ended_.set();
            if (!discard_) {
                auto closed = co_await program_.close_input();
                (void)closed; // it may have ended meanwhile
            }
            co_await watch_client();
            co_return;
        }
        going_on = co_await pass_input(std::string_view(buffer_.data(), *got));
    }
    input_ended_.set();
    if (going_on && !scope_.cancel().cancelled()) { stop(Ended::ClientGone); }
}

/// False when the person at the terminal has left.
net::Task<bool> StreamPump::pass_input(std::string_view bytes) {
    if (discard_) { co_return true; }
    auto passed = filter_.feed(bytes);
    if (!passed.bytes.empty()) {
        const net::Until until(scope_.cancel());
        auto written = co_await program_.write(std::move(passed.bytes), until);
        if (!written) { discard_ = true; }
    }
    if (passed.detached) { stop(Ended::Detached); }
    co_return !passed.detached;
}

net::Task<void> StreamPump::watch_client() {
    while (!has_hung_up(client_)) {
        const net::Until until(Deadline::in(look_interval), scope_.cancel());
        const net::Wake wake = co_await net::sleep(loop_, until);
        if (wake == net::Wake::Cancelled) { co_return; }
    }
    stop(Ended::ClientGone);
}

} // namespace shoal::api
