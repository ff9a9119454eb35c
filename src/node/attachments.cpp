#include "node/attachments.h"

#include "base/text.h"
#include "net/sleep.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::node {

namespace {

constexpr std::chrono::milliseconds ask_pause(200);
constexpr std::chrono::seconds give_back_limit(10);

Result<ContainerId> container_of(const pb::Task& task) {
    return ContainerId::parse(task.spec().attachment().container_id());
}

/// Empty before the managers have given it.
std::string network_of(const pb::Task& task) {
    return task.networks_size() == 1 ? task.networks(0).network().id() : std::string();
}

Result<engine::Place> place_of(const pb::NetworkAttachment& attachment) {
    TRY_LET(network, NetworkId::parse(attachment.network().id()));
    engine::Place place{network, "", ""};
    for (const auto& text : attachment.addresses()) {
        const auto address = cut(text, '/').first;
        (address.find(':') == std::string::npos ? place.ipv4 : place.ipv6) = address;
    }
    return place;
}

pb::AttachNetworkRequest request_for(const engine::PlaceWish& wish) {
    pb::AttachNetworkRequest request;
    request.set_container_id(wish.container.text());
    auto& config = *request.mutable_config();
    config.set_target(wish.network);
    config.mutable_aliases()->Assign(wish.names.begin(), wish.names.end());
    config.mutable_addresses()->Assign(wish.addresses.begin(), wish.addresses.end());
    return request;
}

bool has_names(const pb::Task& task, const engine::PlaceWish& place) {
    const auto& names = task.networks(0).aliases();
    return std::set<std::string>(names.begin(), names.end()) ==
           std::set<std::string>(place.names.begin(), place.names.end());
}

/// In the words that Docker's users know.
Error could_not(const std::string& network, Error why) {
    return std::move(why).with("Could not attach to network " + network);
}

} // namespace

/// Nothing runs: the place is there as long as the task is.
class Attachments::Controller final : public swarm::Controller {
  public:
    Controller(Attachments& owner, swarm::TaskPtr task) : owner_(owner), id_(task->id()) {
        status_.container.set_container_id(task->spec().attachment().container_id());
        owner_.held_[id_] = Held{std::move(task), this};
        owner_.changed_.wake_all();
        owner_.look_.raise();
    }
    ~Controller() override {
        const auto held = owner_.held_.find(id_);
        if (held != owner_.held_.end() && held->second.by == this) { owner_.held_.erase(held); }
        owner_.changed_.wake_all();
    }
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    net::Task<Result<void>> prepare(net::Until) override { co_return ok(); }
    net::Task<Result<void>> start(net::Until) override { co_return ok(); }
    net::Task<Result<void>> wait(net::Until until) override {
        const auto wake = co_await net::sleep(owner_.loop_, until);
        co_return net::to_result(wake, "attachment");
    }
    net::Task<Result<void>> shutdown(net::Until) override { co_return ok(); }
    net::Task<Result<void>> remove(net::Until) override { co_return ok(); }
    void update(const pb::Task& task) override {
        const auto held = owner_.held_.find(id_);
        if (held == owner_.held_.end()) { return; }
        held->second.task = std::make_shared<const pb::Task>(task);
        owner_.changed_.wake_all();
    }
    Status status() const override { return status_; }
    net::Task<Result<void>> logs(pb::LogSubscriptionOptions,
                                 std::function<net::Task<Result<void>>(pb::LogMessage)>,
                                 net::Until) override {
        co_return ok();
    }

  private:
    Attachments& owner_;
    std::string id_;
    Status status_;
};

Attachments::Attachments(net::Loop& loop, AttachmentWorld& world)
    : loop_(loop), world_(world), open_(loop), look_(loop), changed_(loop) {}

std::unique_ptr<swarm::Controller> Attachments::make_controller(swarm::TaskPtr task) {
    return std::make_unique<Controller>(*this, std::move(task));
}

bool Attachments::may_have(std::string_view network) const {
    return !open_.is_set() || world_.may_have(network);
}

net::Task<Result<std::optional<engine::Place>>> Attachments::attach(engine::PlaceWish wish) {
    const net::Until until(loop_.in(patience), closing_);
    const auto open = co_await open_.wait(until);
    CO_TRY(net::to_result(open, "wait for the swarm"));
    if (!world_.may_have(wish.network) || world_.is_task(wish.container)) {
        co_return std::optional<engine::Place>();
    }
    busy_.insert(wish.container);
    while (!leaving_.empty()) { // perhaps this container's
        const auto wake = co_await changed_.wait(until);
        CO_TRY(net::to_result(wake, "attach to network " + wish.network));
    }
    auto id = co_await ask(wish, until);
    if (!id && id.error().code == Errc::NotFound) { co_return std::optional<engine::Place>(); }
    if (!id) { co_return could_not(wish.network, std::move(id).error()); }
    abandoned_.erase(*id); // it may be the one of an attempt before
    auto place = co_await take_place(*id, until);
    if (!place) {
        abandoned_[*id] = wish.container;
        co_return could_not(wish.network, std::move(place).error());
    }
    co_return std::optional<engine::Place>(std::move(*place));
}

/// Again and again while no manager can be reached.
net::Task<Result<std::string>> Attachments::ask(engine::PlaceWish wish, net::Until until) {
    for (;;) {
        auto id = co_await world_.attach(request_for(wish), until);
        if (id || id.error().code != Errc::Unavailable) { co_return id; }
        const auto wake = co_await net::sleep(loop_, until.no_later_than(loop_.in(ask_pause)));
        if (wake == net::Wake::Cancelled || loop_.now() >= until.deadline.at()) { co_return id; }
    }
}

/// Until the managers have assigned the task, with its addresses.
net::Task<Result<pb::NetworkAttachment>> Attachments::wait_for(std::string id, net::Until until) {
    for (;;) {
        const auto held = held_.find(id);
        if (held != held_.end() && !network_of(*held->second.task).empty()) {
            co_return held->second.task->networks(0);
        }
        const auto wake = co_await changed_.wait(until);
        if (wake == net::Wake::Timeout) {
            co_return Error{Errc::Timeout, "the managers did not assign a place in time"};
        }
        CO_TRY(net::to_result(wake, "wait for a place"));
    }
}

net::Task<Result<engine::Place>> Attachments::take_place(std::string id, net::Until until) {
    CO_TRY_LET(attachment, co_await wait_for(std::move(id), until));
    CO_TRY_LET(place, place_of(attachment));
    CO_TRY(co_await world_.ensure_network(attachment, until));
    co_return place;
}

void Attachments::settled(const ContainerId& container) {
    busy_.erase(container);
    look_.raise();
}

bool Attachments::is_used(const pb::Task& task) const {
    const auto container = container_of(task);
    const auto network = NetworkId::parse(network_of(task));
    if (!container || !network) { return false; }
    return busy_.contains(*container) || world_.is_on(*container, *network);
}

bool Attachments::is_unused(const std::string& id) const {
    const auto abandoned = abandoned_.find(id);
    if (abandoned != abandoned_.end()) { return !busy_.contains(abandoned->second); }
    const auto held = held_.find(id);
    return held != held_.end() && !held->second.given_back && !is_used(*held->second.task);
}

std::vector<std::string> Attachments::unused() const {
    std::vector<std::string> ids;
    for (const auto& [id, container] : abandoned_) { ids.push_back(id); }
    for (const auto& [id, held] : held_) {
        if (!abandoned_.contains(id)) { ids.push_back(id); }
    }
    std::erase_if(ids, [this](const std::string& id) { return !is_unused(id); });
    return ids;
}

net::Task<void> Attachments::give_back(std::string id, net::Until until) {
    leaving_ = id;
    const net::Until limit = until.no_later_than(loop_.in(give_back_limit));
    const auto done = co_await world_.detach(id, limit);
    leaving_.clear();
    const bool over = done || done.error().code == Errc::Forbidden;
    if (const auto held = held_.find(id); over && held != held_.end()) {
        held->second.given_back = true;
    }
    if (over) { abandoned_.erase(id); }
    changed_.wake_all();
}

/// The task of a place; null for one of which the managers said nothing.
const pb::Task* Attachments::task_of(const engine::PlaceWish& place) const {
    for (const auto& [id, held] : held_) {
        const auto& task = *held.task;
        const bool same = task.spec().attachment().container_id() == place.container.text() &&
                          network_of(task) == place.network;
        if (same) { return &task; }
    }
    return nullptr;
}

/// An address must not be two containers'. And a container may have been given another name.
net::Task<void> Attachments::claim_again(net::Until until) {
    for (const auto& place : world_.on_networks()) {
        const auto* const task = task_of(place);
        const bool held = task != nullptr;
        if ((held && has_names(*task, place)) || busy_.contains(place.container)) { continue; }
        auto request = request_for(place);
        request.set_kept(true);
        const net::Until limit = until.no_later_than(loop_.in(give_back_limit));
        const auto id = co_await world_.attach(std::move(request), limit);
        const auto network = NetworkId::parse(place.network);
        const bool lost = !held && !id &&
                          (id.error().code == Errc::Exhausted ||
                           id.error().code == Errc::NotFound || id.error().code == Errc::Forbidden);
        if (!lost || !network || !world_.may_have(place.network)) { continue; }
        spdlog::warn("container {}: taken off network {}: {}", place.container.short_text(),
                     place.network, id.error().message);
        (void)co_await world_.put_off(place.container, *network);
    }
}

net::Task<void> Attachments::tend(net::Until until) {
    while (!until.cancelled()) {
        co_await claim_again(until);
        for (const auto& id : unused()) {
            if (is_unused(id)) { co_await give_back(id, until); } // still
        }
        co_await look_.wait(until.no_later_than(loop_.in(look_pause)));
    }
}

} // namespace shoal::node
