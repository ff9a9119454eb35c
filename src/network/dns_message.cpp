#include "network/dns_message.h"

#include "base/text.h"

#include <ldns/ldns.h>

#include <memory>

namespace shoal::network {
namespace {

/// What a name means changes with every task that comes or goes, and to ask again costs microseconds.
constexpr std::uint32_t answer_seconds = 5;
constexpr std::size_t header_bytes = 12;

struct PacketDeleter {
    void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, PacketDeleter>;

Packet parse(std::string_view message) {
    ldns_pkt* packet = nullptr;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(message.data());
    if (ldns_wire2pkt(&packet, bytes, message.size()) != LDNS_STATUS_OK) { return nullptr; }
    return Packet(packet);
}

std::string print(const ldns_pkt* packet) {
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    if (ldns_pkt2wire(&bytes, packet, &size) != LDNS_STATUS_OK) { return {}; }
    std::string message(reinterpret_cast<char*>(bytes), size);
    std::free(bytes);
    return message;
}

/// Our own text of a name, so that a NUL or dot inside a label cannot pass for a separator.
std::string name_text(const ldns_rdf* owner) {
    char* raw = ldns_rdf2str(owner);
    std::string text(raw == nullptr ? "" : raw);
    std::free(raw);
    if (text.ends_with('.')) { text.pop_back(); }
    return text;
}

DnsType type_of(ldns_rr_type type) {
    switch (type) {
    case LDNS_RR_TYPE_A:
        return DnsType::A;
    case LDNS_RR_TYPE_AAAA:
        return DnsType::Aaaa;
    case LDNS_RR_TYPE_PTR:
        return DnsType::Ptr;
    default:
        return DnsType::Other;
    }
}

/// An answer to `query` with its id, question and EDNS, without records.
Packet reply_to(const ldns_pkt* query, ldns_pkt_rcode code) {
    Packet reply(ldns_pkt_new());
    ldns_pkt_set_id(reply.get(), ldns_pkt_id(query));
    ldns_pkt_set_qr(reply.get(), true);
    ldns_pkt_set_rd(reply.get(), ldns_pkt_rd(query));
    ldns_pkt_set_ra(reply.get(), true);
    ldns_pkt_set_rcode(reply.get(), code);
    const auto* questions = ldns_pkt_question(query);
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(questions); ++i) {
        ldns_pkt_push_rr(reply.get(), LDNS_SECTION_QUESTION,
                         ldns_rr_clone(ldns_rr_list_rr(questions, i)));
    }
    if (ldns_pkt_edns(query)) { ldns_pkt_set_edns_udp_size(reply.get(), 4096); }
    return reply;
}

ldns_rr* record(const ldns_rr* question, ldns_rr_type type, ldns_rdf* data) {
    ldns_rr* rr = ldns_rr_new();
    ldns_rr_set_owner(rr, ldns_rdf_clone(ldns_rr_owner(question)));
    ldns_rr_set_type(rr, type);
    ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(rr, answer_seconds);
    ldns_rr_push_rdf(rr, data);
    return rr;
}

ldns_rdf* address_data(const Ip& ip) {
    const auto raw = ip.bytes();
    return ldns_rdf_new_frm_data(ip.is_v4() ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA, raw.size(),
                                 raw.data());
}

void push_addresses(ldns_pkt* reply, const ldns_rr* question, const std::vector<Ip>& all,
                    std::uint32_t rotation) {
    const auto type = ldns_rr_get_type(question);
    std::vector<Ip> fitting;
    for (const auto& ip : all) {
        if (type == (ip.is_v4() ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA)) { fitting.push_back(ip); }
    }
    for (std::size_t i = 0; i < fitting.size(); ++i) {
        const auto& ip = fitting[(i + rotation) % fitting.size()];
        ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, record(question, type, address_data(ip)));
    }
}

void push_name(ldns_pkt* reply, const ldns_rr* question, const std::string& name) {
    ldns_rdf* data = ldns_dname_new_frm_str((name + ".").c_str());
    if (data != nullptr) {
        ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, record(question, LDNS_RR_TYPE_PTR, data));
    }
}

ldns_pkt_rcode code_of(DnsFailure failure) {
    switch (failure) {
    case DnsFailure::Format:
        return LDNS_RCODE_FORMERR;
    case DnsFailure::Server:
        return LDNS_RCODE_SERVFAIL;
    case DnsFailure::NotFound:
        return LDNS_RCODE_NXDOMAIN;
    case DnsFailure::NotImplemented:
        return LDNS_RCODE_NOTIMPL;
    case DnsFailure::Refused:
        return LDNS_RCODE_REFUSED;
    }
    return LDNS_RCODE_SERVFAIL;
}

} // namespace

Result<DnsQuestion> parse_question(std::string_view message) {
    const auto packet = parse(message);
    if (!packet || ldns_pkt_qr(packet.get())) { return invalid("not a DNS query"); }
    if (ldns_pkt_get_opcode(packet.get()) != LDNS_PACKET_QUERY ||
        ldns_pkt_qdcount(packet.get()) != 1) {
        return invalid("not a DNS query with one question");
    }
    const auto* question = ldns_rr_list_rr(ldns_pkt_question(packet.get()), 0);
    DnsQuestion out;
    out.id = ldns_pkt_id(packet.get());
    out.name = name_text(ldns_rr_owner(question));
    out.type = type_of(ldns_rr_get_type(question));
    out.internet = ldns_rr_get_class(question) == LDNS_RR_CLASS_IN;
    if (ldns_pkt_edns(packet.get())) {
        out.udp_size = std::max<std::size_t>(512, ldns_pkt_edns_udp_size(packet.get()));
    }
    return out;
}

std::string render_answer(std::string_view query, const NameAnswer& answer,
                          DnsAnswerLimits limits) {
    const auto packet = parse(query);
    if (!packet) { return render_failure(query, DnsFailure::Format); }
    const auto* question = ldns_rr_list_rr(ldns_pkt_question(packet.get()), 0);
    const auto reply = reply_to(packet.get(), LDNS_RCODE_NOERROR);
    if (answer.kind == NameAnswer::Kind::Addresses) {
        push_addresses(reply.get(), question, answer.addresses, limits.rotation);
    } else if (ldns_rr_get_type(question) == LDNS_RR_TYPE_PTR) {
        push_name(reply.get(), question, answer.name);
    }
    auto bytes = print(reply.get());
    if (bytes.size() <= limits.bytes_max) { return bytes; }
    return truncate_answer(bytes, limits.bytes_max);
}

std::string render_failure(std::string_view query, DnsFailure failure) {
    if (const auto packet = parse(query)) {
        return print(reply_to(packet.get(), code_of(failure)).get());
    }
    if (query.size() < 2) { return {}; }
    std::string bare(header_bytes, '\0');
    bare[0] = query[0];
    bare[1] = query[1];
    bare[2] = static_cast<char>(0x80);
    bare[3] = static_cast<char>(code_of(failure));
    return bare;
}

std::uint16_t message_id(std::string_view message) {
    if (message.size() < 2) { return 0; }
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(message[0]) << 8 |
                                      static_cast<std::uint8_t>(message[1]));
}

void set_message_id(std::string& message, std::uint16_t id) {
    if (message.size() < 2) { return; }
    message[0] = static_cast<char>(id >> 8);
    message[1] = static_cast<char>(id & 0xff);
}

bool is_truncated(std::string_view message) {
    return message.size() > 2 && (message[2] & 0x02) != 0;
}

namespace {
/// The question section as bytes with lower-case letters; questions are never compressed.
std::string question_bytes(std::string_view message) {
    std::size_t at = header_bytes;
    while (at < message.size() && message[at] != 0) {
        at += static_cast<std::uint8_t>(message[at]) + 1u;
    }
    at += 5;
    return at > message.size() ? std::string()
                               : to_lower(message.substr(header_bytes, at - header_bytes));
}
} // namespace

bool answers(std::string_view answer, std::string_view query) {
    if (answer.size() < header_bytes || (answer[2] & 0x80) == 0) { return false; }
    const auto asked = question_bytes(query);
    return !asked.empty() && question_bytes(answer) == asked;
}

std::string truncate_answer(std::string_view answer, std::size_t bytes_max) {
    if (answer.size() <= bytes_max) { return std::string(answer); }
    const auto question = question_bytes(answer).size();
    std::string cut(answer.substr(0, header_bytes + question));
    cut[2] = static_cast<char>(cut[2] | 0x02);
    std::fill(cut.begin() + 6, cut.begin() + 12, '\0');
    return cut;
}

} // namespace shoal::network
