#include "engine/networks_encryption.h"

#include "base/text.h"
#include "net/pool.h"

namespace shoal::engine {

using namespace shoal::network;

bool is_encrypted(const Definition& definition, const OverlayNetwork* item) {
    if (item != nullptr) { return item->encrypted; }
    const auto option = definition.options.find("encrypted");
    if (option == definition.options.end()) { return false; }
    return option->second.empty() || parse_bool(option->second).value_or(true);
}

EncryptionKeeper::EncryptionKeeper(Networks::Impl& networks, const OverlayBook& book)
    : networks_(networks), book_(book),
      table_(std::make_shared<KeptTable>(encryption_table(networks.settings.instance))),
      turn_(networks.env.loop) {}

net::Task<void> EncryptionKeeper::look() {
    if (able_) { co_return; }
    auto job = [] { return check_esp(); };
    auto able = co_await networks_.env.pool.run(std::move(job));
    able_ = std::move(able);
}

Result<void> EncryptionKeeper::check(const Definition& definition,
                                     const OverlayNetwork* item) const {
    if (!is_encrypted(definition, item) || (able_ && *able_)) { return ok(); }
    const auto& name = item != nullptr ? item->name : definition.name;
    const auto why = able_ ? " (" + able_->error().message + ")" : std::string();
    return unsupported("network " + name + " is encrypted and this kernel has no ESP" + why +
                       ": nothing is sent for it in clear");
}

net::Task<Result<void>> EncryptionKeeper::add(const OverlaySelf& self, std::uint32_t vni) {
    vnis_.insert(vni);
    co_return co_await sync(self);
}

net::Task<Result<void>> EncryptionKeeper::remove(const OverlaySelf& self, std::uint32_t vni) {
    if (vnis_.erase(vni) == 0) { co_return ok(); }
    co_return co_await sync(self);
}

net::Task<Result<void>> EncryptionKeeper::sync(const OverlaySelf& self) {
    EncryptionState wanted;
    if (!vnis_.empty()) {
        wanted.self = self.address;
        wanted.port = self.port;
        wanted.vnis = vnis_;
        wanted.keys = book_.keys();
        wanted.nodes = book_.addresses_of_others(self.index);
    }
    co_return co_await bring_in_line(std::move(wanted));
}

net::Task<Result<void>> EncryptionKeeper::clear() {
    vnis_.clear();
    co_return co_await bring_in_line({});
}

net::Task<Result<void>> EncryptionKeeper::bring_in_line(EncryptionState wanted) {
    auto turn = co_await turn_.acquire();
    if (wanted == applied_) { co_return ok(); }
    auto job = [table = table_, before = applied_, after = wanted] {
        return apply_encryption(*table, before, after);
    };
    CO_TRY(co_await networks_.env.pool.run(std::move(job)));
    applied_ = std::move(wanted);
    co_return ok();
}

net::Task<Result<std::size_t>> EncryptionKeeper::repair() {
    auto turn = co_await turn_.acquire();
    auto job = [table = table_] { return table->repair(); };
    co_return co_await networks_.env.pool.run(std::move(job));
}

} // namespace shoal::engine
