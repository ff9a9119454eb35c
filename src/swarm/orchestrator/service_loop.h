// ServiceLoop: what the orchestrators of all kinds of services share: they note which services and
// slots have to be looked at, look at those and no others, and go on until their own changes ask
// for nothing more. What a look does is the kinds' own (replicated.h, global.h, jobs.h).
#pragma once

#include "swarm/orchestrator/slots.h"
#include "swarm/store/reconciler.h"

namespace shoal::swarm {

class ServiceLoop : public Reconciler {
  public:
    void rebuild(const Store& store) final;
    void observe(const Store& store, const Change& change) final;
    std::optional<Instant> run(Tx& tx) final;

    /// How many tasks were looked at since it was made: the measure of its work.
    std::uint64_t looked_at() const { return looked_at_; }

  protected:
    virtual bool concerns(const pb::Service& service) const = 0;
    /// Looks at the service as a whole, each of whose slots has just been looked at. Gives when to
    /// look again.
    virtual std::optional<Instant> look_at_service(Tx& tx, const pb::Service& service,
                                                   const Slots& slots) = 0;
    /// What has to be decided about the service before any of its slots is looked at.
    virtual void judge(Tx&, const pb::Service&, const Slots&) {}
    /// Looks at one slot, which may have no tasks left.
    struct SlotLook {
        std::optional<Instant> next; ///< when to look again
        bool whole = false;          ///< all of the service has to be looked at
    };
    virtual SlotLook look_at_slot(Tx& tx, const pb::Service& service, const Slot& slot) = 0;
    /// What a change of a node asks for beyond a look at the slots that have tasks on it.
    virtual void note_node(const Store& store, const Change& change);

    std::vector<std::string> service_ids() const { return index_.service_ids(); }
    void note_service(const std::string& service_id) { services_.insert(service_id); }
    void note_slot(const std::string& service_id, const SlotKey& key) {
        slots_.insert({service_id, key});
    }

  private:
    using SlotName = std::pair<std::string, SlotKey>;

    void note_service(const Store& store, const Change& change);
    void note_task(const Store& store, const Change& change);
    void forget(const std::string& service_id);
    void take_due(Instant now);
    void take_due_as_of(Instant now);
    void look_at_noted_services(Tx& tx);
    void look_at_noted_slots(Tx& tx);
    void look_at_one_service(Tx& tx, const std::string& id);
    void go_on_with_services(Tx& tx);
    void look_at_whole(Tx& tx, const pb::Service& service, const Slots& slots);
    /// False when there was no room for all of them.
    bool look_at_each_slot(Tx& tx, const pb::Service& service, const Slots& slots);
    void look_at_one_slot(Tx& tx, const SlotName& name);
    ServicePtr service(const Store& store, std::string_view id) const;

    SlotIndex index_;
    std::set<std::string> services_;
    std::set<std::string> unfinished_; ///< each of their slots was looked at, the whole had no room
    std::set<SlotName> slots_;
    Agenda<std::string> service_agenda_;
    Agenda<SlotName> slot_agenda_;
    Instant last_run_;
    std::uint64_t looked_at_ = 0;
};

} // namespace shoal::swarm
