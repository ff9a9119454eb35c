// ScriptedExecutor: a node made of nothing, for tests: its tasks take as long and end as a script
// says, in virtual time, and it writes down what it was asked. What runs outlives controllers, as
// containers do.
#pragma once

#include "swarm/agent/executor.h"

#include "net/sleep.h"

#include <map>
#include <set>

namespace shoal::swarm {

class ScriptedExecutor : public Executor {
  public:
    enum class Hang { No, UntilCancelled, ForEver };
    struct Script {
        std::chrono::nanoseconds prepare_takes{};
        std::chrono::nanoseconds start_takes{};
        std::chrono::nanoseconds shutdown_takes{};
        std::optional<std::chrono::nanoseconds> ends_after; ///< with exit_code
        int exit_code = 0;
        Hang prepare_hangs = Hang::No;
        std::vector<Error> prepare_errors; ///< one after the other, then success
        std::vector<Error> start_errors;
        std::vector<Error> remove_errors;
    };
    struct Program {
        explicit Program(net::Loop& loop) : changed(loop) {}
        bool prepared = false;
        bool running = false;
        int exit_code = 0;
        net::Flag changed; ///< it has ended
        std::vector<std::string> log;
    };

    explicit ScriptedExecutor(net::Loop& loop) : loop(loop) {}

    net::Task<Result<pb::NodeDescription>> describe(net::Until) override { co_return description; }
    void configure(const pb::Node& node) override { configured.push_back(node); }
    std::unique_ptr<Controller> make_controller(TaskPtr task, Dependencies dependencies) override;
    std::vector<std::string> known_tasks() const override {
        std::vector<std::string> all;
        for (const auto& [id, program] : programs) { all.push_back(id); }
        return all;
    }

    net::Task<Result<void>> apply_network_map(const NetworkMap& wanted,
                                              std::vector<std::string> changed, bool whole,
                                              net::Until until) override {
        applied.push_back({std::move(changed), whole, wanted.count()});
        if (apply_takes.count() > 0) {
            const auto wake = co_await net::sleep(loop, until.no_later_than(loop.in(apply_takes)));
            if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "apply"); }
        }
        if (!apply_errors.empty()) {
            Error first = apply_errors.front();
            apply_errors.erase(apply_errors.begin());
            co_return first;
        }
        network_map = wanted;
        co_return ok();
    }

    const Script& script_of(const std::string& task_id) const {
        const auto found = scripts.find(task_id);
        return found == scripts.end() ? fallback : found->second;
    }
    Program& program_of(const std::string& task_id) {
        auto& program = programs[task_id];
        if (!program) { program = std::make_shared<Program>(loop); }
        return *program;
    }
    void exit(const std::string& task_id, int code) {
        auto& program = program_of(task_id);
        program.running = false;
        program.exit_code = code;
        program.changed.set();
    }
    std::size_t running() const {
        std::size_t count = 0;
        for (const auto& [id, program] : programs) { count += program->running ? 1 : 0; }
        return count;
    }
    std::size_t count(const std::string& call) const {
        return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), call));
    }

    net::Loop& loop;
    pb::NodeDescription description;
    Script fallback;
    std::map<std::string, Script> scripts;
    std::map<std::string, std::shared_ptr<Program>> programs;
    std::map<std::string, Dependencies> given; ///< by task id, at the last make_controller()
    std::vector<std::string> calls;            ///< "prepare t1"
    std::vector<pb::Node> configured;
    struct Applied {
        std::vector<std::string> changed;
        bool whole = false;
        std::uint64_t count = 0; ///< of the map's items
    };
    std::vector<Applied> applied;
    std::vector<Error> apply_errors; ///< one after the other, then success
    std::chrono::nanoseconds apply_takes{};
    NetworkMap network_map; ///< the last that was made true
};

class ScriptedController final : public Controller {
  public:
    ScriptedController(ScriptedExecutor& executor, TaskPtr task)
        : executor_(executor), id_(task->id()), script_(executor.script_of(task->id())) {}

    net::Task<Result<void>> prepare(net::Until until) override {
        note("prepare");
        CO_TRY(co_await hang(script_.prepare_hangs, until));
        CO_TRY(co_await take(script_.prepare_takes, until));
        CO_TRY(next_of(script_.prepare_errors));
        executor_.program_of(id_).prepared = true;
        co_return ok();
    }
    net::Task<Result<void>> start(net::Until until) override {
        note("start");
        CO_TRY(co_await take(script_.start_takes, until));
        CO_TRY(next_of(script_.start_errors));
        executor_.program_of(id_).running = true;
        co_return ok();
    }
    net::Task<Result<void>> wait(net::Until until) override {
        note("wait");
        auto& program = executor_.program_of(id_);
        if (!program.running && !program.changed.is_set()) {
            co_return not_found("container", id_);
        }
        net::Until limit = until;
        if (script_.ends_after) {
            limit = until.no_later_than(executor_.loop.in(*script_.ends_after));
        }
        const auto wake = co_await program.changed.wait(limit);
        if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "wait"); }
        if (wake == net::Wake::Timeout) { executor_.exit(id_, script_.exit_code); }
        if (program.exit_code == 0) { co_return ok(); }
        co_return internal("task: non-zero exit (" + std::to_string(program.exit_code) + ")");
    }
    net::Task<Result<void>> shutdown(net::Until until) override {
        note("shutdown");
        CO_TRY(co_await take(script_.shutdown_takes, until));
        if (executor_.programs.contains(id_)) { executor_.exit(id_, 0); }
        co_return ok();
    }
    net::Task<Result<void>> remove(net::Until) override {
        note("remove");
        CO_TRY(next_of(script_.remove_errors));
        executor_.programs.erase(id_);
        co_return ok();
    }
    void update(const pb::Task&) override { note("update"); }
    Status status() const override {
        Status status;
        const auto found = executor_.programs.find(id_);
        if (found == executor_.programs.end()) { return status; }
        status.container.set_container_id("c-" + id_);
        status.container.set_exit_code(found->second->exit_code);
        return status;
    }
    net::Task<Result<void>> logs(pb::LogSubscriptionOptions options,
                                 std::function<net::Task<Result<void>>(pb::LogMessage)> take_line,
                                 net::Until until) override {
        note("logs");
        std::size_t told = 0;
        for (;;) {
            const auto found = executor_.programs.find(id_);
            if (found == executor_.programs.end()) { co_return ok(); }
            const auto program = found->second;
            while (told < program->log.size()) {
                pb::LogMessage line;
                line.set_stream(pb::LOG_STREAM_STDOUT);
                line.set_data(program->log[told++]);
                CO_TRY(co_await take_line(std::move(line)));
            }
            if (!options.follow() || program->changed.is_set()) { co_return ok(); }
            const auto wake = co_await net::sleep(
                executor_.loop,
                until.no_later_than(executor_.loop.in(std::chrono::milliseconds(10))));
            if (wake == net::Wake::Cancelled) { co_return ok(); }
        }
    }

  private:
    void note(std::string_view call) { executor_.calls.push_back(std::string(call) + " " + id_); }
    static Result<void> next_of(std::vector<Error>& errors) {
        if (errors.empty()) { return ok(); }
        Error first = errors.front();
        errors.erase(errors.begin());
        return first;
    }
    net::Task<Result<void>> take(std::chrono::nanoseconds span, net::Until until) {
        if (span.count() == 0) { co_return ok(); }
        const auto wake =
            co_await net::sleep(executor_.loop, until.no_later_than(executor_.loop.in(span)));
        if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "step"); }
        co_return ok();
    }
    net::Task<Result<void>> hang(ScriptedExecutor::Hang how, net::Until until) {
        if (how == ScriptedExecutor::Hang::No) { co_return ok(); }
        const auto year = executor_.loop.in(std::chrono::hours(9000));
        net::Until limit(year);
        if (how == ScriptedExecutor::Hang::UntilCancelled) { limit.cancel = until.cancel; }
        const auto wake = co_await net::sleep(executor_.loop, limit);
        co_return net::to_result(wake, "hang");
    }

    ScriptedExecutor& executor_;
    std::string id_;
    ScriptedExecutor::Script script_;
};

inline std::unique_ptr<Controller> ScriptedExecutor::make_controller(TaskPtr task,
                                                                     Dependencies dependencies) {
    given[task->id()] = std::move(dependencies);
    return std::make_unique<ScriptedController>(*this, std::move(task));
}

/// Dates that follow a loop's (virtual) time.
struct LoopClock final : Clock {
    explicit LoopClock(const net::Loop& on) : loop(on), begin(on.now()) {}
    Instant now() const override {
        return Instant{std::chrono::seconds(1'700'000'000)} + (loop.now() - begin);
    }
    Steady steady() const override { return loop.now(); }
    const net::Loop& loop;
    Steady begin;
};

} // namespace shoal::swarm
