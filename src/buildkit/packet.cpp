#include "buildkit/packet.h"

#include "archive/path_in_root.h"
#include "buildkit/message.h"
#include "fsutil.pb.h"

namespace shoal::buildkit {

namespace wire = fsutil::types;

namespace {

void fill(wire::Stat& stat, const TreeEntry& entry) {
    stat.set_path(entry.path);
    stat.set_mode(archive::go_file_mode(entry.mode));
    stat.set_uid(entry.uid);
    stat.set_gid(entry.gid);
    stat.set_size(entry.size);
    stat.set_modtime(entry.mtime_nanos);
    stat.set_linkname(entry.link);
    for (const auto& [name, value] : entry.xattrs) { (*stat.mutable_xattrs())[name] = value; }
}

TreeEntry entry_of(wire::Stat& stat) {
    TreeEntry entry;
    entry.path = std::move(*stat.mutable_path());
    entry.mode = archive::posix_file_mode(stat.mode());
    entry.uid = stat.uid();
    entry.gid = stat.gid();
    entry.size = stat.size();
    entry.mtime_nanos = stat.modtime();
    entry.link = std::move(*stat.mutable_linkname());
    for (const auto& [name, value] : stat.xattrs()) { entry.xattrs.emplace(name, value); }
    return entry;
}

wire::Packet::PacketType type_of(Packet::Kind kind) {
    switch (kind) {
    case Packet::Kind::Entry:
    case Packet::Kind::EndOfList:
        return wire::Packet::PACKET_STAT;
    case Packet::Kind::Request:
        return wire::Packet::PACKET_REQ;
    case Packet::Kind::Data:
        return wire::Packet::PACKET_DATA;
    case Packet::Kind::Finished:
        return wire::Packet::PACKET_FIN;
    case Packet::Kind::Failed:
        return wire::Packet::PACKET_ERR;
    }
    return wire::Packet::PACKET_ERR;
}

Result<Packet::Kind> kind_of(const wire::Packet& message) {
    switch (message.type()) {
    case wire::Packet::PACKET_STAT:
        return message.has_stat() ? Packet::Kind::Entry : Packet::Kind::EndOfList;
    case wire::Packet::PACKET_REQ:
        return Packet::Kind::Request;
    case wire::Packet::PACKET_DATA:
        return Packet::Kind::Data;
    case wire::Packet::PACKET_FIN:
        return Packet::Kind::Finished;
    case wire::Packet::PACKET_ERR:
        return Packet::Kind::Failed;
    default:
        return invalid("a packet of unknown type " + std::to_string(message.type()));
    }
}

} // namespace

std::string print_packet(Packet packet) {
    wire::Packet message;
    message.set_type(type_of(packet.kind));
    if (packet.kind == Packet::Kind::Entry) { fill(*message.mutable_stat(), packet.entry); }
    message.set_id(packet.id);
    if (!packet.data.empty()) { message.set_data(std::move(packet.data)); }
    return print_message(message);
}

Result<Packet> parse_packet(const std::string& bytes) {
    TRY_LET(message, parse_message<wire::Packet>(bytes, "packet"));
    TRY_LET(kind, kind_of(message));
    Packet packet;
    packet.kind = kind;
    packet.id = message.id();
    if (kind == Packet::Kind::Entry) { packet.entry = entry_of(*message.mutable_stat()); }
    packet.data = std::move(*message.mutable_data());
    return packet;
}

} // namespace shoal::buildkit
