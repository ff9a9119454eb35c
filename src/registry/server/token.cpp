#include "registry/server/token.h"

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "blob/hash.h"
#include "os/file.h"
#include "os/lock_file.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace shoal::registry {
namespace {

constexpr std::size_t token_bytes_max = 32 * 1024;
constexpr std::chrono::seconds clock_skew{30};

struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;

std::string base64_of_token(std::string_view bytes) {
    std::string text = base64url(bytes);
    while (text.ends_with('=')) { text.pop_back(); }
    return text;
}

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Error refused(const std::string& why) { return Error{Errc::Unauthorized, "token: " + why}; }

Result<std::string> make_key() {
    KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
    if (!key || !bio ||
        PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
            1) {
        return internal("make a key for tokens");
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

/// By one process, however many begin at once on the same directory.
Result<void> make_once(const std::string& path) {
    const auto lock = os::LockFile::wait_for(path + ".lock");
    if (!lock) { return lock.error(); }
    if (os::exists(path)) { return ok(); }
    TRY_LET(made, make_key());
    os::WriteFile how;
    how.mode = 0600;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(path, made, how);
}

Json times_of(const TokenClaims& claims) {
    return Json{{"iat", unix_seconds(claims.issued)},
                {"nbf", unix_seconds(claims.issued)},
                {"exp", unix_seconds(claims.expires)}};
}

Json payload_of(const TokenClaims& claims) {
    Json access = Json::array();
    for (const auto& scope : claims.scopes) {
        access.push_back({{"type", scope.type}, {"name", scope.name}, {"actions", scope.actions}});
    }
    Json payload{{"iss", claims.audience}, {"aud", claims.audience}, {"sub", claims.subject}};
    payload.update(times_of(claims));
    payload["access"] = std::move(access);
    if (!claims.groups.empty()) { payload["groups"] = claims.groups; }
    if (claims.robot) { payload["robot"] = true; }
    if (claims.directory) { payload["directory"] = true; }
    if (!claims.id.empty()) { payload["jti"] = claims.id; }
    if (!claims.stamp.empty()) { payload["stamp"] = claims.stamp; }
    return payload;
}

std::string text_at(const Json& object, const char* key) {
    return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

std::vector<std::string> texts_at(const Json& object, const char* key) {
    std::vector<std::string> all;
    if (!object.contains(key) || !object[key].is_array()) { return all; }
    for (const auto& one : object[key]) {
        if (one.is_string()) { all.push_back(one.get<std::string>()); }
    }
    return all;
}

std::optional<Instant> time_at(const Json& object, const char* key) {
    if (!object.contains(key) || !object[key].is_number_integer()) { return std::nullopt; }
    const auto seconds = object[key].get<std::int64_t>();
    if (seconds < 0 || seconds > 9'000'000'000) { return std::nullopt; }
    return Instant(std::chrono::seconds(seconds));
}

Result<TokenClaims> claims_of(const Json& payload, std::string_view audience, Instant now) {
    if (text_at(payload, "aud") != audience || text_at(payload, "iss") != audience) {
        return refused("made for another service");
    }
    const auto issued = time_at(payload, "iat");
    const auto begins = time_at(payload, "nbf");
    const auto expires = time_at(payload, "exp");
    if (!issued || !begins || !expires) { return refused("without times"); }
    if (now >= *expires) { return refused("expired"); }
    if (now + clock_skew < *begins) { return refused("not valid yet"); }
    TokenClaims claims;
    claims.subject = text_at(payload, "sub");
    claims.audience = audience;
    claims.issued = *issued;
    claims.expires = *expires;
    claims.groups = texts_at(payload, "groups");
    claims.robot = payload.contains("robot") && payload["robot"] == true;
    claims.directory = payload.contains("directory") && payload["directory"] == true;
    claims.id = text_at(payload, "jti");
    claims.stamp = text_at(payload, "stamp");
    if (payload.contains("access") && payload["access"].is_array()) {
        for (const auto& entry : payload["access"]) {
            if (!entry.is_object()) { return refused("malformed"); }
            claims.scopes.push_back(
                {text_at(entry, "type"), text_at(entry, "name"), texts_at(entry, "actions")});
        }
    }
    return claims;
}

} // namespace

struct TokenKey::Key {
    KeyPtr pkey;
};

Result<TokenKey> TokenKey::load(const std::string& path) {
    auto text = os::read_file(path, 64 * 1024);
    if (!text && text.error().code == Errc::NotFound) {
        TRY(make_once(path));
        text = os::read_file(path, 64 * 1024);
    }
    if (!text) { return std::move(text).error(); }
    const std::unique_ptr<BIO, FreeBio> bio(
        BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
    KeyPtr pkey(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!pkey || EVP_PKEY_get_base_id(pkey.get()) != EVP_PKEY_ED25519) {
        return invalid(path + " holds no Ed25519 key");
    }
    std::string bytes(32, '\0');
    std::size_t size = bytes.size();
    EVP_PKEY_get_raw_public_key(pkey.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size);
    TokenKey key;
    key.key_ = std::make_shared<Key>();
    key.key_->pkey = std::move(pkey);
    key.id_ = blob::hash(bytes).hex().substr(0, 16);
    return key;
}

std::string TokenKey::sign(const TokenClaims& claims) const {
    const Json header{{"alg", "EdDSA"}, {"typ", "JWT"}, {"kid", id_}};
    std::string text =
        base64_of_token(dump_json(header)) + "." + base64_of_token(dump_json(payload_of(claims)));
    const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
    std::string signature(64, '\0');
    std::size_t size = signature.size();
    const bool signed_well =
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_->pkey.get()) == 1 &&
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       raw(text), text.size()) == 1;
    ASSERT(signed_well && size == 64);
    return text + "." + base64_of_token(signature);
}

Result<TokenClaims> TokenKey::verify(std::string_view token, std::string_view audience,
                                     Instant now) const {
    if (token.size() > token_bytes_max) { return refused("too long"); }
    const auto parts = split(token, '.');
    if (parts.size() != 3) { return refused("malformed"); }
    const auto header_text = decode_base64(parts[0]);
    const auto payload_text = decode_base64(parts[1]);
    const auto signature = decode_base64(parts[2]);
    if (!header_text || !payload_text || !signature) { return refused("malformed"); }
    const auto header = parse_json(*header_text, {4096, 4});
    if (!header || !header->is_object()) { return refused("malformed"); }
    if (text_at(*header, "alg") != "EdDSA") { return refused("another algorithm"); }
    if (text_at(*header, "kid") != id_) { return refused("another key"); }
    const std::string_view text = token.substr(0, parts[0].size() + 1 + parts[1].size());
    const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
    const bool genuine =
        signature->size() == 64 &&
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_->pkey.get()) == 1 &&
        EVP_DigestVerify(context.get(), raw(*signature), signature->size(), raw(text),
                         text.size()) == 1;
    if (!genuine) { return refused("the signature is wrong"); }
    const auto payload = parse_json(*payload_text, {token_bytes_max, 8});
    if (!payload || !payload->is_object()) { return refused("malformed"); }
    return claims_of(*payload, audience, now);
}

} // namespace shoal::registry
