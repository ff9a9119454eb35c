#include "swarm/store/seal.h"

#include "base/text.h"

namespace shoal::swarm {
namespace {

constexpr char value_format = 1;
constexpr char keys_format = 1;
constexpr std::size_t id_bytes = 4;
constexpr std::size_t head_bytes = 1 + id_bytes;
constexpr std::size_t keys_max = 1000;

std::string text_of(std::uint32_t number) {
    std::string out(id_bytes, '\0');
    for (std::size_t i = 0; i < id_bytes; ++i) {
        out[id_bytes - 1 - i] = static_cast<char>(number >> (8 * i) & 0xff);
    }
    return out;
}

std::uint32_t number_in(std::string_view bytes) {
    std::uint32_t number = 0;
    for (const char byte : bytes.substr(0, id_bytes)) {
        number = number << 8 | static_cast<unsigned char>(byte);
    }
    return number;
}

std::string head_of(std::uint32_t id) { return value_format + text_of(id); }

std::string associated_with(std::string_view head, std::string_view log_key) {
    return std::string(head) + std::string(log_key);
}

Result<void> check_sealed(std::string_view sealed) {
    if (sealed.empty()) { return invalid("a sealed value is empty"); }
    if (sealed[0] != value_format) {
        return unsupported("a sealed value has format " +
                           std::to_string(static_cast<unsigned char>(sealed[0])) +
                           ", which this version does not know");
    }
    if (sealed.size() < head_bytes + aead_nonce_bytes + aead_tag_bytes) {
        return invalid("a sealed value is cut off");
    }
    return ok();
}

} // namespace

DataKeys DataKeys::make(Random& random) {
    DataKeys keys;
    keys.rotate(random);
    keys.unused_ = SecretKey::make(random);
    return keys;
}

std::uint32_t DataKeys::rotate(Random& random) {
    ASSERT(keys_.size() < keys_max);
    const std::uint32_t id = keys_.empty() ? 1 : newest() + 1;
    keys_.emplace(id, SecretKey::make(random));
    return id;
}

void DataKeys::forget_old() { keys_.erase(keys_.begin(), std::prev(keys_.end())); }

std::string DataKeys::encode() const {
    std::string out(1, keys_format);
    out += unused_.view();
    for (const auto& [id, key] : keys_) {
        out += text_of(id);
        out += key.view();
    }
    return out;
}

Result<DataKeys> DataKeys::decode(std::string_view bytes) {
    constexpr std::size_t each = id_bytes + SecretKey::size;
    if (bytes.empty()) { return invalid("data keys: nothing there"); }
    if (bytes[0] != keys_format) { return unsupported("data keys: made by a newer version"); }
    bytes.remove_prefix(1);
    if (bytes.size() < SecretKey::size + each || (bytes.size() - SecretKey::size) % each != 0 ||
        bytes.size() > SecretKey::size + each * keys_max) {
        return invalid("data keys: wrong length");
    }
    DataKeys keys;
    keys.unused_ = SecretKey::of(bytes.substr(0, SecretKey::size));
    for (bytes.remove_prefix(SecretKey::size); !bytes.empty(); bytes.remove_prefix(each)) {
        const auto added = keys.keys_.emplace(
            number_in(bytes), SecretKey::of(bytes.substr(id_bytes, SecretKey::size)));
        if (!added.second) { return invalid("data keys: one id twice"); }
    }
    return keys;
}

std::string DataKeys::seal(std::string_view log_key, std::string_view value, Random& random) const {
    const auto& [id, key] = *keys_.rbegin();
    const std::string head = head_of(id);
    std::array<std::uint8_t, aead_nonce_bytes> random_bytes{};
    random.fill(random_bytes);
    const std::string nonce(random_bytes.begin(), random_bytes.end());
    return head + nonce + aead_seal(key, nonce, associated_with(head, log_key), value);
}

Result<std::string> DataKeys::open(std::string_view log_key, std::string_view sealed) const {
    TRY(check_sealed(sealed).with(log_key));
    const auto head = sealed.substr(0, head_bytes);
    const auto id = number_in(head.substr(1));
    const auto key = keys_.find(id);
    if (key == keys_.end()) {
        return Error{Errc::NotFound, std::string(log_key) + ": sealed with data key " +
                                         std::to_string(id) + ", which is not known here"};
    }
    return aead_open(key->second, sealed.substr(head_bytes, aead_nonce_bytes),
                     associated_with(head, log_key), sealed.substr(head_bytes + aead_nonce_bytes))
        .with(log_key);
}

bool DataKeys::is_stale(std::string_view sealed) const {
    return sealed.size() < head_bytes || number_in(sealed.substr(1)) != newest();
}

} // namespace shoal::swarm
