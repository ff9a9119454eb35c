// The wire format of DNS questions and our own answers, by libldns. Pure. Messages that are
// forwarded stay bytes: only their id is changed.
#pragma once

#include "base/result.h"
#include "network/names.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::network {

enum class DnsType { A, Aaaa, Ptr, Other };

struct DnsQuestion {
    std::uint16_t id = 0;
    std::string name; ///< without final dot
    DnsType type = DnsType::Other;
    bool internet = true;       ///< class IN
    std::size_t udp_size = 512; ///< what the client can take: EDNS0 or 512
};

/// One question of opcode QUERY. Fails: Invalid for anything else.
Result<DnsQuestion> parse_question(std::string_view message);

struct DnsAnswerLimits {
    std::size_t bytes_max = 65535; ///< a longer answer is cut and marked truncated
    std::uint32_t rotation = 0;    ///< where round robin begins
};
/// A whole answer. Names that have no address of the asked type get an empty success, never
/// NXDOMAIN.
std::string render_answer(std::string_view query, const NameAnswer& answer, DnsAnswerLimits limits);

enum class DnsFailure { Format, Server, NotFound, NotImplemented, Refused };
/// An answer without records. `query` may be damaged; then "" when not even an id can be read.
std::string render_failure(std::string_view query, DnsFailure failure);

std::uint16_t message_id(std::string_view message); ///< 0 when too short
void set_message_id(std::string& message, std::uint16_t id);
bool is_truncated(std::string_view message);
/// The answer is one, and repeats the question of `query`.
bool answers(std::string_view answer, std::string_view query);
/// Cut for a client that takes `bytes_max`: the question alone, marked truncated.
std::string truncate_answer(std::string_view answer, std::size_t bytes_max);

} // namespace shoal::network
