#include "swarm/model/object.h"

#include "base/time.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <array>

namespace shoal::swarm {
namespace {

constexpr std::size_t id_digits = 25;

struct StateName {
    pb::TaskState state;
    std::string_view name;
};
constexpr std::array state_names{
    StateName{pb::NEW, "new"},
    StateName{pb::PENDING, "pending"},
    StateName{pb::ASSIGNED, "assigned"},
    StateName{pb::ACCEPTED, "accepted"},
    StateName{pb::PREPARING, "preparing"},
    StateName{pb::READY, "ready"},
    StateName{pb::STARTING, "starting"},
    StateName{pb::RUNNING, "running"},
    StateName{pb::COMPLETE, "complete"},
    StateName{pb::SHUTDOWN, "shutdown"},
    StateName{pb::FAILED, "failed"},
    StateName{pb::REJECTED, "rejected"},
    StateName{pb::REMOVE, "remove"},
    StateName{pb::ORPHANED, "orphaned"},
};

const std::string no_name;

template <class T> Result<ObjectPtr> decode(std::string_view bytes, std::uint64_t version) {
    auto object = std::make_shared<T>();
    if (!object->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return invalid(std::string(name_of(KindOf<T>::value)) + ": not a message of that kind");
    }
    object->mutable_meta()->mutable_version()->set_index(version);
    return ObjectPtr(Ptr<T>(std::move(object)));
}

} // namespace

std::string_view name_of(Kind kind) {
    switch (kind) {
    case Kind::Cluster:
        return "cluster";
    case Kind::Node:
        return "node";
    case Kind::Network:
        return "network";
    case Kind::Secret:
        return "secret";
    case Kind::Config:
        return "config";
    case Kind::Service:
        return "service";
    case Kind::Task:
        return "task";
    }
    return "";
}

std::optional<Kind> kind_of(std::string_view name) {
    for (const Kind kind : all_kinds) {
        if (name_of(kind) == name) { return kind; }
    }
    return std::nullopt;
}

const std::string& name_of(const pb::Cluster& object) { return object.spec().annotations().name(); }
const std::string& name_of(const pb::Node&) { return no_name; }
const std::string& name_of(const pb::Network& object) { return object.spec().annotations().name(); }
const std::string& name_of(const pb::Secret& object) { return object.spec().annotations().name(); }
const std::string& name_of(const pb::Config& object) { return object.spec().annotations().name(); }
const std::string& name_of(const pb::Service& object) { return object.spec().annotations().name(); }
const std::string& name_of(const pb::Task&) { return no_name; }

Result<ObjectPtr> decode_object(Kind kind, std::string_view bytes, std::uint64_t version) {
    switch (kind) {
    case Kind::Cluster:
        return decode<pb::Cluster>(bytes, version);
    case Kind::Node:
        return decode<pb::Node>(bytes, version);
    case Kind::Network:
        return decode<pb::Network>(bytes, version);
    case Kind::Secret:
        return decode<pb::Secret>(bytes, version);
    case Kind::Config:
        return decode<pb::Config>(bytes, version);
    case Kind::Service:
        return decode<pb::Service>(bytes, version);
    case Kind::Task:
        return decode<pb::Task>(bytes, version);
    }
    return internal("unknown kind of object");
}

std::string encode_object(const ObjectPtr& object) {
    return std::visit(
        [](const auto& held) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
                return {};
            } else {
                return held->SerializeAsString();
            }
        },
        object);
}

std::uint64_t version_of(const ObjectPtr& object) {
    return std::visit(
        [](const auto& held) -> std::uint64_t {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
                return 0;
            } else {
                return held->meta().version().index();
            }
        },
        object);
}

std::string stable_bytes(const google::protobuf::MessageLite& message) {
    std::string bytes;
    {
        google::protobuf::io::StringOutputStream out(&bytes);
        google::protobuf::io::CodedOutputStream coded(&out);
        coded.SetSerializationDeterministic(true);
        message.SerializeToCodedStream(&coded);
    }
    return bytes;
}

std::string make_id(Random& random) {
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string id(id_digits, '0');
    for (char& digit : id) { digit = digits[random.below(digits.size())]; }
    return id;
}

bool is_id(std::string_view text) {
    return text.size() == id_digits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
           });
}

pb::Timestamp to_timestamp(Instant at) {
    const auto nanos = unix_nanos(at);
    pb::Timestamp out;
    auto seconds = nanos / 1'000'000'000;
    auto rest = nanos % 1'000'000'000;
    if (rest < 0) {
        rest += 1'000'000'000;
        --seconds;
    }
    out.set_seconds(seconds);
    out.set_nanos(static_cast<int>(rest));
    return out;
}

Instant from_timestamp(const pb::Timestamp& at) {
    return from_unix_nanos(at.seconds() * 1'000'000'000 + at.nanos());
}

pb::Duration to_duration(nanoseconds span) {
    pb::Duration out;
    out.set_seconds(span.count() / 1'000'000'000);
    out.set_nanos(static_cast<int>(span.count() % 1'000'000'000));
    return out;
}

nanoseconds from_duration(const pb::Duration& span) {
    return std::chrono::seconds(span.seconds()) + nanoseconds(span.nanos());
}

std::string_view name_of(pb::TaskState state) {
    for (const auto& row : state_names) {
        if (row.state == state) { return row.name; }
    }
    return "unknown";
}

std::optional<pb::TaskState> task_state_of(std::string_view name) {
    for (const auto& row : state_names) {
        if (row.name == name) { return row.state; }
    }
    return std::nullopt;
}

} // namespace shoal::swarm
