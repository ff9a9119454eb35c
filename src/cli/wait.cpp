#include "cli/wait.h"

#include "cli/support.h"

namespace shoal::cli {
namespace {

constexpr int conditions_version = 130;
constexpr std::size_t answer_bytes_max = 1024 * 1024;
constexpr std::string_view failed = "Error waiting for container";

client::Request wait_request(const std::string& id, WaitFor condition) {
    net::Query query;
    if (condition != WaitFor::Stopped) {
        query.emplace_back("condition", condition == WaitFor::Removed ? "removed" : "next-exit");
    }
    return client::post("/containers/" + client::part(id) + "/wait", query);
}

} // namespace

net::Task<Result<void>> ExitWait::begin() {
    CO_TRY_LET(version, co_await client_.version_async());
    if (version < conditions_version) { co_return ok(); }
    net::Until never;
    auto answer = co_await client_.open_async(wait_request(id_, condition_), never);
    if (!answer) { co_return std::move(answer).error().with(failed); }
    answer_ = std::move(*answer);
    co_return ok();
}

net::Task<Result<int>> ExitWait::code() {
    net::Until never;
    if (!answer_) {
        auto answer = co_await client_.open_async(wait_request(id_, WaitFor::Stopped), never);
        if (!answer) { co_return std::move(answer).error().with(failed); }
        answer_ = std::move(*answer);
    }
    auto body = co_await answer_->exchange().read_body(answer_bytes_max, never);
    if (!body) { co_return std::move(body).error().with(failed); }
    auto ended = parse_json(*body);
    if (!ended) { co_return std::move(ended).error().with(failed); }
    if (const auto at = ended->find("Error");
        ended->is_object() && at != ended->end() && at->is_object()) {
        co_return Error{Errc::Internal, std::string(failed) + ": " + text_of(*at, "Message")};
    }
    co_return static_cast<int>(number_of(*ended, "StatusCode"));
}

} // namespace shoal::cli
