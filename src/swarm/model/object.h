// The cluster's objects: messages of the public node protocol (swarm/proto), held as immutable
// values that everybody shares. This is the list of kinds and what is the same for all of them: id,
// name, version. What an object means stands with those who decide about it.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include "swarm/proto/objects.pb.h"

#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace shoal::swarm {

namespace pb = docker::swarmkit::v1;

enum class Kind { Cluster, Node, Network, Secret, Config, Service, Task };
inline constexpr Kind all_kinds[] = {Kind::Cluster, Kind::Node,    Kind::Network, Kind::Secret,
                                     Kind::Config,  Kind::Service, Kind::Task};
std::string_view name_of(Kind kind); ///< "service"; also in keys of the store
std::optional<Kind> kind_of(std::string_view name);

template <class T> using Ptr = std::shared_ptr<const T>;
using ClusterPtr = Ptr<pb::Cluster>;
using NodePtr = Ptr<pb::Node>;
using NetworkPtr = Ptr<pb::Network>;
using SecretPtr = Ptr<pb::Secret>;
using ConfigPtr = Ptr<pb::Config>;
using ServicePtr = Ptr<pb::Service>;
using TaskPtr = Ptr<pb::Task>;
/// Any object, or nothing (monostate).
using ObjectPtr = std::variant<std::monostate, ClusterPtr, NodePtr, NetworkPtr, SecretPtr,
                               ConfigPtr, ServicePtr, TaskPtr>;
inline bool exists(const ObjectPtr& object) { return object.index() != 0; }

template <class T> struct KindOf;
template <> struct KindOf<pb::Cluster> { static constexpr Kind value = Kind::Cluster; };
template <> struct KindOf<pb::Node> { static constexpr Kind value = Kind::Node; };
template <> struct KindOf<pb::Network> { static constexpr Kind value = Kind::Network; };
template <> struct KindOf<pb::Secret> { static constexpr Kind value = Kind::Secret; };
template <> struct KindOf<pb::Config> { static constexpr Kind value = Kind::Config; };
template <> struct KindOf<pb::Service> { static constexpr Kind value = Kind::Service; };
template <> struct KindOf<pb::Task> { static constexpr Kind value = Kind::Task; };

/// The name by which users call it, unique in its kind without regard to case; "" for nodes and
/// tasks.
const std::string& name_of(const pb::Cluster& object);
const std::string& name_of(const pb::Node& object);
const std::string& name_of(const pb::Network& object);
const std::string& name_of(const pb::Secret& object);
const std::string& name_of(const pb::Config& object);
const std::string& name_of(const pb::Service& object);
const std::string& name_of(const pb::Task& object);

/// The object of `kind` in these bytes, with `version` as its meta.version.index. Invalid for bytes
/// that are none.
Result<ObjectPtr> decode_object(Kind kind, std::string_view bytes, std::uint64_t version);
std::string encode_object(const ObjectPtr& object);
std::uint64_t version_of(const ObjectPtr& object);
/// Bytes that are the same for equal messages; ordinary bytes have maps in any order.
std::string stable_bytes(const google::protobuf::MessageLite& message);
inline bool same_message(const google::protobuf::MessageLite& a,
                         const google::protobuf::MessageLite& b) {
    return stable_bytes(a) == stable_bytes(b);
}

/// 25 characters 0-9a-z, as the public protocol's ids look.
std::string make_id(Random& random);
bool is_id(std::string_view text);

pb::Timestamp to_timestamp(Instant at);
Instant from_timestamp(const pb::Timestamp& at);
pb::Duration to_duration(nanoseconds span);
nanoseconds from_duration(const pb::Duration& span);

// Task states are one growing order (pb::TaskState). Docker's words, lower case: "running".
std::string_view name_of(pb::TaskState state);
std::optional<pb::TaskState> task_state_of(std::string_view name);
/// The program has ended or will never run: COMPLETE and all behind it.
inline bool is_terminal(pb::TaskState state) { return state > pb::RUNNING; }

} // namespace shoal::swarm
