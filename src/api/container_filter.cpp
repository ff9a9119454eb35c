#include "api/container_filter.h"

#include "base/text.h"
#include "container/ports.h"

#include <algorithm>

namespace shoal::api {

using engine::Container;
using engine::Status;

namespace {

Result<PortRangeFilter> parse_port_filter(const std::string& text) {
    const auto [numbers, protocol] = cut(text, '/');
    auto range = container::parse_port_range(numbers);
    if (!range) { return invalid("invalid filter value for port: " + text); }
    return PortRangeFilter{range->first, range->last,
                           protocol.empty() ? "tcp" : to_lower(protocol)};
}

bool has_port(const std::vector<PortRangeFilter>& wanted, std::uint16_t number,
              const std::string& protocol) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& range) {
        return range.first <= number && number <= range.last && range.protocol == protocol;
    });
}

bool exposes(const Container& container, const std::vector<PortRangeFilter>& wanted) {
    for (const auto& [text, nothing] : container.config.exposed_ports) {
        const auto ports = container::parse_exposed(text);
        if (!ports) { continue; }
        for (const auto& port : *ports) {
            if (has_port(wanted, port.number, port.protocol)) { return true; }
        }
    }
    return std::any_of(
        container.sandbox.ports.begin(), container.sandbox.ports.end(), [&](const auto& binding) {
            return has_port(wanted, binding.container.port, to_text(binding.container.protocol));
        });
}

bool publishes(const Container& container, const std::vector<PortRangeFilter>& wanted) {
    return std::any_of(
        container.sandbox.ports.begin(), container.sandbox.ports.end(), [&](const auto& binding) {
            return has_port(wanted, binding.host_port, to_text(binding.container.protocol));
        });
}

bool on_network(const Container& container, const Filters& filters) {
    const auto& wanted = filters.values("network");
    return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& value) {
        if (container.endpoints.contains(value) || container.host_config.network_mode == value) {
            return true;
        }
        if (value == "bridge" && container.host_config.network_mode == "default") { return true; }
        return std::any_of(container.sandbox.endpoints.begin(), container.sandbox.endpoints.end(),
                           [&](const auto& endpoint) {
                               if (endpoint.automatic) { return false; }
                               return endpoint.network_name == value ||
                                      (value.size() >= 12 &&
                                       endpoint.network.text().starts_with(value));
                           });
    });
}

bool has_volume(const Container& container, const Filters& filters) {
    const auto& wanted = filters.values("volume");
    return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& value) {
        return std::any_of(container.mounts.begin(), container.mounts.end(),
                           [&](const auto& mount) {
                               return mount.name == value || mount.destination == value ||
                                      (mount.type == "bind" && mount.source == value);
                           });
    });
}

bool fits_name(const Container& container, const Filters& filters) {
    return filters.fuzzy("name", container.name) || filters.fuzzy("name", "/" + container.name);
}

} // namespace

Result<ContainerFilter> ContainerFilter::parse(Filters filters, bool all, bool limited) {
    TRY(filters.allow_only({"ancestor", "before", "exited", "expose", "health", "id", "is-task",
                            "isolation", "label", "name", "network", "publish", "since", "status",
                            "volume"}));
    ContainerFilter filter;
    filter.all = all || limited || filters.has("status");
    for (const auto& text : filters.values("exited")) {
        const auto code = parse_number<int>(text);
        if (!code) { return invalid("invalid filter 'exited=" + text + "'"); }
        filter.exited.insert(*code);
    }
    for (const auto& text : filters.values("status")) {
        Status status{};
        if (!from_text(text, status)) { return invalid("invalid filter 'status=" + text + "'"); }
    }
    for (const auto& text : filters.values("health")) {
        container::HealthStatus health{};
        if (!from_text(text, health)) { return invalid("invalid filter 'health=" + text + "'"); }
    }
    TRY_LET(is_task, filters.boolean("is-task", false));
    (void)is_task;
    for (const auto& text : filters.values("expose")) {
        TRY_LET(range, parse_port_filter(text));
        filter.exposed.push_back(range);
    }
    for (const auto& text : filters.values("publish")) {
        TRY_LET(range, parse_port_filter(text));
        filter.published.push_back(range);
    }
    filter.by_ancestor = filters.has("ancestor");
    filter.filters = std::move(filters);
    return filter;
}

bool ContainerFilter::matches(const Container& container) const {
    const engine::State& state = container.state;
    const bool alive = state.running() || state.status == Status::Restarting;
    if (!all && !alive) { return false; }
    if (before && container.created >= *before) { return false; }
    if (since && container.created <= *since) { return false; }
    if (!filters.fuzzy("id", container.id.text()) || !fits_name(container, filters)) {
        return false;
    }
    if (!filters.labels("label", container.config.labels)) { return false; }
    if (!filters.exact("status", to_text(state.status))) { return false; }
    if (!filters.exact("health", to_text(container.health.status))) { return false; }
    if (filters.has("is-task") && *filters.boolean("is-task", false)) {
        return false;
    } // there are none without a swarm
    if (!exited.empty() &&
        (alive || state.status == Status::Created || !exited.contains(state.exit_code))) {
        return false;
    }
    if (by_ancestor && !ancestors.contains(container.image_id.text())) { return false; }
    if (filters.has("volume") && !has_volume(container, filters)) { return false; }
    if (filters.has("network") && !on_network(container, filters)) { return false; }
    if (!exposed.empty() && !exposes(container, exposed)) { return false; }
    return published.empty() || publishes(container, published);
}

} // namespace shoal::api
