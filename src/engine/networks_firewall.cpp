#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "net/pool.h"
#include "net/sleep.h"
#include "net/stream.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

namespace {
/// Several changes of others come together; one look afterwards is enough.
constexpr std::chrono::milliseconds settle_time{100};
} // namespace

RuleBridge Networks::Impl::rule_bridge(const Network& network) const {
    RuleBridge rule;
    const auto& options = network.bridge;
    rule.link = network.link;
    rule.icc = options.icc;
    rule.internal = network.definition.internal;
    rule.routed_v4 = options.gateway_v4 == GatewayMode::Routed;
    rule.routed_v6 = options.gateway_v6 == GatewayMode::Routed;
    rule.unprotected = options.gateway_v4 == GatewayMode::NatUnprotected ||
                       options.gateway_v6 == GatewayMode::NatUnprotected;
    for (const auto& pool : network.definition.pools) {
        const auto subnet = Subnet::parse(pool.subnet);
        if (!subnet || rule.internal || !options.masquerade) { continue; }
        if (subnet->family() == Family::V4 ? rule.routed_v4 : rule.routed_v6) { continue; }
        rule.masquerade.push_back(*subnet);
    }
    return rule;
}

RuleState Networks::Impl::rule_state() const {
    RuleState state;
    state.guard_forward = guard_forward;
    for (const auto& [id, network] : networks) {
        if (network->is_bridge() && !network->removing) {
            state.bridges.push_back(rule_bridge(*network));
        }
    }
    for (const auto& [id, attached] : sandboxes) {
        state.ports.insert(state.ports.end(), attached->rules.begin(), attached->rules.end());
    }
    return state;
}

net::Task<Result<void>> Networks::Impl::open_firewall() {
    if (!settings.firewall) { co_return ok(); }
    auto job = [] { return os::Nft::open(); };
    CO_TRY_LET(opened, co_await env.pool.run(std::move(job)));
    nft = std::make_shared<os::Nft>(std::move(opened));
    CO_TRY(co_await rebuild_table());
    auto tended = co_await tend_foreign_chains();
    if (!tended) { spdlog::warn("foreign firewall chains: {}", tended.error().message); }
    scope.spawn(watch_rules());
    co_return ok();
}

/// One transaction: there is no moment without rules.
net::Task<Result<void>> Networks::Impl::rebuild_table() {
    if (!nft) { co_return ok(); }
    auto turn = co_await firewall_turn.acquire();
    auto job = [nft = nft, table = table, state = rule_state(),
                remembered = user_rules]() -> Result<std::string> {
        const auto listing = nft->query("list chain inet " + table + " user", os::Nft::Form::Text);
        const auto user = listing ? parse_user_rules(*listing) : remembered;
        auto applied = nft->apply(render_table(table, state, user));
        if (applied) { return user; }
        if (user.empty()) { return std::move(applied).error(); }
        // A rule that names something gone must not keep everything else from working.
        TRY(nft->apply(render_table(table, state, "")));
        return std::string();
    };
    CO_TRY_LET(kept, co_await env.pool.run(std::move(job)));
    user_rules = kept;
    co_return ok();
}

/// A change to the table as it is; when that fails the table was tampered with, and is written
/// anew.
net::Task<Result<void>> Networks::Impl::change_rules(std::string commands) {
    if (!nft || commands.empty()) { co_return ok(); }
    {
        auto turn = co_await firewall_turn.acquire();
        auto job = [nft = nft, commands = std::move(commands)] { return nft->apply(commands); };
        auto applied = co_await env.pool.run(std::move(job));
        if (applied) { co_return ok(); }
    }
    co_return co_await rebuild_table();
}

net::Task<Result<void>> Networks::Impl::add_bridge_rules(NetworkPtr network) {
    co_return co_await change_rules(render_add_bridge(table, rule_bridge(*network)));
}
net::Task<Result<void>> Networks::Impl::remove_bridge_rules(NetworkPtr network) {
    if (!network->is_bridge()) { co_return ok(); }
    co_return co_await change_rules(render_remove_bridge(table, rule_bridge(*network)));
}
net::Task<Result<void>> Networks::Impl::add_port_rules(AttachedPtr attached,
                                                       std::vector<RulePort> rules) {
    attached->rules = rules;
    co_return co_await change_rules(render_add_ports(table, rules));
}
net::Task<Result<void>> Networks::Impl::remove_port_rules(AttachedPtr attached) {
    const auto rules = std::exchange(attached->rules, {});
    if (rules.empty()) { co_return ok(); }
    co_return co_await change_rules(render_remove_ports(table, rules));
}

namespace {

/// The forward chains of others, each listed to see whether our rule is there.
Result<std::vector<ForeignChain>> look_at_foreign_chains(os::Nft& nft, const std::string& table) {
    TRY_LET(json, nft.query("list chains", os::Nft::Form::Json));
    TRY_LET(chains, parse_foreign_chains(json, table));
    std::vector<ForeignChain> all;
    for (const auto& chain : chains) {
        const auto listing = nft.query(render_list_chain(chain), os::Nft::Form::Json);
        if (!listing) { continue; } // gone meanwhile
        TRY_LET(seen, parse_foreign_chains(*listing, table));
        all.insert(all.end(), seen.begin(), seen.end());
    }
    return all;
}

} // namespace

net::Task<Result<void>> Networks::Impl::tend_foreign_chains() {
    if (!nft) { co_return ok(); }
    auto turn = co_await firewall_turn.acquire();
    auto job = [nft = nft, table = table]() -> Result<void> {
        TRY_LET(chains, look_at_foreign_chains(*nft, table));
        const auto commands = render_foreign_accept(chains, table);
        return commands.empty() ? ok() : nft->apply(commands);
    };
    co_return co_await env.pool.run(std::move(job));
}

net::Task<void> Networks::Impl::close_firewall(bool keep_table) {
    if (!nft || keep_table) { co_return; }
    auto turn = co_await firewall_turn.acquire();
    auto job = [nft = nft, table = table]() -> Result<void> {
        ErrorList errors;
        auto chains = look_at_foreign_chains(*nft, table);
        if (chains) {
            const auto commands = render_foreign_remove(*chains);
            if (!commands.empty()) { errors.add(nft->apply(commands)); }
        }
        errors.add(nft->apply(render_delete_table(table)));
        return errors.empty() ? ok() : Result<void>(errors.joined());
    };
    auto closed = co_await env.pool.run(std::move(job));
    if (!closed) { spdlog::warn("firewall: {}", closed.error().message); }
}

net::Task<void> Networks::Impl::watch_rules() {
    auto events = os::NftEvents::open();
    if (!events) {
        spdlog::warn("firewall: {}; changes by others are not noticed", events.error().message);
        co_return;
    }
    net::Watch watch(env.loop, events->fd());
    const auto others = overlays->tables();
    for (;;) {
        auto ready = co_await watch.readable(scope.cancel());
        if (!ready) { co_return; }
        auto changes = events->drain(table, others);
        if (!changes.ours_touched()) { // without our rules, every moment counts
            const net::Until soon(Deadline::in(settle_time), scope.cancel());
            const auto wake = co_await net::sleep(env.loop, soon);
            if (wake == net::Wake::Cancelled) { co_return; }
            changes.add(events->drain(table, others));
        }
        if (changes.table_touched || changes.overrun) {
            auto rebuilt = co_await rebuild_table();
            if (rebuilt) {
                spdlog::info("firewall: table {} was changed from outside and is restored", table);
            } else {
                spdlog::error("firewall: {}", rebuilt.error().message);
            }
        } else if (changes.table_extended) {
            auto look = [nft = nft, table = table] {
                return nft->query("list chain inet " + table + " user", os::Nft::Form::Text);
            };
            auto listing = co_await env.pool.run(std::move(look));
            if (listing) { user_rules = parse_user_rules(*listing); }
        }
        if (changes.others_touched || changes.overrun) { co_await overlays->restore_rules(); }
        if (changes.foreign_changed || changes.overrun) {
            auto tended = co_await tend_foreign_chains();
            if (!tended) { spdlog::warn("foreign firewall chains: {}", tended.error().message); }
        }
    }
}

net::Task<Result<void>> Networks::Impl::forward(Family family) {
    if (!settings.ip_forward) { co_return ok(); }
    auto job = [family] { return ensure_forwarding(family); };
    CO_TRY_LET(was_off, co_await env.pool.run(std::move(job)));
    if (!was_off || guard_forward || family != Family::V4) { co_return ok(); }
    // The host was no router before: it shall not become one for anything but containers.
    guard_forward = true;
    co_return co_await rebuild_table();
}

} // namespace shoal::engine
