#include "api/buildkit_jobs.h"

#include "archive/hash.h"
#include "net/sleep.h"

namespace shoal::api {

namespace {

constexpr std::size_t jobs_max = 256;
constexpr auto arrival_limit = std::chrono::seconds(5);
constexpr auto farewell_limit = std::chrono::seconds(10); ///< for a status that comes late
constexpr auto reader_limit = std::chrono::milliseconds(500);

} // namespace

void BuildJob::tell(const buildkit::Status& status) {
    if (status.empty() || ended_) { return; }
    auto bytes = buildkit::print_status(status);
    waiting_bytes_ += bytes.size();
    waiting_.push_back(std::move(bytes));
    // Nobody draws it: the newest is worth most.
    while (readers_ == 0 && waiting_bytes_ > waiting_bytes_max) {
        waiting_bytes_ -= waiting_.front().size();
        waiting_.pop_front();
    }
    news_.raise();
}

net::Task<void> BuildJob::on(build::Event event) {
    tell(status_.take(event, dockerfile));
    while (readers_ > 0 && waiting_bytes_ > waiting_bytes_max) {
        const net::Until until(Deadline::in(reader_limit)); // the reader may leave meanwhile
        const net::Wake wake = co_await room_.wait(until);
        (void)wake;
    }
}

void BuildJob::begin_work(const std::string& name) {
    buildkit::Vertex& vertex = work_[name];
    vertex.digest = archive::sha256_of(request.ref + "/" + name);
    vertex.name = name;
    vertex.started = clock_.now();
    buildkit::Status status;
    status.vertexes.push_back(vertex);
    tell(status);
}

void BuildJob::end_work(const std::string& name, const std::string& error) {
    buildkit::Vertex& vertex = work_[name];
    vertex.completed = clock_.now();
    vertex.error = error;
    buildkit::Status status;
    status.vertexes.push_back(vertex);
    tell(status);
}

net::Task<Result<std::optional<std::string>>> BuildJob::next_status(net::Until until) {
    while (waiting_.empty() && !ended_) {
        const net::Wake wake = co_await news_.wait(until);
        CO_TRY(net::to_result(wake, "wait for the build"));
    }
    if (waiting_.empty()) {
        told_end_ = true;
        co_return std::optional<std::string>();
    }
    std::optional<std::string> bytes(std::move(waiting_.front()));
    waiting_.pop_front();
    waiting_bytes_ -= bytes->size();
    room_.raise();
    co_return bytes;
}

void BuildJob::end() {
    ended_ = true;
    news_.raise();
}

Result<BuildJobPtr> BuildJobs::add(BuildJobPtr job) {
    if (jobs_.contains(job->request.ref)) {
        return conflict("there is a build " + job->request.ref + " already");
    }
    if (jobs_.size() >= jobs_max) { return Error{Errc::Unavailable, "too many builds"}; }
    jobs_.emplace(job->request.ref, job);
    arrivals_.wake_all();
    return job;
}

net::Task<Result<BuildJobPtr>> BuildJobs::find(std::string ref, net::Until until) {
    const auto limit = until.no_later_than(Deadline::in(arrival_limit));
    for (;;) {
        const auto found = jobs_.find(ref);
        if (found != jobs_.end()) { co_return found->second; }
        const net::Wake wake = co_await arrivals_.wait(limit);
        if (wake == net::Wake::Timeout) { co_return not_found("build", ref); }
        CO_TRY(net::to_result(wake, "wait for the build"));
    }
}

void BuildJobs::finish(const BuildJobPtr& job) {
    job->results.clear();
    job->end();
    leaving_.spawn(forget_later(job));
}

net::Task<void> BuildJobs::forget_later(BuildJobPtr job) {
    const net::Until until(Deadline::in(farewell_limit));
    if (!job->being_read() && !job->was_read()) {
        const net::Wake wake = co_await net::sleep(loop_, until);
        (void)wake;
    }
    jobs_.erase(job->request.ref);
}

} // namespace shoal::api
