#include "net/pipe_pair.h"

#include "net/scope.h"
#include "net/sleep.h"

#include <algorithm>
#include <cstring>
#include <deque>

namespace shoal::net {
namespace {

/// A writer learns so late that its bytes are not acknowledged.
constexpr std::chrono::seconds dead_after(10);
constexpr std::size_t in_flight_max = 256 * 1024; ///< then the writer waits

/// One direction.
struct Half {
    Half(Loop& the_loop, LinkWeather the_weather)
        : loop(the_loop), weather(std::move(the_weather)), readable(the_loop), writable(the_loop) {}
    struct Piece {
        Steady due;
        std::string bytes;
    };
    Loop& loop;
    LinkWeather weather;
    std::deque<Piece> pieces;
    std::size_t taken = 0; ///< of the first piece
    std::size_t in_flight = 0;
    Steady last_due{};
    bool ended = false;               ///< nothing more comes
    std::optional<Steady> lost_since; ///< bytes are missing: nothing behind them can arrive
    bool abandoned = false;           ///< nobody reads
    Signal readable;
    Signal writable;
};

class PipeEnd final : public Stream {
  public:
    PipeEnd(std::shared_ptr<Half> in, std::shared_ptr<Half> out, std::string peer)
        : in_(std::move(in)), out_(std::move(out)), peer_(std::move(peer)), gone_(in_->loop) {}
    ~PipeEnd() override { close(); }

    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) override {
        const auto half = in_;
        for (;;) {
            if (half->abandoned) { co_return closed(); }
            Until next = until;
            if (!half->pieces.empty()) {
                if (half->pieces.front().due <= half->loop.now()) { co_return take(*half, into); }
                next = until.no_later_than(Deadline(half->pieces.front().due));
            } else if (half->ended) {
                gone_.set();
                co_return std::size_t{0};
            }
            const Wake wake = co_await half->readable.wait(next);
            if (wake == Wake::Cancelled ||
                (wake == Wake::Timeout && half->loop.now() >= until.deadline.at())) {
                co_return to_result(wake, "read").error();
            }
        }
    }

    Task<Result<void>> write_all(std::string_view bytes, Until until) override {
        const auto half = out_;
        while (half->in_flight > in_flight_max && !half->abandoned && !half->ended) {
            const Wake wake = co_await half->writable.wait(until);
            if (wake != Wake::Raised) { co_return to_result(wake, "write"); }
        }
        if (half->ended || half->abandoned) { co_return closed(); }
        if (half->lost_since && half->loop.now() - *half->lost_since > dead_after) {
            close();
            co_return closed();
        }
        if (!bytes.empty()) { send(*half, std::string(bytes)); }
        co_return ok();
    }
    Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                 Until until) override {
        std::string both(head);
        both += body;
        co_return co_await write_all(both, until);
    }
    Task<Result<void>> shutdown_write(Until) override {
        end(*out_);
        co_return ok();
    }
    void close() override {
        in_->abandoned = true;
        in_->pieces.clear();
        in_->readable.raise();
        in_->writable.raise();
        end(*out_);
        gone_.set();
    }
    Task<Wake> wait_gone(Until until) override { co_return co_await gone_.wait(until); }
    int raw() const override { return -1; }
    std::string peer() const override { return peer_; }

  private:
    static Error closed() { return Error{Errc::Cancelled, "the connection is closed"}; }

    static std::size_t take(Half& half, std::span<char> into) {
        auto& piece = half.pieces.front();
        const auto size = std::min(into.size(), piece.bytes.size() - half.taken);
        std::memcpy(into.data(), piece.bytes.data() + half.taken, size);
        half.taken += size;
        half.in_flight -= size;
        if (half.taken == piece.bytes.size()) {
            half.pieces.pop_front();
            half.taken = 0;
        }
        half.writable.raise();
        return size;
    }

    static void send(Half& half, std::string bytes) {
        if (half.lost_since) { return; }
        Steady due = half.loop.now();
        if (half.weather.delay) {
            const auto delay = half.weather.delay(bytes.size());
            if (!delay) {
                half.lost_since = half.loop.now();
                return;
            }
            due += *delay;
        }
        half.last_due = std::max(half.last_due, due); // bytes do not overtake each other
        half.in_flight += bytes.size();
        half.pieces.push_back({half.last_due, std::move(bytes)});
        half.readable.raise();
    }

    static void end(Half& half) {
        half.ended = true;
        half.readable.raise();
        half.writable.raise();
    }

    std::shared_ptr<Half> in_;
    std::shared_ptr<Half> out_;
    std::string peer_;
    Flag gone_;
};

} // namespace

std::pair<StreamPtr, StreamPtr> make_pipe_pair(Loop& loop, std::string first_name,
                                               std::string second_name, LinkWeather forth,
                                               LinkWeather back) {
    const auto out = std::make_shared<Half>(loop, std::move(forth));
    const auto in = std::make_shared<Half>(loop, std::move(back));
    return {std::make_unique<PipeEnd>(in, out, std::move(second_name)),
            std::make_unique<PipeEnd>(out, in, std::move(first_name))};
}

} // namespace shoal::net
