// Machines: full nodes on this computer, each with namespaces, a control group, a disk, an address
// and a daemon of its own, joined by a switch. The directory is the truth; every change takes its
// lock. It knows how machines come, go and are joined, and nothing of what their daemons do.
//
// They are for trying and testing clusters. A machine shares this computer's kernel, and its root
// user is this computer's: it is no boundary of security. Its power cut ends every process at once,
// but what they had written is in this computer's memory and not lost.
#pragma once

#include "machine/init.h"
#include "machine/paths.h"
#include "machine/plan.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace shoal::machine {

struct Settings {
    std::string root;    ///< directory of all machines
    std::string daemon;  ///< path of shoald (or another that takes its words)
    std::string program; ///< this program, which is also process 1
};

struct Wanted {
    std::string name;
    std::string config;          ///< text of daemon.json; "" for "{}"
    std::int64_t disk_bytes = 0; ///< 0: as much as this computer has
    std::string subnet;          ///< of the first machine; "" for the one there is, or the default
};

enum class State { Stopped, Running, DaemonEnded };
std::string_view text_of(State state);

struct Listed {
    Machine machine;
    State state = State::Stopped;
    std::string socket;
};

class Machines {
  public:
    explicit Machines(Settings settings) : settings_(std::move(settings)) {}

    /// Made and started; nothing is left of one that could not start. Fails: Conflict when the name
    /// is taken.
    Result<Machine> create(const Wanted& wanted);
    Result<std::vector<Listed>> list() const; ///< by name
    Result<Listed> find(const std::string& name) const;

    /// Success when it runs; then a daemon that has ended is started again.
    Result<void> start(const std::string& name);
    /// In order; after `patience` by a power cut.
    Result<void> stop(const std::string& name, std::chrono::seconds patience);
    /// The power cut of several at one moment.
    Result<void> kill(const std::vector<std::string>& names);
    /// Fails: Conflict when it runs, unless forced.
    enum class Force { No, Yes };
    Result<void> remove(const std::string& name, Force force);

    Result<void> cut(const Cut& cut, Way way);
    Result<void> heal(const Cut& cut);
    Result<void> heal_all();
    /// All that are cut, for lists.
    Result<std::vector<Cut>> cuts() const;

    /// Moves the calling process into the machine's control group and gives the words of a program
    /// that it must become.
    Result<std::vector<std::string>> enter(const std::string& name,
                                           const std::vector<std::string>& words) const;
    /// Waits until the daemon answers, or says why it never will.
    Result<void> wait_until_ready(const std::string& name, Deadline deadline) const;

    enum class Depth { File, Tree };
    Result<void> copy(const Place& from, const Place& to, Depth depth) const;

  private:
    Paths paths_of(const std::string& name) const { return {settings_.root, name}; }
    Result<Machine> load(const std::string& name) const;
    Result<std::vector<Machine>> load_all() const;
    Result<Switch> load_switch(const std::string& wanted_subnet) const;
    Result<Machine> plan_machine(const Wanted& wanted, const Switch& joined) const;
    Result<void> write_disk(const Machine& machine, const std::string& config) const;
    Result<void> write_hosts() const;
    Result<void> start_locked(Machine machine);
    Result<void> begin(Machine& machine, const Switch& joined);
    Result<void> spawn_and_note(Machine& machine, const std::function<Result<void>()>& inside);
    Result<void> cut_power(const std::vector<Machine>& machines);
    Result<void> tidy_after(const Machine& machine) const;
    Result<void> remove_locked(const Machine& machine);
    Result<void> remove_switch_when_last();
    Result<void> change_cuts(const std::function<std::vector<Cut>(std::vector<Cut>)>& change);
    Result<std::string> log_tail(const std::string& name) const;

    Settings settings_;
};

} // namespace shoal::machine
