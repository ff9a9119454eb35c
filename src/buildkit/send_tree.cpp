#include "buildkit/packet.h"
#include "buildkit/transfer.h"
#include "buildkit/tree_reader.h"
#include "net/lock.h"
#include "net/scope.h"
#include "net/signal.h"
#include "os/file.h"

#include <deque>
#include <unordered_map>

namespace shoal::buildkit {

namespace {

constexpr std::size_t list_step = 512;              ///< entries
constexpr std::size_t read_step_bytes = 512 * 1024; ///< of files, in one go
constexpr std::size_t piece_bytes = 128 * 1024;     ///< in one packet
constexpr std::size_t files_step = 64;              ///< files in one go
constexpr int readers = 3;
constexpr std::size_t complaint_bytes_max = 4096;
constexpr auto farewell_limit = std::chrono::seconds(2);

struct Request {
    std::uint32_t id = 0;
    std::string path;
};

struct Pieces {
    std::vector<std::string> packets;
    std::int64_t bytes = 0;
    bool done = false;
};

std::string data_packet(std::uint32_t id, std::string data) {
    Packet packet;
    packet.kind = Packet::Kind::Data;
    packet.id = id;
    packet.data = std::move(data);
    return print_packet(std::move(packet));
}

/// Files to be read one after the other, on the pool.
struct Reading {
    std::shared_ptr<os::Fd> root;
    std::deque<Request> requests;
    std::optional<TreeFile> open;

    Result<Pieces> step() {
        Pieces pieces;
        while (!requests.empty() && pieces.bytes < std::int64_t(read_step_bytes)) {
            TRY(read_one(pieces).with(requests.front().path));
        }
        pieces.done = requests.empty();
        return pieces;
    }

  private:
    Result<void> read_one(Pieces& pieces) {
        const Request& request = requests.front();
        if (!open) {
            TRY_LET(file, TreeFile::open(*root, request.path));
            open.emplace(std::move(file));
        }
        TRY_LET(data, open->read(piece_bytes));
        pieces.bytes += static_cast<std::int64_t>(data.size());
        const bool ended = data.size() < piece_bytes;
        if (!data.empty()) { pieces.packets.push_back(data_packet(request.id, std::move(data))); }
        if (ended) {
            pieces.packets.push_back(data_packet(request.id, ""));
            open.reset();
            requests.pop_front();
        }
        return ok();
    }
};

struct Listed {
    std::vector<std::string> packets;
    std::vector<std::pair<std::uint32_t, std::string>> files; ///< that may be asked for
    std::uint32_t count = 0;
};

Result<Listed> list_some(TreeWalk& walk, std::uint32_t next_id) {
    TRY_LET(entries, walk.next(list_step));
    Listed listed;
    for (auto& entry : entries) {
        const auto id = next_id + listed.count++;
        if (entry.is_file() && entry.link.empty()) { listed.files.emplace_back(id, entry.path); }
        Packet packet;
        packet.kind = Packet::Kind::Entry;
        packet.entry = std::move(entry);
        listed.packets.push_back(print_packet(std::move(packet)));
    }
    return listed;
}

class Sender {
  public:
    Sender(net::Loop& loop, net::Pool& pool, net::GrpcCall& call, SendTree what, net::Until until)
        : pool_(pool), call_(call), what_(std::move(what)), asked_(loop), writing_(loop),
          until_(until.deadline, stop_), scope_(loop) {
        if (until.cancel != nullptr) { stop_.follow(*until.cancel); }
    }

    net::Task<Result<void>> run() {
        CO_TRY_LET(root, os::open_directory(what_.directory));
        root_ = std::make_shared<os::Fd>(std::move(root));
        scope_.spawn(list());
        for (int i = 0; i < readers; ++i) { scope_.spawn(read_files()); }
        const auto outcome = co_await answer_requests();
        if (!outcome) { fail(outcome.error()); }
        stop_.cancel();
        co_await scope_.close();
        if (!failure_) { co_return co_await say_finished(); }
        co_await complain();
        co_return *failure_;
    }

  private:
    void fail(Error error) {
        if (!failure_) { failure_ = std::move(error); }
        stop_.cancel();
    }

    net::Task<Result<void>> write(std::vector<std::string> packets) {
        CO_TRY_LET(guard, co_await writing_.acquire(until_));
        for (auto& packet : packets) { CO_TRY(co_await call_.write(std::move(packet), until_)); }
        guard.release();
        co_return ok();
    }

    net::Task<void> list() {
        const auto listed = co_await list_all();
        if (!listed && !stop_.cancelled()) { fail(listed.error()); }
    }
    net::Task<Result<void>> list_all() {
        auto open = [directory = what_.directory, wish = what_.wish] {
            return TreeWalk::open(directory, wish);
        };
        CO_TRY_LET(opened, co_await pool_.run(std::move(open)));
        const std::shared_ptr<TreeWalk> walk = std::move(opened);
        std::uint32_t next_id = 0;
        for (;;) {
            auto job = [walk, next_id] { return list_some(*walk, next_id); };
            CO_TRY_LET(listed, co_await pool_.run(std::move(job)));
            if (listed.count == 0) { break; }
            next_id += listed.count;
            for (auto& [id, path] : listed.files) { files_.emplace(id, std::move(path)); }
            CO_TRY(co_await write(std::move(listed.packets)));
        }
        Packet end;
        end.kind = Packet::Kind::EndOfList;
        std::vector<std::string> last{print_packet(end)};
        co_return co_await write(std::move(last));
    }

    net::Task<void> read_files() {
        const auto outcome = co_await read_all_files();
        if (!outcome && !stop_.cancelled()) { fail(outcome.error()); }
    }
    net::Task<Result<void>> read_all_files() {
        for (;;) {
            while (requests_.empty()) {
                const net::Wake wake = co_await asked_.wait(until_);
                CO_TRY(net::to_result(wake, "wait for requests"));
            }
            auto reading = std::make_shared<Reading>();
            reading->root = root_;
            while (!requests_.empty() && reading->requests.size() < files_step) {
                reading->requests.push_back(std::move(requests_.front()));
                requests_.pop_front();
            }
            for (bool done = false; !done;) {
                auto job = [reading] { return reading->step(); };
                CO_TRY_LET(pieces, co_await pool_.run(std::move(job)));
                done = pieces.done;
                CO_TRY(co_await write(std::move(pieces.packets)));
                sent_ += pieces.bytes;
                if (what_.sent) { what_.sent(sent_); }
            }
        }
    }

    net::Task<Result<void>> answer_requests() {
        for (;;) {
            CO_TRY_LET(message, co_await call_.read(until_));
            if (!message) { co_return invalid("the receiver left before it had everything"); }
            CO_TRY_LET(packet, parse_packet(*message));
            if (packet.kind == Packet::Kind::Finished) { co_return ok(); }
            if (packet.kind == Packet::Kind::Failed) {
                co_return internal("the receiver failed: " +
                                   packet.data.substr(0, complaint_bytes_max));
            }
            if (packet.kind != Packet::Kind::Request) {
                co_return invalid("the receiver sent something that is no request");
            }
            const auto found = files_.find(packet.id);
            if (found == files_.end()) {
                co_return invalid("request for something that is no file, or was asked for before");
            }
            requests_.push_back({packet.id, std::move(found->second)});
            files_.erase(found);
            asked_.wake_one();
        }
    }

    net::Task<Result<void>> say_finished() {
        Packet packet;
        packet.kind = Packet::Kind::Finished;
        const net::Until until(until_.deadline);
        CO_TRY(co_await call_.write(print_packet(packet), until));
        co_return ok();
    }
    net::Task<void> complain() {
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
    SendTree what_;
    std::shared_ptr<os::Fd> root_;
    std::unordered_map<std::uint32_t, std::string> files_; ///< listed and not asked for
    std::deque<Request> requests_;
    net::WaitQueue asked_;
    net::Lock writing_;
    std::optional<Error> failure_;
    std::int64_t sent_ = 0;
    net::Cancel stop_;
    net::Until until_;
    net::TaskScope scope_; // last: its tasks go first
};

} // namespace

net::Task<Result<void>> send_tree(net::Loop& loop, net::Pool& pool, net::GrpcCall& call,
                                  SendTree what, net::Until until) {
    Sender sender(loop, pool, call, std::move(what), until);
    co_return co_await sender.run();
}

} // namespace shoal::buildkit
