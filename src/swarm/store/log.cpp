#include "swarm/store/log.h"

#include <set>

namespace shoal::swarm {
namespace {

std::size_t bytes_of(const LogTxn& txn) {
    std::size_t bytes = 0;
    for (const auto& guard : txn.guards) { bytes += guard.key.size(); }
    for (const auto& write : txn.writes) {
        bytes += write.key.size() + (write.value ? write.value->size() : 0);
    }
    return bytes;
}

Result<void> check_keys(const LogTxn& txn) {
    std::set<std::string_view> written;
    for (const auto& guard : txn.guards) {
        if (guard.key.empty()) { return invalid("transaction: a guard has no key"); }
    }
    for (const auto& write : txn.writes) {
        if (write.key.empty()) { return invalid("transaction: a write has no key"); }
        if (!written.insert(write.key).second) {
            return invalid("transaction: key " + write.key + " is written twice");
        }
    }
    return ok();
}

} // namespace

Result<void> check_txn(const LogTxn& txn) {
    if (txn.writes.size() > log_writes_max || txn.guards.size() > log_guards_max) {
        return invalid("transaction: " + std::to_string(txn.writes.size()) + " writes and " +
                       std::to_string(txn.guards.size()) + " guards are too many");
    }
    const std::size_t bytes = bytes_of(txn);
    if (bytes > log_txn_bytes_max) {
        return invalid("transaction: " + std::to_string(bytes) + " bytes; at most " +
                       std::to_string(log_txn_bytes_max) + " are taken");
    }
    return check_keys(txn);
}

} // namespace shoal::swarm
