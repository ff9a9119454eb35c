// Messages of protobuf to bytes and back.
#pragma once

#include "base/result.h"

#include "swarm/proto/wellknown.pb.h"

#include <string>

namespace shoal::swarm {

/// Fails: Invalid, naming `what`.
template <class Message>
Result<Message> parse_message(const std::string& bytes, std::string_view what) {
    Message message;
    if (!message.ParseFromString(bytes)) {
        return invalid(std::string(what) + ": not a message of that kind");
    }
    return message;
}
template <class Message> std::string print_message(const Message& message) {
    return message.SerializeAsString();
}

} // namespace shoal::swarm
