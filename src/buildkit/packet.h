// Packets of a tree transfer as bytes (fsutil's wire format), so that only this file's .cpp knows
// the generated classes. Pure.
#pragma once

#include "base/result.h"
#include "buildkit/entry.h"

#include <optional>

namespace shoal::buildkit {

struct Packet {
    enum class Kind { Entry, EndOfList, Request, Data, Finished, Failed };
    Kind kind = Kind::Finished;
    std::uint32_t id = 0;
    TreeEntry entry;
    std::string data; ///< of a file; or the message of Failed
};

std::string print_packet(Packet packet);
/// Fails: Invalid.
Result<Packet> parse_packet(const std::string& bytes);

} // namespace shoal::buildkit
