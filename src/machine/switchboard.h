// The switch that joins the machines: a bridge in a network namespace of its own, kept by a bind
// mount, so that the computer's own links and rules stay as they were. It plugs machines in and
// drops what partitions say.
#pragma once

#include "machine/state.h"
#include "os/fd.h"

#include <span>

namespace shoal::machine {

class Switchboard {
  public:
    /// `path` of the bind mount; the namespace and the bridge are made when they are not there.
    static Result<Switchboard> open(const std::string& path);
    static Result<void> remove(const std::string& path);
    static bool exists(const std::string& path);

    /// To be called inside the machine's network namespace, before anything else is there: loopback
    /// and eth0 with its address are up when it returns.
    Result<void> plug_here(const Machine& machine, const Subnet& subnet) const;
    /// The cable goes, at both ends. Absent is success.
    Result<void> unplug(const Machine& machine) const;
    /// Replaces all rules.
    Result<void> apply_cuts(std::span<const Cut> cuts, std::span<const Machine> machines) const;

  private:
    explicit Switchboard(os::Fd netns) : netns_(std::move(netns)) {}
    os::Fd netns_;
};

} // namespace shoal::machine
