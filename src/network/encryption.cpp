#include "network/encryption.h"

#include "base/text.h"
#include "os/process.h"

#include <fmt/format.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace shoal::network {
namespace {

constexpr std::size_t key_bytes = 16 + 4; ///< AES-128, and the salt of RFC 4106
constexpr int tag_bits = 128;
constexpr int replay_window = 64;
constexpr std::uint32_t spi_min = 0x100; ///< below: reserved
constexpr std::uint32_t reqid = 0x5b0;
constexpr std::uint32_t mark_mask = 0x00f00000;

std::string pair_secret(const EncryptionKey& key, const Ip& from, const Ip& to) {
    const std::string text = fmt::format("shoal esp {} {} {}", key.number, from.text(), to.text());
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ::HMAC(EVP_sha256(), key.secret.data(), static_cast<int>(key.secret.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
    return {reinterpret_cast<const char*>(digest), size};
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text;
}

/// Of this direction and key; the receiver knows it by its own address and this.
std::uint32_t spi_of(std::string_view secret) {
    std::uint32_t spi = 0;
    for (std::size_t at = 0; at < sizeof spi; ++at) {
        spi = spi << 8 | static_cast<unsigned char>(secret[key_bytes + at]);
    }
    return std::max(spi, spi_min);
}

/// What is in the kernel, by the command that takes it away.
using Objects = std::map<std::string, std::string>;

void add_association(Objects& all, const EncryptionKey& key, const Ip& from, const Ip& to) {
    const auto secret = pair_secret(key, from, to);
    const auto name =
        fmt::format("src {} dst {} proto esp spi 0x{:08x}", from.text(), to.text(), spi_of(secret));
    all["xfrm state delete " + name] = fmt::format(
        "xfrm state add {} reqid 0x{:x} mode transport replay-window {} aead rfc4106(gcm(aes)) "
        "0x{} {}",
        name, reqid, replay_window, hex(std::string_view(secret).substr(0, key_bytes)), tag_bits);
}

/// Of the primary key alone: without its association a packet waits in vain rather than go clear.
void add_policy(Objects& all, const EncryptionState& state, const Ip& to) {
    const auto secret = pair_secret(state.keys.front(), state.self, to);
    const auto bits = to.is_v4() ? 32 : 128;
    const auto name = fmt::format(
        "src {}/{} dst {}/{} proto udp dport {} dir out mark 0x{:x} mask 0x{:x}", state.self.text(),
        bits, to.text(), bits, state.port, encryption_mark, mark_mask);
    all["xfrm policy delete " + name] = fmt::format(
        "xfrm policy update {} tmpl src {} dst {} proto esp spi 0x{:08x} reqid 0x{:x} mode transport",
        name, state.self.text(), to.text(), spi_of(secret), reqid);
}

Objects associations(const EncryptionState& state) {
    Objects all;
    if (state.vnis.empty()) { return all; }
    for (const auto& node : state.nodes) {
        for (const auto& key : state.keys) {
            add_association(all, key, node, state.self);
            add_association(all, key, state.self, node);
        }
    }
    return all;
}

Objects policies(const EncryptionState& state) {
    Objects all;
    if (state.vnis.empty() || state.keys.empty()) { return all; }
    for (const auto& node : state.nodes) { add_policy(all, state, node); }
    return all;
}

std::string added(const Objects& before, const Objects& after) {
    std::string lines;
    for (const auto& [remove, add] : after) {
        const auto known = before.find(remove);
        if (known == before.end() || known->second != add) { lines += add + "\n"; }
    }
    return lines;
}

std::string removed(const Objects& before, const Objects& after) {
    std::string lines;
    for (const auto& [remove, add] : before) {
        if (!after.contains(remove)) { lines += remove + "\n"; }
    }
    return lines;
}

Result<void> run_batch(const std::string& lines) {
    if (lines.empty()) { return ok(); }
    os::Run job;
    job.argv = {"ip", "-force", "-batch",
                "-"}; // one that is there already must not stop the others
    job.input = lines;
    TRY_LET(output, os::run(job));
    if (output.status.code == 0) { return ok(); }
    return internal("ip xfrm: " + std::string(trim(output.err)));
}

} // namespace

std::string render_xfrm(const EncryptionState& before, const EncryptionState& after) {
    const auto old_states = associations(before), new_states = associations(after);
    const auto old_policies = policies(before), new_policies = policies(after);
    return added(old_states, new_states) + added(old_policies, new_policies) +
           removed(old_policies, new_policies) + removed(old_states, new_states);
}

std::string encryption_table(const std::string& instance) { return "shoal_" + instance + "_esp"; }

std::string render_encryption(const EncryptionState& state) {
    if (state.vnis.empty()) { return ""; }
    std::vector<std::string> vnis;
    for (const auto vni : state.vnis) { vnis.push_back(std::to_string(vni)); }
    // The network's number stands 12 bytes behind the beginning of the UDP header.
    return fmt::format(R"(  set nodes4 {{ type ipv4_addr;{0} }}
  set nodes6 {{ type ipv6_addr;{1} }}
  chain encrypt {{
    meta mark set meta mark & 0xff0fffff | 0x{4:x}
    ip daddr @nodes4 return
    ip6 daddr @nodes6 return
    drop
  }}
  chain out {{ type route hook output priority mangle; policy accept;
    udp dport {2} @th,96,24 {{ {3} }} jump encrypt
  }}
  chain in {{ type filter hook input priority mangle; policy accept;
    udp dport {2} @th,96,24 {{ {3} }} meta secpath missing drop
  }}
)",
                       set_elements(state.nodes, Family::V4), set_elements(state.nodes, Family::V6),
                       state.port, join(vnis, ", "), encryption_mark);
}

Result<void> check_esp() {
    const std::string pair = "src 127.0.0.9 dst 127.0.0.10 proto esp spi 0x5b0ffff";
    const std::string secret(2 * key_bytes, '5');
    os::Run job;
    job.argv = {"ip", "-batch", "-"};
    job.input = "xfrm state add " + pair + " mode transport aead rfc4106(gcm(aes)) 0x" + secret +
                " 128\nxfrm state delete " + pair + "\n";
    TRY_LET(output, os::run(job));
    if (output.status.code == 0) { return ok(); }
    return unsupported("the kernel cannot encrypt (ESP with AES-GCM): " +
                       std::string(trim(cut(output.err, '\n').first)));
}

Result<void> apply_encryption(KeptTable& table, const EncryptionState& before,
                              const EncryptionState& after) {
    ErrorList errors;
    errors.add(table.write(render_encryption(after)));
    errors.add(run_batch(render_xfrm(before, after)));
    return errors.empty() ? Result<void>() : Result<void>(errors.joined());
}

} // namespace shoal::network
