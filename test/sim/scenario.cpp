#include "scenario.h"

#include "probes.h"

#include "swarm/ca/rotation.h"
#include "swarm/ca/token.h"
#include "swarm/manager/control/networks.h"
#include "swarm/manager/control/nodes.h"
#include "swarm/manager/control/secrets.h"
#include "swarm/manager/control/services.h"
#include "swarm/model/overlay.h"

#include "net/sleep.h"

#include <fmt/format.h>

namespace shoal::sim {

std::map<std::string, std::uint64_t>& probes() {
    static std::map<std::string, std::uint64_t> all;
    return all;
}

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* leader_lost_in_write = "leader lost while a write was in flight";
constexpr const char* write_unknown = "a write's fate was not known";
constexpr const char* leader_demoted = "the leader was demoted";
constexpr const char* node_went_down = "a node counted as down";
constexpr const char* killed_and_back = "a daemon was killed and found its containers";
constexpr const char* leader_cut_off = "the leader was cut off from the others";
constexpr const char* one_way = "a link was cut one way";
constexpr const char* watch_compacted = "the log was compacted";
constexpr const char* log_was_full = "the log was full";
constexpr const char* all_lost_power = "all machines lost power";
constexpr const char* update_in_failover = "the leader changed during an update";
constexpr const char* task_rejected = "a task was rejected";
constexpr const char* task_failed = "a task failed";
constexpr const char* node_removed = "a node was removed";
constexpr const char* node_returned = "a machine came back as another node";
constexpr const char* job_done = "a job completed a task";
constexpr const char* roots_rotated = "a rotation of roots was begun";
constexpr const char* clock_jumped = "a clock jumped";
constexpr const char* secret_used = "a task had a secret";
constexpr const char* network_used = "a task had a network that spans nodes";
constexpr const char* laggard_named = "a task counted though a node had not confirmed its address";
constexpr const char* apply_failed = "a map of networks could not be made true";
constexpr const char* network_removed = "a network was removed";

constexpr seconds change_limit(20);
constexpr seconds settle_limit(400);
constexpr seconds leave_limit(40);

/// A service as the user believes it to be.
struct Known {
    std::string id;
    bool sure_there = false; ///< an answer said so
    bool maybe_gone = false; ///< a removal was asked for, with no answer
};

class Scenario {
  public:
    Scenario(std::uint64_t seed, const ScenarioOptions& options)
        : options_(options), chance_(seed ^ 0x5eed), managers_(1 + chance_.below(5)),
          world_(seed, managers_ + chance_.below(5)), checks_(world_), scope_(world_.loop) {
        world_.observer = &checks_;
        checks_.keeps_lines = options.keep_lines;
    }
    ~Scenario() { world_.observer = nullptr; }

    ScenarioReport run() {
        const auto began = world_.loop.now();
        net::run_task(world_.loop, play());
        ScenarioReport report;
        report.failures = checks_.failures();
        if (!problem_.empty()) { report.failures.push_back(problem_); }
        report.lines = world_.lines;
        report.digest = checks_.digest();
        report.changes = checks_.changes_seen();
        report.virtual_seconds = std::chrono::duration<double>(world_.loop.now() - began).count();
        return report;
    }

  private:
    net::Task<void> play() {
        const auto formed = co_await world_.form(managers_);
        if (!formed) {
            problem_ = "the cluster does not form: " + formed.error().message;
            co_return;
        }
        if (happens(60)) { co_await add_network(); }
        draw_weather();
        scope_.spawn(play_faults());
        for (std::size_t i = 0; i < options_.steps; ++i) {
            co_await pause(4000);
            co_await act();
            checks_.look();
        }
        co_await scope_.close();
        mend();
        co_await settle();
        check_promises();
        checks_.look();
        if (problem_.empty()) { checks_.look_at_all_managers(); }
        count_probes();
    }

    net::Task<void> pause(std::uint64_t most_ms) {
        co_await net::sleep(world_.loop, world_.loop.in(milliseconds(chance_.below(most_ms))));
    }
    bool happens(std::uint64_t of_hundred) { return chance_.below(100) < of_hundred; }
    Machine& any_machine() { return world_.at(chance_.below(world_.size())); }
    const Store* store() {
        Manager* const manager = world_.leader();
        return manager == nullptr ? nullptr : &manager->store();
    }

    // The weather.

    void draw_weather() {
        if (happens(30)) { return; } // fair
        world_.net.pace.delay_max = milliseconds(1 + chance_.below(happens(20) ? 400 : 40));
        if (happens(30)) {
            world_.net.pace.breaks = static_cast<std::uint32_t>(chance_.below(400));
        }
        auto& log = world_.log->faults();
        if (happens(40)) { log.lose_reply = static_cast<double>(chance_.below(50)) / 1000; }
        if (happens(30)) { log.lose_request = static_cast<double>(chance_.below(30)) / 1000; }
        if (happens(30)) { log.disk.most = milliseconds(chance_.below(150)) + log.disk.least; }
        if (happens(40)) { log.lag.most = milliseconds(chance_.below(500)); }
        for (std::size_t i = 0; i < world_.size(); ++i) { draw_machine(world_.at(i)); }
    }
    void draw_machine(Machine& machine) {
        auto& weather = machine.executor.weather;
        weather.step_max = milliseconds(1 + chance_.below(happens(20) ? 4000 : 200));
        if (happens(30)) { weather.prepare_fails = static_cast<std::uint32_t>(chance_.below(200)); }
        if (happens(30)) { weather.start_fails = static_cast<std::uint32_t>(chance_.below(200)); }
        if (happens(30)) { weather.dies_soon = static_cast<std::uint32_t>(chance_.below(200)); }
        if (happens(30)) {
            weather.apply_fails = static_cast<std::uint32_t>(chance_.below(500));
            sometimes(apply_failed, weather.apply_fails > 100);
        }
        if (happens(15)) { weather.hangs = static_cast<std::uint32_t>(chance_.below(30)); }
        if (happens(30)) { machine.clock.skew = milliseconds(chance_.below(60'000)) - seconds(30); }
    }

    /// Everything works again, and every machine is on.
    void mend() {
        world_.say("all is mended");
        world_.heal();
        world_.net.pace = NetWeather();
        world_.log->faults() = FakeFaults();
        world_.log->set_full(false);
        for (std::size_t i = 0; i < world_.size(); ++i) {
            Machine& machine = world_.at(i);
            machine.executor.weather = ExecutorWeather();
            if (!machine.log_host.member().empty()) {
                world_.log->slow_disk(machine.log_host.member(), nanoseconds(0));
            }
            if (!machine.up()) { machine.start(); }
        }
    }

    net::Task<void> settle() {
        const auto end = world_.loop.now() + settle_limit;
        for (;;) {
            co_await net::sleep(world_.loop, world_.loop.in(milliseconds(500)));
            const std::string missing = checks_.unsettled();
            if (missing.empty()) { co_return; }
            if (world_.loop.now() >= end) {
                problem_ = "not settled: " + missing;
                co_return;
            }
        }
    }

    /// What users were told is so.
    void check_promises() {
        const Store* const all = store();
        if (all == nullptr || !problem_.empty()) { return; }
        for (const auto& [name, known] : services_) {
            const bool there = all->get<pb::Service>(known.id) != nullptr;
            if (!there && known.sure_there && !known.maybe_gone) {
                problem_ = "service " + name + " was acknowledged and is lost";
            }
        }
        for (const std::string& id : removed_) {
            if (all->get<pb::Service>(id)) { problem_ = "service " + id + " is back"; }
        }
        for (const std::string& id : secrets_) {
            if (!all->get<pb::Secret>(id)) { problem_ = "secret " + id + " is lost"; }
        }
    }

    void count_probes() {
        const Store* const all = store();
        if (all == nullptr) { return; }
        for (const auto& [id, task] : all->all<pb::Task>()) {
            const auto state = task->status().state();
            sometimes(task_rejected, state == pb::REJECTED);
            sometimes(task_failed, state == pb::FAILED);
            sometimes(job_done, state == pb::COMPLETE);
            sometimes(secret_used, !task->spec().container().secrets().empty());
            sometimes(network_used, has_endpoints(*task));
            const bool late = task->status().message().find("confirmed") != std::string::npos;
            sometimes(laggard_named, late);
        }
    }

    // Users.

    net::Task<void> act() {
        const auto what = chance_.below(100);
        if (what < 25 || services_.empty()) {
            co_await create();
        } else if (what < 40) {
            co_await scale();
        } else if (what < 55) {
            co_await update();
        } else if (what < 60) {
            co_await roll_back();
        } else if (what < 67) {
            co_await remove();
        } else if (what < 70) {
            co_await add_secret();
        } else if (what < 73) {
            co_await add_network();
        } else if (what < 74) {
            co_await remove_some_network();
        } else if (what < 82) {
            co_await set_availability();
        } else if (what < 92) {
            co_await set_role();
        } else if (what < 94) {
            co_await leave_and_return();
        } else if (what < 97) {
            co_await rotate_roots();
        } else {
            co_await rotate_tokens();
        }
    }

    net::Task<Asked> ask(std::string what, Mutation mutation) {
        Machine* const before = world_.leading_machine();
        const Asked asked = co_await world_.change(std::move(mutation), change_limit);
        static const char* const words[] = {"done", "refused", "unknown"};
        world_.say(fmt::format("user: {}: {} {}", what, words[static_cast<int>(asked.answer)],
                               asked.error));
        sometimes(write_unknown, asked.answer == Answer::Unknown);
        const bool lost = before != nullptr && !before->up();
        sometimes(leader_lost_in_write, lost);
        co_return asked;
    }

    pb::ServiceSpec draw_spec(const std::string& name) {
        pb::ServiceSpec spec;
        spec.mutable_annotations()->set_name(name);
        auto& task = *spec.mutable_task();
        task.mutable_container()->set_image("image:1");
        auto& restart = *task.mutable_restart();
        *restart.mutable_delay() = to_duration(milliseconds(chance_.below(3000)));
        restart.set_condition(pb::RestartPolicy::ANY);
        for (auto* config : {spec.mutable_update(), spec.mutable_rollback()}) {
            config->set_parallelism(chance_.below(3));
            config->set_order(happens(50) ? pb::UpdateConfig::START_FIRST
                                          : pb::UpdateConfig::STOP_FIRST);
            *config->mutable_monitor() = to_duration(milliseconds(chance_.below(3000)));
            *config->mutable_delay() = to_duration(milliseconds(chance_.below(2000)));
        }
        const pb::UpdateConfig::FailureAction actions[] = {
            pb::UpdateConfig::PAUSE, pb::UpdateConfig::CONTINUE, pb::UpdateConfig::ROLLBACK};
        spec.mutable_update()->set_failure_action(actions[chance_.below(3)]);
        draw_mode(spec);
        draw_networks(spec);
        if (!secrets_.empty() && happens(40)) {
            auto& reference = *task.mutable_container()->add_secrets();
            const auto& [secret_name, id] = named_secrets_[chance_.below(named_secrets_.size())];
            reference.set_secret_id(id);
            reference.set_secret_name(secret_name);
            reference.mutable_file()->set_name("s");
            reference.mutable_file()->set_uid("0");
            reference.mutable_file()->set_gid("0");
            reference.mutable_file()->set_mode(0400);
        }
        return spec;
    }
    void draw_networks(pb::ServiceSpec& spec) {
        for (const auto& name : networks_) {
            if (!happens(40)) { continue; }
            auto& config = *spec.mutable_task()->add_networks();
            config.set_target(name);
            if (happens(30)) { config.add_aliases("alias"); }
        }
    }
    void draw_mode(pb::ServiceSpec& spec) {
        const auto mode = chance_.below(10);
        if (mode < 6) {
            spec.mutable_replicated()->set_replicas(chance_.below(9));
        } else if (mode < 8) {
            spec.mutable_global();
        } else {
            spec.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::ON_FAILURE);
            spec.clear_update();
            spec.clear_rollback();
            if (mode == 8) {
                const auto total = 1 + chance_.below(6);
                spec.mutable_replicated_job()->set_total_completions(total);
                spec.mutable_replicated_job()->set_max_concurrent(1 + chance_.below(total));
            } else {
                spec.mutable_global_job();
            }
            return;
        }
        if (happens(30)) {
            auto& port = *spec.mutable_endpoint()->add_ports();
            port.set_target_port(80);
            port.set_published_port(
                happens(50) ? 0 : 8000 + static_cast<std::uint32_t>(chance_.below(20)));
        }
    }

    net::Task<void> create() {
        const std::string name = fmt::format("s{}", ++named_);
        const auto spec = draw_spec(name);
        const auto id = std::make_shared<std::string>();
        const Mutation make = [spec, id](Tx& tx) -> Result<void> {
            TRY_LET(made, create_service(tx, spec));
            *id = made->id();
            return ok();
        };
        const Asked asked = co_await ask("create " + name, make);
        if (asked.answer == Answer::Refused) { co_return; }
        // A mutation is run again when the log refused it: the id of one whose fate is not known
        // is not known either.
        if (asked.answer == Answer::Done) { services_[name] = Known{*id, true, false}; }
    }

    std::string any_service() {
        auto place = services_.begin();
        std::advance(place, static_cast<std::ptrdiff_t>(chance_.below(services_.size())));
        return place->first;
    }

    /// As a client does it: read, change, write with the version that was read.
    net::Task<Asked> change_service(std::string what, std::string name,
                                    std::function<void(pb::ServiceSpec&)> change) {
        const std::string id = services_[name].id;
        const Mutation write = [id, change](Tx& tx) -> Result<void> {
            const auto held = tx.store().get<pb::Service>(id);
            if (!held) { return not_found("service", id); }
            pb::ServiceSpec spec = held->spec();
            change(spec);
            TRY(update_service(tx, id, held->meta().version().index(), spec));
            return ok();
        };
        co_return co_await ask(what + " " + name, write);
    }

    net::Task<void> scale() {
        const auto replicas = chance_.below(12);
        const auto change = [replicas](pb::ServiceSpec& spec) {
            if (spec.has_replicated()) { spec.mutable_replicated()->set_replicas(replicas); }
        };
        const std::string name = any_service();
        const std::function<void(pb::ServiceSpec&)> held = change;
        const Asked asked =
            co_await change_service(fmt::format("scale to {}", replicas), name, held);
        (void)asked;
    }
    net::Task<void> update() {
        const auto image = "image:" + std::to_string(++named_);
        const std::function<void(pb::ServiceSpec&)> change = [image](pb::ServiceSpec& spec) {
            spec.mutable_task()->mutable_container()->set_image(image);
        };
        const std::string name = any_service();
        const Asked asked = co_await change_service("update", name, change);
        (void)asked;
    }
    net::Task<void> roll_back() {
        const std::string name = any_service();
        const Mutation write = [id = services_[name].id](Tx& tx) -> Result<void> {
            const auto held = tx.store().get<pb::Service>(id);
            if (!held) { return not_found("service", id); }
            TRY(roll_back_service(tx, id, held->meta().version().index()));
            return ok();
        };
        const Asked asked = co_await ask("roll back " + name, write);
        (void)asked;
    }
    net::Task<void> remove() {
        const std::string name = any_service();
        const std::string id = services_[name].id;
        const Mutation write = [id](Tx& tx) { return remove_service(tx, id); };
        services_[name].maybe_gone = true;
        const Asked asked = co_await ask("remove " + name, write);
        if (asked.answer == Answer::Done) { removed_.push_back(id); }
        if (asked.answer == Answer::Refused) { services_[name].maybe_gone = false; }
        if (asked.answer != Answer::Refused) { services_.erase(name); }
    }
    net::Task<void> add_secret() {
        const std::string name = fmt::format("secret{}", ++named_);
        const auto id = std::make_shared<std::string>();
        const Mutation make = [name, id](Tx& tx) -> Result<void> {
            pb::SecretSpec spec;
            spec.mutable_annotations()->set_name(name);
            spec.set_data("hush " + name);
            TRY_LET(made, create_secret(tx, spec));
            *id = made->id();
            return ok();
        };
        const Asked asked = co_await ask("create " + name, make);
        if (asked.answer != Answer::Done) { co_return; }
        secrets_.insert(*id);
        named_secrets_.emplace_back(name, *id);
    }

    net::Task<void> add_network() {
        const std::string name = fmt::format("net{}", ++named_);
        pb::NetworkSpec spec;
        spec.mutable_annotations()->set_name(name);
        spec.set_ipv6_enabled(happens(30));
        if (happens(30)) {
            (*spec.mutable_driver_config()->mutable_options())["encrypted"] = "true";
        }
        const Mutation make = [spec](Tx& tx) -> Result<void> {
            TRY(create_network(tx, spec));
            return ok();
        };
        const Asked asked = co_await ask("create " + name, make);
        if (asked.answer == Answer::Done) { networks_.push_back(name); }
    }
    net::Task<void> remove_some_network() {
        if (networks_.empty()) { co_return; }
        const std::string name = networks_[chance_.below(networks_.size())];
        const Mutation remove = [name](Tx& tx) -> Result<void> {
            const auto held = tx.store().by_name<pb::Network>(name);
            if (!held) { return not_found("network", name); }
            return remove_network(tx, held->id());
        };
        const Asked asked = co_await ask("remove " + name, remove);
        sometimes(network_removed, asked.answer == Answer::Done);
        if (asked.answer != Answer::Refused) { std::erase(networks_, name); }
    }

    net::Task<void> change_node(std::string what, std::string id,
                                std::function<void(pb::NodeSpec&)> change) {
        const Mutation write = [id, change](Tx& tx) -> Result<void> {
            const auto held = tx.store().get<pb::Node>(id);
            if (!held) { return not_found("node", id); }
            pb::NodeSpec spec = held->spec();
            change(spec);
            TRY(update_node(tx, id, held->meta().version().index(), spec));
            return ok();
        };
        const Asked asked = co_await ask(what + " " + id, write);
        (void)asked;
    }
    net::Task<void> set_availability() {
        const Machine& machine = any_machine();
        if (!machine.up()) { co_return; }
        const auto wanted = happens(50) ? pb::NodeSpec::ACTIVE
                                        : (happens(50) ? pb::NodeSpec::DRAIN : pb::NodeSpec::PAUSE);
        const std::function<void(pb::NodeSpec&)> change = [wanted](pb::NodeSpec& spec) {
            spec.set_availability(wanted);
        };
        const std::string id = machine.member->node_id();
        co_await change_node("availability " + std::to_string(wanted), id, change);
    }
    net::Task<void> set_role() {
        Machine* machine = &any_machine();
        if (happens(20) && world_.leading_machine() != nullptr) {
            machine = world_.leading_machine();
        }
        if (!machine->up()) { co_return; }
        const bool leads = machine == world_.leading_machine();
        const bool manages = machine->member->is_manager();
        sometimes(leader_demoted, leads);
        const auto wanted = manages ? pb::WORKER : pb::MANAGER;
        const std::function<void(pb::NodeSpec&)> change = [wanted](pb::NodeSpec& spec) {
            spec.set_desired_role(wanted);
        };
        const std::string id = machine->member->node_id();
        co_await change_node(manages ? "demote" : "promote", id, change);
    }
    /// A worker leaves, its node is removed, and it may come back as another.
    net::Task<void> leave_and_return() {
        Machine& machine = any_machine();
        const bool fit = machine.up() && machine.member->state() == MemberState::Active &&
                         !machine.member->is_manager();
        if (!fit) { co_return; }
        const std::string id = machine.member->node_id();
        const net::Until limit(world_.loop.in(leave_limit));
        auto leaving = machine.member->leave(true, limit);
        const auto left = co_await world_.run_on<void>(machine, std::move(leaving), leave_limit);
        world_.say(
            fmt::format("user: {} leaves: {}", machine.host, left ? "done" : left.error().message));
        const Mutation write = [id](Tx& tx) {
            RemoveNode options;
            options.force = true;
            return remove_node(tx, id, options);
        };
        const Asked asked = co_await ask("remove node " + id, write);
        if (asked.answer != Answer::Refused) { checks_.removed_nodes.insert(id); }
        sometimes(node_removed, asked.answer == Answer::Done);
        if (!machine.up() || happens(30)) { co_return; }
        const auto joined = co_await world_.join(machine, pb::WORKER);
        world_.say(fmt::format("user: {} joins: {}", machine.host,
                               joined ? "done" : joined.error().message));
        sometimes(node_returned, joined.has_value());
    }
    net::Task<void> rotate_roots() {
        sometimes(roots_rotated);
        const Mutation write = [](Tx& tx) -> Result<void> {
            pb::Cluster cluster = *tx.store().cluster();
            auto& config = *cluster.mutable_spec()->mutable_ca_config();
            config.set_force_rotate(config.force_rotate() + 1);
            TRY(begin_rotation(*tx.store().cluster(), cluster, tx.now()));
            tx.put(std::move(cluster));
            return ok();
        };
        const Asked asked = co_await ask("rotate roots", write);
        (void)asked;
    }
    net::Task<void> rotate_tokens() {
        Random* const random = &world_.random;
        const Mutation write = [random](Tx& tx) -> Result<void> {
            pb::Cluster cluster = *tx.store().cluster();
            const std::string token = make_token_for(cluster, *random);
            cluster.mutable_root_ca()->mutable_join_tokens()->set_worker(token);
            tx.put(std::move(cluster));
            return ok();
        };
        const Asked asked = co_await ask("rotate tokens", write);
        (void)asked;
    }

    // Faults.

    net::Task<void> play_faults() {
        const net::Until until(scope_.cancel());
        if (happens(15)) { co_return; } // nothing goes wrong
        while (!until.cancelled()) {
            const auto span = milliseconds(500 + chance_.below(12'000));
            (void)co_await net::sleep(world_.loop, until.no_later_than(world_.loop.in(span)));
            if (until.cancelled()) { co_return; }
            strike();
            note_down();
        }
    }
    void note_down() {
        const Store* const all = store();
        if (all == nullptr) { return; }
        for (const auto& [id, node] : all->all<pb::Node>()) {
            sometimes(node_went_down, node->status().state() == pb::NodeStatus::DOWN);
        }
    }
    void strike() {
        Machine* machine = &any_machine();
        Machine* const leading = world_.leading_machine();
        if (happens(30) && leading != nullptr) { machine = leading; }
        const auto what = chance_.below(100);
        if (what < 45) {
            strike_power(*machine, what);
        } else if (what < 75) {
            strike_network(*machine, what);
        } else {
            strike_other(*machine, what);
        }
    }
    void strike_power(Machine& machine, std::uint64_t what) {
        if (!machine.up()) {
            world_.say("fault: " + machine.host + " is back");
            sometimes(killed_and_back, machine.executor.running() > 0);
            machine.start();
            return;
        }
        if (what < 3) {
            world_.say("fault: power cut everywhere");
            sometimes(all_lost_power);
            for (std::size_t i = 0; i < world_.size(); ++i) {
                if (world_.at(i).up()) { world_.at(i).power_cut(); }
            }
            for (std::size_t i = 0; i < world_.size(); ++i) {
                if (happens(80)) { world_.at(i).start(); }
            }
            return;
        }
        sometimes(update_in_failover, &machine == world_.leading_machine() && updating());
        const bool power = what < 20;
        world_.say("fault: " + machine.host + (power ? " loses power" : "'s daemon is killed"));
        power ? machine.power_cut() : machine.kill_daemon();
        if (what >= 35) { machine.start(); }
    }
    bool updating() {
        const Store* const all = store();
        if (all == nullptr) { return false; }
        for (const auto& [id, service] : all->all<pb::Service>()) {
            if (service->update_status().state() == pb::UpdateStatus::UPDATING) { return true; }
        }
        return false;
    }
    void strike_network(Machine& machine, std::uint64_t what) {
        if (what < 52) {
            world_.say("fault: the network is whole");
            world_.heal();
            return;
        }
        const bool nodes = happens(70);
        const bool members = !nodes || happens(70);
        const bool oneway = happens(30);
        world_.say(fmt::format("fault: {} is cut off{}{}{}", machine.host, nodes ? ", nodes" : "",
                               members ? ", log" : "", oneway ? ", one way" : ""));
        sometimes(one_way, oneway);
        sometimes(leader_cut_off, &machine == world_.leading_machine());
        const std::uint64_t of_hundred = happens(50) ? 100 : 50; // from all, or from some
        for (std::size_t i = 0; i < world_.size(); ++i) {
            Machine& other = world_.at(i);
            if (&other == &machine || !happens(of_hundred)) { continue; }
            world_.cut(machine, other, nodes, members);
            if (!oneway) { world_.cut(other, machine, nodes, members); }
        }
    }
    void strike_other(Machine& machine, std::uint64_t what) {
        if (what < 80) {
            world_.say("fault: the log is compacted");
            checks_.look();
            sometimes(watch_compacted);
            world_.log->compact(world_.log->history().revision());
        } else if (what < 85) {
            log_full_ = !log_full_;
            world_.say(log_full_ ? "fault: the log is full" : "fault: the log has space");
            sometimes(log_was_full, log_full_);
            world_.log->set_full(log_full_);
        } else if (what < 90) {
            world_.say("fault: the clock of " + machine.host + " jumps");
            sometimes(clock_jumped);
            machine.clock.skew += milliseconds(chance_.below(1'200'000)) - seconds(600);
        } else if (what < 95) {
            if (machine.log_host.member().empty()) { return; }
            world_.say("fault: the disk of " + machine.host + " is slow");
            world_.log->slow_disk(machine.log_host.member(), milliseconds(chance_.below(800)));
        } else {
            for (const auto& [id, container] : machine.executor.containers()) {
                if (!container.running) { continue; }
                world_.say("fault: a program on " + machine.host + " dies");
                machine.executor.end_program(id, 1);
                return;
            }
        }
    }

    ScenarioOptions options_;
    SimRandom chance_; ///< of the story; the world has its own
    std::size_t managers_;
    World world_;
    Checks checks_;
    net::TaskScope scope_;
    std::string problem_;
    std::map<std::string, Known> services_;
    std::vector<std::string> removed_;
    std::set<std::string> secrets_;
    std::vector<std::pair<std::string, std::string>> named_secrets_;
    std::vector<std::string> networks_;
    std::size_t named_ = 0;
    bool log_full_ = false;
};

} // namespace

void declare_probes() {
    for (const char* what : {leader_lost_in_write,
                             write_unknown,
                             leader_demoted,
                             node_went_down,
                             killed_and_back,
                             leader_cut_off,
                             one_way,
                             watch_compacted,
                             log_was_full,
                             all_lost_power,
                             update_in_failover,
                             task_rejected,
                             task_failed,
                             node_removed,
                             node_returned,
                             job_done,
                             roots_rotated,
                             clock_jumped,
                             secret_used,
                             network_used,
                             laggard_named,
                             apply_failed,
                             network_removed}) {
        sometimes(what, false);
    }
}

ScenarioReport run_scenario(std::uint64_t seed, const ScenarioOptions& options) {
    Scenario scenario(seed, options);
    auto report = scenario.run();
    report.seed = seed;
    return report;
}

} // namespace shoal::sim
