#include "swarm/ca/key_file.h"

#include "os/file.h"
#include "swarm/ca/certificate.h"
#include "swarm/ca/token.h"
#include "swarm/rpc/x509.h"

#include <openssl/evp.h>

namespace shoal::swarm {
namespace {

constexpr std::string_view certificate_file = "swarm-node.crt";
constexpr std::string_view key_file = "swarm-node.key";
constexpr std::string_view roots_file = "swarm-root-ca.crt";
constexpr std::string_view manager_file = "swarm-manager.keys";
constexpr std::size_t bytes_max = 1 << 20;

// The manager's file: a head of format and version of the unlock key, then the message, plain or
// as nonce, sealed bytes and tag. The head is authenticated with them.
constexpr std::string_view magic = "shoal-keys-1 ";
constexpr char plain_format = 'p';
constexpr char sealed_format = 's';
constexpr std::size_t head_bytes = magic.size() + 1 + 8;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, x509::Freeing<EVP_CIPHER_CTX_free>>;

std::string head_of(char format, std::uint64_t version) {
    std::string head(magic);
    head += format;
    for (int shift = 56; shift >= 0; shift -= 8) {
        head += static_cast<char>(version >> shift & 0xff);
    }
    return head;
}

std::uint64_t version_in(std::string_view head) {
    std::uint64_t version = 0;
    for (const char byte : head.substr(magic.size() + 1, 8)) {
        version = version << 8 | static_cast<unsigned char>(byte);
    }
    return version;
}

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string draw(std::size_t count, Random& random) {
    std::string drawn(count, '\0');
    random.fill({raw(drawn), drawn.size()});
    return drawn;
}

/// AES-256-GCM: nonce, sealed bytes, tag.
Result<std::string> seal(std::string_view key, std::string_view head, std::string_view plain,
                         Random& random) {
    const std::string nonce = draw(nonce_bytes, random);
    std::string sealed(plain.size(), '\0');
    std::string tag(tag_bytes, '\0');
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    const bool well =
        cipher &&
        EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(nonce)) == 1 &&
        EVP_EncryptUpdate(cipher.get(), nullptr, &size, raw(head), static_cast<int>(head.size())) ==
            1 &&
        EVP_EncryptUpdate(cipher.get(), raw(sealed), &size, raw(plain),
                          static_cast<int>(plain.size())) == 1 &&
        EVP_EncryptFinal_ex(cipher.get(), raw(sealed) + size, &size) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(tag.size()),
                            tag.data()) == 1;
    if (!well) { return x509::failed("seal the manager's keys", Errc::Internal); }
    return nonce + sealed + tag;
}

/// Nothing when the key is wrong or the bytes are not what was sealed.
std::optional<std::string> open(std::string_view key, std::string_view head,
                                std::string_view sealed) {
    if (key.size() != unlock_key_bytes || sealed.size() < nonce_bytes + tag_bytes) { return {}; }
    const auto nonce = sealed.substr(0, nonce_bytes);
    std::string tag(sealed.substr(sealed.size() - tag_bytes));
    sealed = sealed.substr(nonce_bytes, sealed.size() - nonce_bytes - tag_bytes);
    std::string plain(sealed.size(), '\0');
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int size = 0;
    const bool well =
        cipher &&
        EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key), raw(nonce)) == 1 &&
        EVP_DecryptUpdate(cipher.get(), nullptr, &size, raw(head), static_cast<int>(head.size())) ==
            1 &&
        EVP_DecryptUpdate(cipher.get(), raw(plain), &size, raw(sealed),
                          static_cast<int>(sealed.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag.size()),
                            tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), raw(plain) + size, &size) == 1;
    if (!well) { return {}; }
    return plain;
}

int give_password(char* into, int size, int, void* password) {
    const auto& text = *static_cast<const std::string*>(password);
    if (size < 0 || text.size() > static_cast<std::size_t>(size)) { return -1; }
    text.copy(into, text.size());
    return static_cast<int>(text.size());
}

/// PKCS#8 under a password that is as good as a key.
Result<std::string> encrypt_key(const std::string& pem, const std::string& password) {
    TRY_LET(key, x509::read_key(pem, "key of this node"));
    const x509::Bio bio(BIO_new(BIO_s_mem()));
    const int written =
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_256_cbc(), password.data(),
                                      static_cast<int>(password.size()), nullptr, nullptr);
    if (written != 1) { return x509::failed("encrypt the key of this node", Errc::Internal); }
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
}

/// The key in the file that belongs to the certificate: a crash may have left two.
Result<std::string> pick_key(const std::string& file, std::string password,
                             const std::string& certificate) {
    TRY_LET(cert, x509::read_certificate(certificate, "certificate of this node"));
    const x509::Bio bio(BIO_new_mem_buf(file.data(), static_cast<int>(file.size())));
    while (const x509::Key key{
        PEM_read_bio_PrivateKey(bio.get(), nullptr, give_password, &password)}) {
        if (X509_check_private_key(cert.get(), key.get()) == 1) {
            return x509::print_pem(key.get());
        }
    }
    return x509::failed(std::string(key_file) + ": no key that belongs to the certificate");
}

bool is_encrypted(const std::string& pem) {
    return pem.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string::npos;
}
bool has_several(const std::string& pem) {
    constexpr std::string_view begin = "-----BEGIN ";
    return pem.find(begin, pem.find(begin) + 1) != std::string::npos;
}

/// "" when there is no such file.
Result<std::string> read_if_there(const std::string& path) {
    auto text = os::read_file(path, bytes_max);
    if (!text && text.error().code == Errc::NotFound) { return std::string(); }
    return text;
}

Result<void> write(const std::string& path, std::string_view bytes, mode_t mode) {
    os::WriteFile how;
    how.mode = mode;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(path, bytes, how);
}

mpb::KeptKeys kept_of(const ManagerKeys& keys, const std::string& password) {
    mpb::KeptKeys kept;
    kept.set_node_key_password(password);
    for (const auto& key : keys.data_keys) { *kept.add_data_keys() = key; }
    kept.set_store_ca_cert(keys.store_ca_cert);
    kept.set_store_cert(keys.store_cert);
    kept.set_store_key(keys.store_key);
    return kept;
}

} // namespace

std::string KeyFile::path(std::string_view name) const {
    return directory_ + "/" + std::string(name);
}

Result<KeyFile> KeyFile::load(std::string directory, Random& random) {
    KeyFile made(std::move(directory), random);
    TRY(made.load_public());
    TRY(made.load_manager_keys());
    if (!made.locked_) {
        TRY(made.open_node_key());
        TRY(made.heal());
    }
    return made;
}

Result<void> KeyFile::load_public() {
    TRY_LET(certificate, read_if_there(path(certificate_file)));
    TRY_LET(roots, read_if_there(path(roots_file)));
    credentials_.certificate = std::move(certificate);
    credentials_.roots = std::move(roots);
    return ok();
}

Result<void> KeyFile::load_manager_keys() {
    TRY_LET(file, read_if_there(path(manager_file)));
    if (file.empty()) { return ok(); }
    const Error broken = invalid(path(manager_file) + ": not a file of keys");
    if (file.size() < head_bytes || !file.starts_with(magic)) { return broken; }
    unlock_key_version_ = version_in(file);
    if (file[magic.size()] == sealed_format) {
        sealed_ = std::move(file);
        locked_ = true;
        return ok();
    }
    mpb::KeptKeys kept;
    const bool read =
        file[magic.size()] == plain_format && kept.ParseFromString(file.substr(head_bytes));
    return read ? take(kept) : Result<void>(broken);
}

Result<void> KeyFile::take(const mpb::KeptKeys& kept) {
    node_key_password_ = kept.node_key_password();
    manager_keys_.data_keys.assign(kept.data_keys().begin(), kept.data_keys().end());
    manager_keys_.store_ca_cert = kept.store_ca_cert();
    manager_keys_.store_cert = kept.store_cert();
    manager_keys_.store_key = kept.store_key();
    return ok();
}

Result<void> KeyFile::open_node_key() {
    if (empty()) { return ok(); }
    TRY_LET(file, read_if_there(path(key_file)));
    if (is_encrypted(file) && node_key_password_.empty()) {
        return invalid(path(key_file) + ": encrypted, and " + std::string(manager_file) +
                       " does not say how");
    }
    TRY_LET(key, pick_key(file, node_key_password_, credentials_.certificate));
    unfinished_ = is_encrypted(file) != !unlock_key_.empty() || has_several(file);
    credentials_.key = std::move(key);
    return ok();
}

/// Writes what a crash has kept from being written.
Result<void> KeyFile::heal() {
    if (!unfinished_) { return ok(); }
    TRY(write_node_key({credentials_.key}));
    unfinished_ = false;
    return ok();
}

Result<void> KeyFile::unlock(std::string_view unlock_key) {
    if (!locked_) { return conflict("swarm is not locked"); }
    const std::string_view file = sealed_;
    const auto plain = open(unlock_key, file.substr(0, head_bytes), file.substr(head_bytes));
    mpb::KeptKeys kept;
    if (!plain || !kept.ParseFromString(*plain)) {
        return Error{Errc::Unauthorized, "swarm could not be unlocked: invalid key provided"};
    }
    TRY(take(kept));
    unlock_key_ = unlock_key;
    if (const auto opened = open_node_key(); !opened) {
        unlock_key_.clear();
        manager_keys_ = {};
        return opened;
    }
    locked_ = false;
    sealed_.clear();
    return heal();
}

Result<void> KeyFile::check_open() const {
    if (!locked_) { return ok(); }
    return Error{Errc::Unavailable, "Swarm is encrypted and needs to be unlocked before it can be "
                                    "used. Please use \"docker swarm unlock\" to unlock it."};
}

Result<void> KeyFile::write_manager_keys() const {
    const bool nothing = manager_keys_.empty() && unlock_key_.empty() && node_key_password_.empty();
    if (nothing) { return os::remove_file(path(manager_file)); }
    const std::string message = kept_of(manager_keys_, node_key_password_).SerializeAsString();
    const bool sealing = !unlock_key_.empty();
    const std::string head = head_of(sealing ? sealed_format : plain_format, unlock_key_version_);
    if (!sealing) { return write(path(manager_file), head + message, 0600); }
    TRY_LET(sealed, seal(unlock_key_, head, message, *random_));
    return write(path(manager_file), head + sealed, 0600);
}

Result<void> KeyFile::write_node_key(const std::vector<std::string>& keys) const {
    std::string file;
    for (const auto& key : keys) {
        if (key.empty()) { continue; }
        if (unlock_key_.empty()) {
            file += key;
        } else {
            TRY_LET(encrypted, encrypt_key(key, node_key_password_));
            file += encrypted;
        }
    }
    return write(path(key_file), file, 0600);
}

Result<void> KeyFile::save(NodeCredentials next) {
    TRY(check_open());
    TRY(check_pair(next.certificate, next.key));
    TRY(os::ensure_directory(directory_, 0700));
    // Both keys until the certificate is there: whichever of the two it is, it has its key.
    TRY(write_node_key({next.key, credentials_.key}));
    TRY(write(path(roots_file), next.roots, 0644));
    TRY(write(path(certificate_file), next.certificate, 0644));
    credentials_ = std::move(next);
    return write_node_key({credentials_.key});
}

Result<void> KeyFile::save_roots(std::string roots) {
    TRY(check_open());
    TRY(write(path(roots_file), roots, 0644));
    credentials_.roots = std::move(roots);
    return ok();
}

Result<void> KeyFile::save(ManagerKeys next) {
    TRY(check_open());
    TRY(os::ensure_directory(directory_, 0700));
    std::swap(manager_keys_, next);
    auto written = write_manager_keys();
    if (!written) { std::swap(manager_keys_, next); }
    return written;
}

Result<void> KeyFile::use_unlock_key(std::string key, std::uint64_t version) {
    TRY(check_open());
    if (!key.empty() && key.size() != unlock_key_bytes) {
        return invalid("an unlock key has 32 bytes");
    }
    TRY(os::ensure_directory(directory_, 0700));
    const auto before = std::tuple(unlock_key_, unlock_key_version_, node_key_password_);
    const bool changes_node_key = key.empty() != unlock_key_.empty();
    unlock_key_ = std::move(key);
    unlock_key_version_ = version;
    if (node_key_password_.empty() && !unlock_key_.empty()) {
        node_key_password_ = draw(unlock_key_bytes, *random_);
    }
    // One file decides; the node's key follows, and is readable before and after that by what the
    // first one says.
    if (auto written = write_manager_keys(); !written) {
        std::tie(unlock_key_, unlock_key_version_, node_key_password_) = before;
        return written;
    }
    unfinished_ = unfinished_ || (changes_node_key && !credentials_.key.empty());
    TRY(heal());
    if (!unlock_key_.empty()) { return ok(); }
    node_key_password_.clear(); // nothing is under it any more
    return write_manager_keys();
}

Result<void> KeyFile::erase() {
    ErrorList failed;
    for (const auto name : {key_file, manager_file, certificate_file, roots_file}) {
        failed.add(os::remove_file(path(name)));
    }
    if (!failed.empty()) { return failed.joined(); }
    *this = KeyFile(directory_, *random_);
    return ok();
}

} // namespace shoal::swarm
