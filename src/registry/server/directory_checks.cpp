#include "registry/server/directory_checks.h"

namespace shoal::registry {

/// A question that is asked. Its end, however it comes, hangs up and lets the next one go.
class DirectoryChecks::Turn {
  public:
    explicit Turn(DirectoryChecks& checks)
        : checks_(checks), line_(std::make_shared<DirectoryLine>()) {
        ++checks_.asked_;
    }
    ~Turn() {
        line_->hang_up();
        --checks_.asked_;
        checks_.queue_.wake_one();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    const std::shared_ptr<DirectoryLine>& line() const { return line_; }

  private:
    DirectoryChecks& checks_;
    std::shared_ptr<DirectoryLine> line_;
};

net::Task<Result<void>> DirectoryChecks::wait_for_turn(net::Until until) {
    while (asked_ >= checks_max) {
        const net::Wake wake = co_await queue_.wait(until);
        if (wake == net::Wake::Raised) { continue; }
        queue_.wake_one();
        co_return Error{Errc::Unavailable, "the directory: others wait for it already"};
    }
    co_return ok();
}

net::Task<Result<std::optional<DirectoryUser>>> DirectoryChecks::log_in(LdapSettings settings,
                                                                        std::string name,
                                                                        std::string password,
                                                                        net::Until until) {
    const Turn turn(*this);
    const net::Until end = until.no_later_than(Deadline::in(2 * settings.timeout));
    auto job = [settings, name, password, line = turn.line()] {
        return log_in_by_directory(settings, name, password, *line);
    };
    auto answer = co_await pool_.run_until(std::move(job), end);
    const bool given_up =
        !answer && (answer.error().code == Errc::Timeout || answer.error().code == Errc::Cancelled);
    if (given_up) { co_return Error{Errc::Unavailable, "the directory: no answer in time"}; }
    co_return answer;
}

} // namespace shoal::registry
