#include "buildkit/packet.h"
#include "buildkit/transfer.h"
#include "net/scope.h"
#include "net/signal.h"

#include <deque>

namespace shoal::buildkit {

namespace {

constexpr std::size_t inbox_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t inbox_messages_max = 8192;
constexpr std::size_t complaint_bytes_max = 4096;
constexpr auto farewell_limit = std::chrono::seconds(2);

using Messages = std::vector<std::string>;

/// What a step on the pool leads to.
struct Step {
    std::vector<std::string> requests; ///< packets to send
    bool complete = false;             ///< all is there
};

Result<void> apply(TreeWriter& writer, const std::string& message) {
    TRY_LET(packet, parse_packet(message));
    switch (packet.kind) {
    case Packet::Kind::Entry:
        return writer.list(std::move(packet.entry));
    case Packet::Kind::EndOfList:
        return writer.end_list();
    case Packet::Kind::Data:
        return writer.data(packet.id, packet.data);
    case Packet::Kind::Failed:
        return internal("the sender failed: " + packet.data.substr(0, complaint_bytes_max));
    case Packet::Kind::Request:
        return invalid("the sender asked for something");
    case Packet::Kind::Finished:
        return ok();
    }
    return ok();
}

Result<Step> apply_all(TreeWriter& writer, const Messages& messages) {
    const bool was_complete = writer.complete();
    for (const auto& message : messages) { TRY(apply(writer, message)); }
    Step step;
    for (const auto id : writer.take_requests()) {
        Packet packet;
        packet.kind = Packet::Kind::Request;
        packet.id = id;
        step.requests.push_back(print_packet(packet));
    }
    step.complete = writer.complete() && !was_complete;
    if (step.complete) { TRY(writer.finish()); }
    return step;
}

class Receiver {
  public:
    Receiver(net::Loop& loop, net::Pool& pool, net::GrpcCall& call, ReceiveTree what,
             net::Until until)
        : pool_(pool), call_(call), what_(std::move(what)), more_(loop), room_(loop),
          until_(until.deadline, stop_), scope_(loop) {
        if (until.cancel != nullptr) { stop_.follow(*until.cancel); }
    }

    net::Task<Result<Received>> run() {
        auto open = [directory = what_.directory, existing = what_.existing,
                     limits = what_.limits] {
            return TreeWriter::open(directory, existing, limits);
        };
        CO_TRY_LET(opened, co_await pool_.run(std::move(open)));
        writer_ = std::move(opened);
        scope_.spawn(write());
        const auto outcome = co_await read();
        if (!outcome) { fail(outcome.error()); }
        ended_ = true;
        more_.raise();
        co_await scope_.drain({});
        if (failure_) {
            co_await complain();
            co_return *failure_;
        }
        co_return Received{bytes_, writer_->files_written(), writer_->files_kept()};
    }

  private:
    void fail(Error error) {
        if (!failure_) { failure_ = std::move(error); }
        stop_.cancel();
    }

    net::Task<Result<void>> read() {
        for (;;) {
            CO_TRY_LET(message, co_await call_.read(until_));
            if (!message) { co_return ok(); }
            bytes_ += static_cast<std::int64_t>(message->size());
            inbox_bytes_ += message->size();
            inbox_.push_back(std::move(*message));
            more_.raise();
            if (what_.progress) { what_.progress(bytes_); }
            while (inbox_bytes_ > inbox_bytes_max || inbox_.size() > inbox_messages_max) {
                const net::Wake wake = co_await room_.wait(until_);
                CO_TRY(net::to_result(wake, "wait for the disk"));
            }
        }
    }

    net::Task<void> write() {
        const auto outcome = co_await write_all();
        if (!outcome) { fail(outcome.error()); }
    }
    net::Task<Result<void>> write_all() {
        bool complete = false;
        for (;;) {
            while (inbox_.empty() && !ended_) {
                const net::Wake wake = co_await more_.wait(until_);
                CO_TRY(net::to_result(wake, "wait for the sender"));
            }
            if (failure_) { co_return *failure_; }
            if (inbox_.empty() && !complete) {
                co_return invalid("the sender left before everything was there");
            }
            if (inbox_.empty()) { co_return ok(); }
            auto messages = std::make_shared<Messages>(std::move(inbox_));
            inbox_.clear();
            inbox_bytes_ = 0;
            room_.raise();
            auto job = [writer = writer_, messages] { return apply_all(*writer, *messages); };
            CO_TRY_LET(step, co_await pool_.run(std::move(job)));
            for (auto& request : step.requests) {
                CO_TRY(co_await call_.write(std::move(request), until_));
            }
            if (step.complete) { CO_TRY(co_await say_finished()); }
            complete = complete || step.complete;
        }
    }

    net::Task<Result<void>> say_finished() {
        Packet packet;
        packet.kind = Packet::Kind::Finished;
        auto bytes = print_packet(packet);
        CO_TRY(co_await call_.write(std::move(bytes), until_));
        if (call_.is_client()) { CO_TRY(call_.finish_writing()); }
        co_return ok();
    }
    net::Task<void> complain() {
        if (call_.finished()) { co_return; }
        Packet packet;
        packet.kind = Packet::Kind::Failed;
        packet.data = failure_->message;
        auto bytes = print_packet(packet);
        const net::Until until(Deadline::in(farewell_limit));
        const auto told = co_await call_.write(std::move(bytes), until);
        (void)told; // the peer may be what has failed
    }

    net::Pool& pool_;
    net::GrpcCall& call_;
    ReceiveTree what_;
    std::shared_ptr<TreeWriter> writer_;
    Messages inbox_;
    std::size_t inbox_bytes_ = 0;
    bool ended_ = false; ///< nothing more comes
    net::Signal more_;
    net::Signal room_;
    std::optional<Error> failure_;
    std::int64_t bytes_ = 0;
    net::Cancel stop_;
    net::Until until_;
    net::TaskScope scope_; // last: its tasks go first
};

} // namespace

net::Task<Result<Received>> receive_tree(net::Loop& loop, net::Pool& pool, net::GrpcCall& call,
                                         ReceiveTree what, net::Until until) {
    Receiver receiver(loop, pool, call, std::move(what), until);
    co_return co_await receiver.run();
}

} // namespace shoal::buildkit
