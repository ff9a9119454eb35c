// Back-up of the cluster and its restoration: everything the managers know as one encrypted file.
// Ours: Docker has no such operations.
#include "api/swarm_calls.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::api {
namespace {

constexpr std::size_t backup_bytes_max = std::size_t{2} << 30; ///< as much as the log ever holds
constexpr std::size_t piece_bytes = 256 * 1024;
constexpr auto transfer_limit = std::chrono::minutes(5);
constexpr auto passphrase_header = "X-Shoal-Passphrase";

struct BackupWish {
    std::string passphrase;
};
template <class V> void describe(V& v, BackupWish& wish) { v("Passphrase", wish.passphrase); }

net::Until transfer_until(Call& call) { return {Deadline::in(transfer_limit), call.gone()}; }

net::Task<Result<void>> backup(Call& call) {
    CO_TRY_LET(wish, co_await call.body<BackupWish>());
    CO_TRY(check_manager(standing_of(call)));
    const auto until = transfer_until(call);
    CO_TRY_LET(bytes, co_await call.daemon.swarm->backup(std::move(wish.passphrase), until));
    CO_TRY(co_await call.begin(200, "application/octet-stream"));
    for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
        std::string piece = bytes.substr(at, piece_bytes);
        CO_TRY(co_await call.write(std::move(piece)));
    }
    co_return co_await call.end();
}

Result<std::string> passphrase_of(const Call& call) {
    const auto text = call.header(passphrase_header);
    auto passphrase = decode_base64(text);
    if (!passphrase || passphrase->empty()) {
        return invalid("the passphrase of the back-up is needed, as base64url in the header " +
                       std::string(passphrase_header));
    }
    return passphrase;
}

net::Task<Result<void>> restore(Call& call) {
    CO_TRY(check_outside_swarm(call));
    swarm::RestoreRequest request;
    CO_TRY_LET(passphrase, passphrase_of(call));
    request.passphrase = std::move(passphrase);
    request.listen_addr = call.query_text("listen-addr");
    request.advertise_addr = call.query_text("advertise-addr");
    request.data_path_addr = call.query_text("data-path-addr");
    CO_TRY_LET(bytes, co_await call.body_text(backup_bytes_max));
    request.backup = std::move(bytes);
    const auto until = transfer_until(call);
    CO_TRY_LET(node, co_await call.daemon.swarm->restore(std::move(request), until));
    call.note(node);
    Json answer{{"NodeID", node}};
    co_return co_await call.json(200, std::move(answer));
}

} // namespace

void add_swarm_backup_routes(Router& router) {
    router.add("POST", "/shoal/swarm/backup", Right::Admin, backup);
    router.add("POST", "/shoal/swarm/restore", Right::Admin, restore);
}

} // namespace shoal::api
