// How long one node needs to take one backend of one service out and put it back, while it has many
// services: the kernel's share of a change, by network/overlay.h as the daemon uses it. For `make
// bench`; to be run in namespaces of its own. Usage: overlay_speed [SERVICES]; every service has 10
// backends. Prints milliseconds as JSON.
#include "network/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace {
using namespace shoal;
using namespace shoal::network;

constexpr std::uint32_t backends_of_each = 10, nodes = 20, changes = 50;
constexpr std::uint32_t first_backend = 0x0a010000,
                        first_service = 0x0a020000; // 10.1.0.0, 10.2.0.0

double milliseconds(const auto& job) {
    const auto began = std::chrono::steady_clock::now();
    job();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
        .count();
}

OverlayPlan plan(const std::string& path) {
    OverlayPlan plan;
    plan.path = path;
    plan.vni = 4097;
    plan.local = *Ip::parse("127.0.0.1");
    plan.self = 1;
    plan.subnets = {*Subnet::parse("10.0.0.0/8")};
    plan.gateways = {*Ip::parse("10.0.0.1")};
    return plan;
}

OverlayState filled(std::uint32_t services) {
    OverlayState state;
    for (std::uint32_t n = 2; n < 2 + nodes; ++n) {
        state.nodes[static_cast<NodeIndex>(n)] = Ip::v4(0x0a030000 + n);
    }
    for (std::uint32_t s = 0; s < services; ++s) {
        auto& balance = state.services[Ip::v4(first_service + s)];
        for (std::uint32_t b = 0; b < backends_of_each; ++b) {
            const auto number = s * backends_of_each + b;
            const auto backend = Ip::v4(first_backend + 2 + number);
            state.remote[backend] = static_cast<NodeIndex>(2 + number % nodes);
            balance.backends.push_back(backend);
        }
    }
    return state;
}

Result<void> measure(const std::string& path, std::uint32_t services) {
    TRY_LET(overlay, Overlay::open(plan(path)));
    auto state = filled(services);
    Result<void> applied = ok();
    const auto apply = [&] { applied = overlay.apply(state); };
    const double load = milliseconds(apply);
    std::vector<double> taken;
    for (std::uint32_t i = 0; i < changes && applied; ++i) {
        auto& backends = state.services[Ip::v4(first_service + i * 7 % services)].backends;
        const auto gone = backends.back();
        backends.pop_back();
        taken.push_back(milliseconds(apply));
        TRY(applied);
        backends.push_back(gone);
        taken.push_back(milliseconds(apply));
    }
    TRY(applied);
    std::sort(taken.begin(), taken.end());
    fmt::print("{{\"load_ms\": {:.1f}, \"median_ms\": {:.3f}, \"max_ms\": {:.3f}}}\n", load,
               taken[taken.size() / 2], taken.back());
    return ok();
}

} // namespace

int main(int argc, char** argv) {
    const auto services = static_cast<std::uint32_t>(argc > 1 ? std::atoi(argv[1]) : 1000);
    const std::string path = fmt::format("/tmp/overlay_speed.{}", ::getpid());
    const auto measured = measure(path, services == 0 ? 1 : services);
    const auto removed = Overlay::remove(path);
    for (const auto* one : {&measured, &removed}) {
        if (!*one) { fmt::print(stderr, "overlay_speed: {}\n", one->error().message); }
    }
    return measured && removed ? 0 : 1;
}
