#include "checks.h"

#include "swarm/dispatcher/node_map.h"
#include "swarm/orchestrator/task_states.h"

#include <fmt/format.h>

namespace shoal::sim {
namespace {

constexpr std::size_t failures_max = 20;
constexpr std::size_t revisions_at_once = 1000;

std::string bytes_of(const ObjectPtr& object) {
    return std::visit(
        [](const auto& held) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
                return "";
            } else {
                return stable_bytes(*held);
            }
        },
        object);
}

std::uint64_t digest_of(std::string_view text) {
    Digest digest;
    digest.add(text);
    return digest.value();
}

template <class T> void add_table(Digest& digest, const Store& store) {
    for (const auto& [id, held] : store.all<T>()) {
        digest.add(id);
        digest.add(stable_bytes(*held));
    }
}
std::uint64_t digest_of_store(const Store& store) {
    Digest digest;
    add_table<pb::Cluster>(digest, store);
    add_table<pb::Node>(digest, store);
    add_table<pb::Network>(digest, store);
    add_table<pb::Secret>(digest, store);
    add_table<pb::Config>(digest, store);
    add_table<pb::Service>(digest, store);
    add_table<pb::Task>(digest, store);
    return digest.value();
}

bool may_run(const pb::Node& node) {
    return node.spec().availability() == pb::NodeSpec::ACTIVE &&
           node.status().state() == pb::NodeStatus::READY;
}

/// Its container runs, and is to run.
bool runs(const pb::Task& task) {
    return task.status().state() == pb::RUNNING && task.desired_state() == pb::RUNNING;
}

/// Everything that may be given once only, with who has it.
class Holders {
  public:
    /// Who has it already; "" when nobody had.
    std::string take(std::string what, const std::string& who) {
        const auto [place, added] = held_.emplace(std::move(what), who);
        return added || place->second == who ? "" : place->first + " of " + place->second;
    }

  private:
    std::map<std::string, std::string> held_;
};

std::string take_address(Holders& holders, const std::string& network, const std::string& address,
                         const std::string& who) {
    if (address.empty()) { return ""; }
    return holders.take(network + " " + address.substr(0, address.find('/')), who);
}

} // namespace

void Digest::add(std::string_view text) {
    for (const char c : text) {
        value_ ^= static_cast<std::uint8_t>(c);
        value_ *= 0x100000001b3ULL;
    }
}

void Checks::fail(std::string what) {
    if (failures_.size() >= failures_max) { return; }
    world_.say("FAILURE " + what);
    failures_.push_back(std::move(what));
}

void Checks::note(Machine& machine, const Change& change) {
    ++changes_seen_;
    std::string line = fmt::format("{} {} {} {}", machine.host, name_of(change.kind), change.id,
                                   version_of(change.after));
    if (const auto task = change.new_as<pb::Task>()) {
        line += fmt::format(" {} wants {} on {}", name_of(task->status().state()),
                            name_of(task->desired_state()), task->node_id());
        if (!task->status().err().empty()) { line += ": " + task->status().err(); }
    } else if (const auto node = change.new_as<pb::Node>()) {
        line += fmt::format(
            " state {} role {} wants {} availability {}", static_cast<int>(node->status().state()),
            static_cast<int>(node->role()), static_cast<int>(node->spec().desired_role()),
            static_cast<int>(node->spec().availability()));
    } else if (!exists(change.after)) {
        line += " gone";
    }
    const auto now = world_.loop.now().time_since_epoch().count();
    digest_.add(std::to_string(now) + " " + line);
    if (keeps_lines) { world_.say(std::move(line)); }
}

void Checks::check_task(const pb::Task& task) {
    TaskPast& past = tasks_[task.id()];
    const std::uint64_t version = task.meta().version().index();
    if (version <= past.version) { return; }
    if (past.gone) { fail(fmt::format("task {} is back after its removal", task.id())); }
    if (task.status().state() < past.observed) {
        fail(fmt::format("task {}: observed {} after {}", task.id(), name_of(task.status().state()),
                         name_of(past.observed)));
    }
    if (task.desired_state() < past.desired) {
        fail(fmt::format("task {}: desired {} after {}", task.id(), name_of(task.desired_state()),
                         name_of(past.desired)));
    }
    if (!past.node_id.empty() && past.node_id != task.node_id()) {
        fail(fmt::format("task {}: node {} after {}", task.id(), task.node_id(), past.node_id));
    }
    past.version = version;
    past.observed = task.status().state();
    past.desired = task.desired_state();
    past.node_id = task.node_id();
}

/// All managers see the same bytes as the same version.
void Checks::check_same(const Change& change) {
    if (!exists(change.after)) { return; }
    const auto key =
        std::pair(std::string(name_of(change.kind)) + change.id, version_of(change.after));
    const auto digest = digest_of(bytes_of(change.after));
    const auto [place, added] = seen_.emplace(key, digest);
    if (!added && place->second != digest) {
        fail(fmt::format("{} {}: two contents of version {}", name_of(change.kind), change.id,
                         key.second));
    }
}

void Checks::changed(Machine& machine, const std::vector<Change>& changes) {
    for (const Change& change : changes) {
        note(machine, change);
        check_same(change);
        if (const auto task = change.new_as<pb::Task>()) { check_task(*task); }
        if (change.kind == Kind::Task && !exists(change.after)) { tasks_[change.id].gone = true; }
    }
}

void Checks::controller_made(Machine& machine, const pb::Task& task,
                             const Dependencies& dependencies) {
    std::set<std::string> may;
    for (const auto& secret : task.spec().container().secrets()) { may.insert(secret.secret_id()); }
    for (const auto& [id, secret] : dependencies.secrets) {
        if (!may.contains(id)) {
            fail(fmt::format("{} has secret {} for task {}", machine.host, id, task.id()));
        }
    }
}

void Checks::container_made(Machine& machine, const pb::Task& task) {
    for (std::size_t i = 0; i < world_.size(); ++i) {
        Machine& other = world_.at(i);
        if (&other != &machine && other.executor.containers().contains(task.id())) {
            fail(fmt::format("task {} has containers on {} and {}", task.id(), machine.host,
                             other.host));
        }
    }
    if (task.node_id() != machine.member->node_id()) {
        fail(fmt::format("a container of task {} of node {} on {}", task.id(), task.node_id(),
                         machine.host));
    }
}

/// Every transaction moves the fence, and a manager takes it before it writes anything else.
void Checks::check_fence() {
    if (!world_.log) { return; }
    const FakeHistory& history = world_.log->history();
    if (history_ != &history) { looked_through_ = 0; }
    history_ = &history;
    while (looked_through_ < history.revision()) {
        const auto from = std::max(looked_through_, history.compacted()) + 1;
        const FakeHistory::Range range{from, history.revision(), revisions_at_once};
        const LogEvents events = history.events(log_prefix, range);
        std::map<std::int64_t, std::pair<std::string, std::size_t>> by_revision;
        for (const auto& event : events.events) {
            auto& [fence, count] = by_revision[event.revision];
            ++count;
            if (event.key == fence_key) { fence = event.value.value_or(""); }
        }
        for (const auto& [revision, what] : by_revision) {
            const std::string node = what.first.substr(0, what.first.find(' '));
            if (node.empty()) { fail(fmt::format("revision {} without fence", revision)); }
            if (node != fence_node_ && what.second != 1) {
                fail(fmt::format("revision {}: {} writes after {} without having taken office",
                                 revision, node, fence_node_));
            }
            fence_node_ = node;
        }
        if (events.revision <= looked_through_) { break; }
        looked_through_ = events.revision;
    }
}

void Checks::check_unique(const Store& store) {
    Holders holders;
    std::vector<std::string> twice;
    for (const auto& [id, service] : store.all<pb::Service>()) {
        for (const auto& vip : service->endpoint().virtual_ips()) {
            twice.push_back(take_address(holders, vip.network_id(), vip.addr(), id));
        }
        for (const auto& port : service->endpoint().ports()) {
            if (port.publish_mode() != pb::PortConfig::INGRESS || port.published_port() == 0) {
                continue;
            }
            twice.push_back(holders.take(
                fmt::format("port {}/{}", port.published_port(), static_cast<int>(port.protocol())),
                id));
        }
    }
    for (const auto& [id, task] : store.all<pb::Task>()) {
        if (is_terminal(task->status().state())) { continue; }
        for (const auto& attachment : task->networks()) {
            for (const auto& address : attachment.addresses()) {
                twice.push_back(
                    take_address(holders, attachment.network().id(), address, "task " + id));
            }
        }
    }
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (node->network_index() == 0) { continue; } // just created
        twice.push_back(holders.take(fmt::format("number {}", node->network_index()), id));
    }
    for (const std::string& one : twice) {
        if (!one.empty()) { fail("given twice: " + one); }
    }
}

void Checks::look() {
    check_fence();
    Manager* const manager = world_.leader();
    if (manager != nullptr) { check_unique(manager->store()); }
}

void Checks::look_at_all_managers() {
    std::optional<std::uint64_t> first;
    for (std::size_t i = 0; i < world_.size(); ++i) {
        Machine& machine = world_.at(i);
        Manager* const manager = machine.up() ? machine.member->manager() : nullptr;
        if (manager == nullptr) { continue; }
        const auto digest = digest_of_store(manager->store());
        if (first && *first != digest) {
            fail(machine.host + " has another store than the managers before it");
        }
        if (!first) { first = digest; }
    }
}

// Liveness.

std::string Checks::unsettled_containers(Machine& machine, const Store& store) {
    std::set<std::string> wanted;
    for (const auto& [id, task] : store.tasks_of_node(machine.member->node_id())) {
        if (runs(*task)) { wanted.insert(id); }
    }
    for (const auto& [id, container] : machine.executor.containers()) {
        if (container.running && wanted.erase(id) == 0) {
            return machine.host + " runs " + id + ", which is not wanted";
        }
    }
    if (wanted.empty()) { return ""; }
    return machine.host + " does not run " + *wanted.begin();
}

std::string Checks::unsettled_machine(Machine& machine, const Store& store) {
    const Member& member = *machine.member;
    if (member.state() == MemberState::Inactive) { return ""; }
    if (removed_nodes.contains(member.node_id())) { return ""; }
    if (member.state() != MemberState::Active) {
        return fmt::format("{} is {}: {}", machine.host, name_of(member.state()), member.error());
    }
    const auto node = store.get<pb::Node>(member.node_id());
    if (!node) { return machine.host + " is no node of the cluster any more"; }
    if (node->status().state() != pb::NodeStatus::READY) {
        return machine.host + " counts as down: " + node->status().message();
    }
    if (member.is_manager() != (node->role() == pb::MANAGER)) {
        return machine.host + " has not its role";
    }
    if (node->role() != node->spec().desired_role()) {
        return machine.host + " has not the role that is wanted";
    }
    return unsettled_containers(machine, store);
}

/// Its map of networks is what the store says, however it came to it.
std::string Checks::unsettled_networks(Machine& machine, const ClusterMap& wanted) {
    NodeMap told(machine.member->node_id(), 0);
    NetworkMap meant;
    while (const auto message = told.next(wanted)) {
        for (const auto& change : message->changes()) { meant.change(change); }
    }
    const NetworkMap& held = machine.executor.network_map();
    if (held.digest() == meant.digest() && held.count() == meant.count()) { return ""; }
    for (const auto& [key, item] : meant.items()) {
        const auto found = held.items().find(key);
        if (found == held.items().end()) { return machine.host + " does not know of " + key; }
        if (same_message(found->second, item)) { continue; }
        return fmt::format("{} knows other things of {}; serving {}, not {}", machine.host, key,
                           found->second.endpoint().serving(), item.endpoint().serving());
    }
    return fmt::format("{} knows {} items of networks, which are {}", machine.host, held.count(),
                       meant.count());
}

std::string Checks::unsettled_networks(const Store& store) {
    ClusterMap wanted;
    wanted.rebuild(store);
    for (std::size_t i = 0; i < world_.size(); ++i) {
        Machine& machine = world_.at(i);
        if (!machine.up() || machine.member->state() != MemberState::Active) { continue; }
        if (removed_nodes.contains(machine.member->node_id())) { continue; }
        auto problem = unsettled_networks(machine, wanted);
        if (!problem.empty()) { return problem; }
    }
    for (const auto& [id, task] : store.all<pb::Task>()) {
        if (runs(*task) && !is_up(*task)) { return "task " + id + " counts as out of reach"; }
    }
    return "";
}

std::string Checks::unsettled_service(const Store& store, const pb::Service& service) {
    std::size_t nodes = 0;
    for (const auto& [id, node] : store.all<pb::Node>()) { nodes += may_run(*node) ? 1 : 0; }
    std::size_t running = 0;
    std::size_t complete = 0;
    for (const auto& [id, task] : store.tasks_of_service(service.id())) {
        running += runs(*task) ? 1 : 0;
        const bool now =
            task->job_iteration().index() == service.job_status().job_iteration().index();
        complete += now && has_reached_goal(*task) ? 1 : 0;
    }
    std::size_t wanted = 0;
    std::size_t seen = running;
    if (is_replicated(service)) {
        wanted = service.spec().replicated().replicas();
    } else if (is_global(service)) {
        // One that was there before stays on a paused node.
        if (running >= nodes) { return ""; }
        wanted = nodes;
    } else if (is_replicated_job(service)) {
        wanted = service.spec().replicated_job().total_completions();
        seen = complete;
    } else {
        if (complete >= nodes) { return ""; }
        wanted = nodes;
        seen = complete;
    }
    if (seen == wanted || nodes == 0) { return ""; }
    return fmt::format("service {} has {} of {} tasks", service.spec().annotations().name(), seen,
                       wanted);
}

std::string Checks::unsettled() {
    Machine* const leading = world_.leading_machine();
    if (leading == nullptr) { return "nobody leads"; }
    const Store& store = leading->member->manager()->store();
    for (std::size_t i = 0; i < world_.size(); ++i) {
        Machine& machine = world_.at(i);
        if (!machine.up()) { continue; }
        auto problem = unsettled_machine(machine, store);
        if (!problem.empty()) { return problem; }
        Manager* const manager = machine.member->manager();
        if (manager == nullptr) { continue; }
        if (manager->store().revision != store.revision) {
            return machine.host + " lags behind the leader";
        }
        if (manager->leader_id() != leading->member->node_id()) {
            return machine.host + " believes in another leader";
        }
    }
    for (const auto& [id, service] : store.all<pb::Service>()) {
        auto problem = unsettled_service(store, *service);
        if (!problem.empty()) { return problem; }
    }
    return unsettled_networks(store);
}

} // namespace shoal::sim
