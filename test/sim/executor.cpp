#include "executor.h"

#include "net/sleep.h"

namespace shoal::sim {
namespace {
constexpr std::chrono::seconds work_span(3);
constexpr std::chrono::seconds hang_span(40);
} // namespace

class SimController final : public Controller {
  public:
    SimController(SimExecutor& machine, TaskPtr task) : machine_(machine), task_(std::move(task)) {}

    net::Task<Result<void>> prepare(net::Until until) override {
        CO_TRY(co_await step(until));
        if (chance(machine_.weather.prepare_fails)) {
            co_return internal("no such image: " + task_->spec().container().image());
        }
        machine_.containers_[task_->id()].task = task_;
        if (machine_.on_container) { machine_.on_container(*task_); }
        co_return ok();
    }

    net::Task<Result<void>> start(net::Until until) override {
        CO_TRY(co_await step(until));
        const auto found = machine_.containers_.find(task_->id());
        if (found == machine_.containers_.end()) { co_return internal("no such container"); }
        Container& container = found->second;
        if (container.ended) { co_return internal("the container has ended"); }
        if (chance(machine_.weather.start_fails)) {
            container.ended = true;
            container.exit_code = 127;
            co_return internal("the program was not found");
        }
        container.running = true;
        if (chance(machine_.weather.dies_soon)) {
            container.running = false;
            container.ended = true;
            container.exit_code = 1;
        }
        co_return ok();
    }

    net::Task<Result<void>> wait(net::Until until) override {
        for (;;) {
            const auto found = machine_.containers_.find(task_->id());
            if (found == machine_.containers_.end()) { co_return internal("no such container"); }
            if (found->second.ended) {
                const int code = found->second.exit_code;
                if (code == 0) { co_return ok(); }
                co_return internal("task: non-zero exit (" + std::to_string(code) + ")");
            }
            // The program of a job does its work and ends.
            net::Until limit = until;
            const bool works = task_->desired_state() == pb::COMPLETE;
            if (works) { limit = until.no_later_than(machine_.loop_.in(work_span)); }
            const net::Wake wake = co_await machine_.changed_.wait(limit);
            if (wake == net::Wake::Timeout && works) {
                machine_.end_program(task_->id(), 0);
                continue;
            }
            if (wake != net::Wake::Raised) { co_return net::to_result(wake, "wait"); }
        }
    }

    net::Task<Result<void>> shutdown(net::Until until) override {
        if (machine_.on_stop) { machine_.on_stop(*task_); }
        CO_TRY(co_await step(until));
        machine_.end_program(task_->id(), 0);
        co_return ok();
    }

    net::Task<Result<void>> remove(net::Until until) override {
        CO_TRY(co_await step(until));
        machine_.containers_.erase(task_->id());
        machine_.changed_.wake_all();
        co_return ok();
    }

    void update(const pb::Task& task) override { task_ = std::make_shared<const pb::Task>(task); }

    Status status() const override {
        Status status;
        const auto found = machine_.containers_.find(task_->id());
        if (found == machine_.containers_.end()) { return status; }
        status.container.set_container_id("c" + task_->id());
        status.container.set_pid(found->second.running ? 42 : 0);
        status.container.set_exit_code(found->second.exit_code);
        return status;
    }

    net::Task<Result<void>> logs(pb::LogSubscriptionOptions,
                                 std::function<net::Task<Result<void>>(pb::LogMessage)> take,
                                 net::Until) override {
        pb::LogMessage line;
        line.set_data("hello of " + task_->id() + "\n");
        line.set_stream(pb::LOG_STREAM_STDOUT);
        CO_TRY(co_await take(line));
        co_return ok();
    }

  private:
    bool chance(std::uint32_t of_thousand) { return machine_.random_.below(1000) < of_thousand; }

    net::Task<Result<void>> step(net::Until until) {
        const auto most = static_cast<std::uint64_t>(machine_.weather.step_max.count()) + 1;
        std::chrono::milliseconds span(machine_.random_.below(most));
        if (chance(machine_.weather.hangs)) { span = hang_span; }
        const auto end = machine_.loop_.now() + span;
        const net::Until limit = until.no_later_than(Deadline(end));
        const net::Wake wake = co_await net::sleep(machine_.loop_, limit);
        const bool early = wake == net::Wake::Cancelled || machine_.loop_.now() < end;
        if (early) { co_return net::to_result(wake, "step"); }
        co_return ok();
    }

    SimExecutor& machine_;
    TaskPtr task_;
};

SimExecutor::SimExecutor(net::Loop& loop, Random& random, std::string hostname)
    : loop_(loop), random_(random), hostname_(std::move(hostname)), changed_(loop) {}

net::Task<Result<pb::NodeDescription>> SimExecutor::describe(net::Until) {
    pb::NodeDescription out;
    out.set_hostname(hostname_);
    out.mutable_platform()->set_os("linux");
    out.mutable_platform()->set_architecture("x86_64");
    out.mutable_resources()->set_nano_cpus(nano_cpus);
    out.mutable_resources()->set_memory_bytes(memory_bytes);
    out.mutable_engine()->set_engine_version("sim");
    out.set_shoal_version("sim");
    for (const auto& [type, name] :
         std::initializer_list<std::pair<const char*, const char*>>{{"Volume", "local"},
                                                                    {"Network", "bridge"},
                                                                    {"Network", "host"},
                                                                    {"Network", "overlay"},
                                                                    {"Log", "json-file"}}) {
        auto& plugin = *out.mutable_engine()->add_plugins();
        plugin.set_type(type);
        plugin.set_name(name);
    }
    co_return out;
}

std::unique_ptr<Controller> SimExecutor::make_controller(TaskPtr task, Dependencies dependencies) {
    if (on_controller) { on_controller(*task, dependencies); }
    return std::make_unique<SimController>(*this, std::move(task));
}

std::vector<std::string> SimExecutor::known_tasks() const {
    std::vector<std::string> all;
    for (const auto& [id, container] : containers_) { all.push_back(id); }
    return all;
}

/// All or nothing, as a transaction of the kernel.
net::Task<Result<void>> SimExecutor::apply_network_map(const NetworkMap& map,
                                                       std::vector<std::string>, bool,
                                                       net::Until until) {
    const auto most = static_cast<std::uint64_t>(weather.step_max.count()) + 1;
    const std::chrono::milliseconds span(random_.below(most));
    const auto wake = co_await net::sleep(loop_, until.no_later_than(loop_.in(span)));
    if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "networks"); }
    if (random_.below(1000) < weather.apply_fails) { co_return internal("no such device"); }
    network_map_ = map;
    if (on_network_map) { on_network_map(); }
    co_return ok();
}

void SimExecutor::power_cut() {
    network_map_.clear();
    for (auto& [id, container] : containers_) {
        if (!container.running) { continue; }
        container.running = false;
        container.ended = true;
        container.exit_code = 137;
    }
}

void SimExecutor::end_program(const std::string& task_id, int exit_code) {
    const auto found = containers_.find(task_id);
    if (found == containers_.end() || found->second.ended) { return; }
    found->second.running = false;
    found->second.ended = true;
    found->second.exit_code = exit_code;
    changed_.wake_all();
}

std::size_t SimExecutor::running() const {
    std::size_t count = 0;
    for (const auto& [id, container] : containers_) { count += container.running ? 1 : 0; }
    return count;
}

} // namespace shoal::sim
