#include "swarm/store/etcd_errors.h"

#include <array>

namespace shoal::swarm {
namespace {

enum class Meaning {
    Refused,  ///< Unavailable: nothing was done
    Unknown,  ///< a write may have happened or may still happen
    TooLate,  ///< the same, and it took too long
    NoSpace,  ///< Exhausted
    Gone,     ///< NotFound
    Wrong,    ///< Invalid
    Conflict, ///< the cluster's present state forbids it
    Already,  ///< NotModified
    Broken,   ///< Internal
};
constexpr std::string_view full_store =
    "the cluster's store is full: nothing can be changed until it has room";
struct Sentence {
    std::string_view part;
    Meaning meaning;
};
/// The first that is found counts.
constexpr std::array sentences{
    Sentence{"database space exceeded", Meaning::NoSpace},
    Sentence{"required revision has been compacted", Meaning::Gone},
    Sentence{"request timed out", Meaning::TooLate},
    Sentence{"etcdserver: leader changed", Meaning::Unknown},
    Sentence{"etcdserver: server stopped", Meaning::Unknown},
    Sentence{"etcdserver: no leader", Meaning::Refused},
    Sentence{"etcdserver: not capable", Meaning::Refused},
    Sentence{"etcdserver: too many requests", Meaning::Refused},
    Sentence{"not supported for learner", Meaning::Refused},
    Sentence{"learner member which is in sync with leader", Meaning::Refused},
    Sentence{"can only promote a learner member", Meaning::Already},
    Sentence{"too many learner members", Meaning::Refused},
    Sentence{"not enough started members", Meaning::Refused},
    Sentence{"etcdserver: unhealthy cluster", Meaning::Refused},
    Sentence{"Peer URLs already exists", Meaning::Conflict},
    Sentence{"member ID already exist", Meaning::Conflict},
    Sentence{"etcdserver: not leader", Meaning::Conflict},
    Sentence{"etcdserver: member not found", Meaning::Gone},
    Sentence{"bad leader transferee", Meaning::Wrong},
    Sentence{"etcdserver: corrupt cluster", Meaning::Broken},
};

Errc code_of(Meaning meaning, CallKind kind) {
    const bool read = kind == CallKind::Read;
    switch (meaning) {
    case Meaning::Refused:
        return Errc::Unavailable;
    case Meaning::Unknown:
        return read ? Errc::Unavailable : Errc::Internal;
    case Meaning::TooLate:
        return read ? Errc::Unavailable : Errc::Timeout;
    case Meaning::NoSpace:
        return Errc::Exhausted;
    case Meaning::Gone:
        return Errc::NotFound;
    case Meaning::Wrong:
        return Errc::Invalid;
    case Meaning::Conflict:
        return Errc::Conflict;
    case Meaning::Already:
        return Errc::NotModified;
    case Meaning::Broken:
        return Errc::Internal;
    }
    return Errc::Internal;
}

} // namespace

Error translate_etcd_error(Error error, CallKind kind, bool gave_up) {
    for (const auto& [part, meaning] : sentences) {
        if (error.message.find(part) != std::string::npos) {
            error.code = code_of(meaning, kind);
            if (meaning == Meaning::NoSpace) {
                error.message = std::string(full_store) + " (" + error.message + ")";
            }
            return error;
        }
    }
    if (error.code == Errc::Cancelled && gave_up) { return error; }
    if (error.code == Errc::Cancelled || error.code == Errc::Unavailable) {
        error.code = code_of(Meaning::Unknown, kind); // the connection has ended under the call
    }
    return error;
}

} // namespace shoal::swarm
