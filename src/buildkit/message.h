// Messages of protobuf to bytes and back.
#pragma once

#include "base/result.h"

#include <google/protobuf/message_lite.h>
#include <string>

namespace shoal::buildkit {

/// Fails: Invalid, naming `what`.
template <class Message> Result<Message> parse_message(const std::string& bytes, const char* what) {
    Message message;
    if (!message.ParseFromString(bytes)) {
        return invalid(std::string(what) + ": not a message of that kind");
    }
    return message;
}
inline std::string print_message(const google::protobuf::MessageLite& message) {
    return message.SerializeAsString();
}

} // namespace shoal::buildkit
