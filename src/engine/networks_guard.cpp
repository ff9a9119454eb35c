#include "engine/networks_guard.h"

#include "net/pool.h"

namespace shoal::engine {

using namespace shoal::network;

GuardKeeper::GuardKeeper(Networks::Impl& networks)
    : networks_(networks),
      table_(std::make_shared<KeptTable>(vxlan_guard_table(networks.settings.instance))),
      turn_(networks.env.loop) {}

net::Task<Result<void>> GuardKeeper::sync(std::optional<VxlanGuard> wanted, Senders senders) {
    if (!networks_.settings.firewall) { co_return ok(); }
    auto turn = co_await turn_.acquire();
    if (written_ && wanted == applied_) { co_return ok(); }
    const auto body = wanted ? render_vxlan_guard(*wanted) : std::string();
    const bool keep = !written_ && senders == Senders::Unknown;
    auto job = [table = table_, body, keep] {
        return keep ? table->write_if_absent(body) : table->write(body);
    };
    CO_TRY(co_await networks_.env.pool.run(std::move(job)));
    written_ = !keep;
    applied_ = std::move(wanted);
    co_return ok();
}

net::Task<Result<std::size_t>> GuardKeeper::repair() {
    auto turn = co_await turn_.acquire();
    auto job = [table = table_] { return table->repair(); };
    co_return co_await networks_.env.pool.run(std::move(job));
}

} // namespace shoal::engine
