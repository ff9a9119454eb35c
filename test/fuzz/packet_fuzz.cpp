// Arbitrary bytes as the packets of a client that sends its directory: two bytes of length before
// each. Whatever they say, nothing outside of the directory is touched, nothing half-written stays,
// and a packet that was read is printed and read again as the same.
#include "buildkit/packet.h"
#include "buildkit/tree_writer.h"
#include "os/file.h"
#include "require.h"

#include <cstdint>
#include <sys/stat.h>

using namespace shoal;
using namespace shoal::buildkit;

namespace {

Result<void> apply(TreeWriter& writer, Packet packet) {
    switch (packet.kind) {
    case Packet::Kind::Entry:
        return writer.list(std::move(packet.entry));
    case Packet::Kind::EndOfList:
        return writer.end_list();
    case Packet::Kind::Data:
        return writer.data(packet.id, packet.data);
    default:
        return ok();
    }
}

/// What the directory lies in: itself and one file that nobody may touch.
struct Ground {
    os::TempDir dir = *os::TempDir::create();
    std::string inside = dir.path() + "/in";
    std::string outside = dir.path() + "/out";

    Ground() {
        REQUIRE(os::ensure_directory(inside));
        REQUIRE(os::write_file_atomic(outside, "untouched"));
    }
    void check() const {
        REQUIRE(os::list_directory(dir.path())->size() == 2);
        REQUIRE(*os::read_file(outside) == "untouched");
        struct stat status {};
        REQUIRE(::lstat(outside.c_str(), &status) == 0 && status.st_nlink == 1);
    }
};

void check_printing(const Packet& packet) {
    const auto again = parse_packet(print_packet(packet));
    REQUIRE(again && again->kind == packet.kind && again->id == packet.id);
    REQUIRE(again->data == packet.data && again->entry.path == packet.entry.path);
}

Result<void> receive(TreeWriter& writer, std::string_view input) {
    while (input.size() >= 2) {
        const std::size_t length =
            std::size_t(std::uint8_t(input[0])) << 8 | std::uint8_t(input[1]);
        const std::string bytes(input.substr(2, length));
        input.remove_prefix(std::min(input.size(), 2 + length));
        auto packet = parse_packet(bytes);
        if (!packet) { return std::move(packet).error(); }
        check_printing(*packet);
        TRY(apply(writer, std::move(*packet)));
        (void)writer.take_requests();
        if (writer.complete()) { return writer.finish(); }
    }
    return ok();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Ground ground;
    {
        TreeLimits limits;
        limits.entries_max = 64;
        auto writer = TreeWriter::open(ground.inside, TreeWriter::Existing::Mirror, limits);
        REQUIRE(writer);
        const auto outcome =
            receive(**writer, std::string_view(reinterpret_cast<const char*>(data), size));
        (void)outcome; // refusing is fine
    }
    ground.check();
    const auto left = os::list_directory(ground.inside);
    for (const auto& entry : *left) { REQUIRE(!entry.name.ends_with(".part")); }
    return 0;
}
