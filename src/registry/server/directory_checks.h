// Log-ins that the directory (LDAP) decides, asked from the loop: on threads of their own, so many
// at a time, and each with an end whatever libldap does, which waits for ever in some places (a TLS
// handshake that nobody answers). What the answer is worth is Access's business.
#pragma once

#include "net/pool.h"
#include "net/wait_queue.h"
#include "registry/server/ldap.h"

namespace shoal::registry {

class DirectoryChecks {
  public:
    static constexpr int checks_max = 4; ///< at one time; others wait for their turn

    explicit DirectoryChecks(net::Loop& loop)
        : pool_(loop, threads_max, net::Pool::AtEnd::Leave), queue_(loop) {}

    /// Until fewer than `checks_max` are asked: then log_in() may follow at once. Fails:
    /// Unavailable at `until`.
    net::Task<Result<void>> wait_for_turn(net::Until until);
    /// For one that had its turn and needs no check any more.
    void wake_one() { queue_.wake_one(); }
    /// As log_in_by_directory(), but over within twice the directory's timeout. Fails: Unavailable.
    net::Task<Result<std::optional<DirectoryUser>>> log_in(LdapSettings settings, std::string name,
                                                           std::string password, net::Until until);

  private:
    class Turn;
    /// More than are asked: one whose question was given up may take a moment to leave.
    static constexpr std::size_t threads_max = 8;

    net::Pool pool_;
    net::WaitQueue queue_;
    int asked_ = 0;
};

} // namespace shoal::registry
