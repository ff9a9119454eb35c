// nftables through libnftables: text in, one transaction per call, the kernel's complaint out. An
// Nft works on the network namespace of the thread that made it. It does not know what our rules
// mean (network/rules.h).
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace shoal::os {

class Nft {
  public:
    /// For the namespace of the calling thread.
    static Result<Nft> open();
    Nft(Nft&&) noexcept;
    Nft& operator=(Nft&&) noexcept;
    ~Nft();

    /// Applies all of `commands` or nothing. Thread safe. Fails: Invalid with nft's message.
    Result<void> apply(const std::string& commands);
    /// The output of listing commands, as nft(8) -a (handles) or as JSON.
    enum class Form { Text, Json };
    Result<std::string> query(const std::string& commands, Form form);
    /// Goes up by one with each transaction of anybody in this namespace.
    Result<std::uint32_t> generation();

  private:
    struct Impl;
    explicit Nft(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// What others did to the rules of this namespace: a netlink subscription. It tells that something
/// changed, not what is there now; the owner looks and repairs.
class NftEvents {
  public:
    static Result<NftEvents> open();
    const Fd& fd() const { return fd_; } ///< readable when something changed
    struct Changes {
        bool table_touched = false;   ///< the named table lost something or was deleted
        bool table_extended = false;  ///< the named table got a rule that is not ours
        bool others_touched = false;  ///< one of our other tables did not stay as it was
        bool foreign_changed = false; ///< a chain, rule or table of somebody else appeared or went
        bool overrun = false;         ///< events were lost: look at everything
        bool ours_touched() const { return table_touched || others_touched || overrun; }
        void add(const Changes& later) {
            table_touched |= later.table_touched;
            table_extended |= later.table_extended;
            others_touched |= later.others_touched;
            foreign_changed |= later.foreign_changed;
            overrun |= later.overrun;
        }
    };
    /// Reads all that is waiting; never blocks. What this process did to its tables is not told.
    Changes drain(const std::string& own_table, const std::set<std::string>& our_others = {});

  private:
    explicit NftEvents(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace shoal::os
