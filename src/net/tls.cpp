#include "net/tls.h"

#include "net/fd_stream.h"
#include "net/sleep.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace shoal::net {

namespace {

struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

Error tls_error(const std::string& what) {
    const auto code = ERR_get_error();
    ERR_clear_error();
    char text[256] = "unknown error";
    if (code != 0) { ERR_error_string_n(code, text, sizeof text); }
    return Error{Errc::Invalid, what + ": " + text};
}

Result<ContextPtr> make_bare_context(const SSL_METHOD* method) {
    ERR_clear_error();
    ContextPtr context(SSL_CTX_new(method));
    if (!context) { return tls_error("make a TLS context"); }
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // Idle connections give their buffers back; a write that had to wait may go on from another
    // place.
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

Result<ContextPtr> make_context(const SSL_METHOD* method, const TlsFiles& files) {
    TRY_LET(context, make_bare_context(method));
    const bool has_cert = !files.cert_file.empty();
    if (has_cert &&
        SSL_CTX_use_certificate_chain_file(context.get(), files.cert_file.c_str()) != 1) {
        return tls_error("certificate " + files.cert_file);
    }
    if (has_cert &&
        SSL_CTX_use_PrivateKey_file(context.get(), files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
        return tls_error("key " + files.key_file);
    }
    if (!files.ca_file.empty() &&
        SSL_CTX_load_verify_locations(context.get(), files.ca_file.c_str(), nullptr) != 1) {
        return tls_error("certificate authority " + files.ca_file);
    }
    return std::move(context);
}

Result<ContextPtr> make_server_context(const TlsFiles& files, ClientCertificates clients) {
    if (files.cert_file.empty()) { return invalid("TLS server: no certificate given"); }
    if (clients == ClientCertificates::Required && files.ca_file.empty()) {
        return invalid("TLS server: client certificates need a certificate authority");
    }
    TRY_LET(context, make_context(TLS_server_method(), files));
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    if (clients == ClientCertificates::Required) {
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           nullptr);
        SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(files.ca_file.c_str()));
    }
    return std::move(context);
}

template <auto Free> struct Freeing {
    template <class T> void operator()(T* thing) const { Free(thing); }
};
using CertPtr = std::unique_ptr<X509, Freeing<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freeing<BIO_free>>;

BioPtr reader_of(const std::string& text) {
    return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
int no_password(char*, int, int, void*) { return -1; }

Result<void> use_chain(SSL_CTX* context, const std::string& pem) {
    const BioPtr bio = reader_of(pem);
    const CertPtr leaf(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
        return tls_error("certificate in memory");
    }
    while (const CertPtr above{PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)}) {
        if (SSL_CTX_add1_chain_cert(context, above.get()) != 1) {
            return tls_error("certificate in memory");
        }
    }
    ERR_clear_error(); // the end of the text
    return ok();
}

Result<void> use_key(SSL_CTX* context, const std::string& pem) {
    const BioPtr bio = reader_of(pem);
    const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
    const bool used = key && SSL_CTX_use_PrivateKey(context, key.get()) == 1 &&
                      SSL_CTX_check_private_key(context) == 1;
    return used ? ok() : Result<void>(tls_error("key in memory"));
}

/// Names with their lengths in front, as ALPN has them.
std::string alpn_of(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const auto& name : protocols) {
        ASSERT(!name.empty() && name.size() < 256);
        wire += static_cast<char>(name.size()) + name;
    }
    return wire;
}

std::string der_of(X509* certificate) {
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate, &bytes);
    if (size <= 0) { return ""; }
    std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return der;
}

void append(TlsChain& chain, const STACK_OF(X509) * certificates) {
    for (int i = 0; i < sk_X509_num(certificates); ++i) {
        chain.push_back(der_of(sk_X509_value(certificates, i)));
    }
}

/// What is left of an identity when it is in a context.
struct Manners {
    JudgePeer judge;
    std::string alpn;
};
using MannersPtr = std::shared_ptr<const Manners>;

MannersPtr manners_of(const TlsIdentity& identity) {
    return std::make_shared<const Manners>(Manners{identity.judge, alpn_of(identity.protocols)});
}

int judge_peer(X509_STORE_CTX* context, void*);
int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void*);

Result<ContextPtr> make_context(const SSL_METHOD* method, const TlsIdentity& identity) {
    TRY_LET(context, make_bare_context(method));
    if (!identity.cert_pem.empty()) {
        TRY(use_chain(context.get(), identity.cert_pem));
        TRY(use_key(context.get(), identity.key_pem));
    }
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    if (identity.judge) {
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_cert_verify_callback(context.get(), judge_peer, nullptr);
    }
    return std::move(context);
}

Result<ContextPtr> make_server_context(const TlsIdentity& identity) {
    if (identity.cert_pem.empty()) { return invalid("TLS server: no certificate given"); }
    TRY_LET(context, make_context(TLS_server_method(), identity));
    // Every connection is judged anew: nobody comes back with a ticket from before.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context.get(), 0);
    if (!identity.protocols.empty()) {
        SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
    }
    return std::move(context);
}

} // namespace

struct TlsServer::Impl {
    ClientCertificates clients;
    ContextPtr context;
    MannersPtr manners; ///< may be null
};
struct TlsClient::Impl {
    ServerCertificate server;
    ContextPtr context;
    MannersPtr manners; ///< may be null
};

TlsServer::TlsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServer::~TlsServer() = default;
TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<TlsServer>> TlsServer::create(TlsFiles files, ClientCertificates clients) {
    TRY_LET(context, make_server_context(files, clients));
    return std::make_shared<TlsServer>(
        std::unique_ptr<Impl>(new Impl{clients, std::move(context), nullptr}));
}

Result<std::shared_ptr<TlsServer>> TlsServer::create_in_memory(TlsIdentity identity) {
    TRY_LET(context, make_server_context(identity));
    return std::make_shared<TlsServer>(std::unique_ptr<Impl>(
        new Impl{ClientCertificates::Ignore, std::move(context), manners_of(identity)}));
}

Result<void> TlsServer::replace(TlsIdentity identity) {
    TRY_LET(context, make_server_context(identity));
    impl_->context = std::move(context);
    impl_->manners = manners_of(identity);
    return ok();
}

Result<void> TlsServer::reload(TlsFiles files) {
    TRY_LET(context, make_server_context(files, impl_->clients));
    impl_->context = std::move(context); // connections hold a reference to the one they began with
    return ok();
}

Result<std::shared_ptr<TlsClient>> TlsClient::create(TlsFiles files, ServerCertificate server) {
    TRY_LET(context, make_context(TLS_client_method(), files));
    if (server == ServerCertificate::Verify) {
        if (files.ca_file.empty()) { SSL_CTX_set_default_verify_paths(context.get()); }
        for (const auto& file : files.more_ca_files) {
            if (SSL_CTX_load_verify_locations(context.get(), file.c_str(), nullptr) != 1) {
                return tls_error("certificate authority " + file);
            }
        }
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    }
    return std::make_shared<TlsClient>(
        std::unique_ptr<Impl>(new Impl{server, std::move(context), nullptr}));
}

Result<std::shared_ptr<TlsClient>> TlsClient::create_in_memory(TlsIdentity identity) {
    TRY_LET(context, make_context(TLS_client_method(), identity));
    const auto alpn = alpn_of(identity.protocols);
    if (SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                                static_cast<unsigned>(alpn.size())) != 0) {
        return tls_error("offer protocols");
    }
    return std::make_shared<TlsClient>(std::unique_ptr<Impl>(
        new Impl{ServerCertificate::Trust, std::move(context), manners_of(identity)}));
}

namespace {

struct TlsState {
    std::shared_ptr<FdState> fd;
    SslPtr ssl;
    MannersPtr manners;             ///< during the handshake
    std::optional<Error> judgement; ///< why the other end was refused
};
using TlsStatePtr = std::shared_ptr<TlsState>;

TlsState& state_of(const SSL* ssl) { return *static_cast<TlsState*>(SSL_get_app_data(ssl)); }

int judge_peer(X509_STORE_CTX* context, void*) {
    const auto* const ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsState& state = state_of(ssl);
    TlsChain chain{der_of(X509_STORE_CTX_get0_cert(context))};
    const STACK_OF(X509)* const sent = X509_STORE_CTX_get0_untrusted(context);
    append(chain, sent);
    // A client's list begins with the leaf, a server's with what is above it.
    if (chain.size() > 1 && chain[1] == chain[0]) { chain.erase(chain.begin()); }
    auto judged = state.manners->judge(chain);
    X509_STORE_CTX_set_error(context, judged ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    if (!judged) { state.judgement = std::move(judged).error(); }
    return judged ? 1 : 0;
}

int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
    const std::string& ours = state_of(ssl).manners->alpn;
    unsigned char* chosen = nullptr;
    const int outcome = SSL_select_next_proto(
        &chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned>(ours.size()), offered, offered_size);
    *out = chosen;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/// What an OpenSSL call wants next: nothing (it succeeded, or the stream is at its end), or to wait
/// for a side.
struct Turn {
    int value = 0;
    bool end = false;
    std::optional<Side> wait_for;
};

template <class F> Result<Turn> take_turn(TlsState& state, const char* what, F call) {
    ERR_clear_error();
    errno = 0;
    const int value = call(state.ssl.get());
    if (value > 0) { return Turn{value}; }
    const int error = errno;
    switch (SSL_get_error(state.ssl.get(), value)) {
    case SSL_ERROR_WANT_READ:
        return Turn{0, false, Side::Read};
    case SSL_ERROR_WANT_WRITE:
        return Turn{0, false, Side::Write};
    case SSL_ERROR_ZERO_RETURN:
        return Turn{0, true};
    case SSL_ERROR_SYSCALL:
        if (error != 0) { return io_error(what, error); }
        return Error{Errc::Cancelled, std::string(what) + ": the connection was broken"};
    default:
        break;
    }
    const auto code = ERR_peek_error();
    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return Error{Errc::Cancelled, std::string(what) + ": the connection was broken"};
    }
    Error made = tls_error(what);
    made.code = Errc::Unauthorized;
    return made;
}

/// Calls until it neither waits nor fails; gives its value, 0 at the end.
template <class F>
Task<Result<std::size_t>> drive(TlsStatePtr state, const char* what, F call, Until until) {
    if (until.cancelled()) { co_return Error{Errc::Cancelled, std::string(what) + ": cancelled"}; }
    if (state->fd->too_busy()) { co_await yield(state->fd->loop()); }
    for (;;) {
        if (state->fd->closed()) {
            co_return Error{Errc::Cancelled, std::string(what) + ": closed"};
        }
        CO_TRY_LET(turn, take_turn(*state, what, call));
        if (!turn.wait_for) { co_return static_cast<std::size_t>(turn.value); }
        CO_TRY(co_await FdState::wait(state->fd, *turn.wait_for, until, what));
    }
}

Task<Result<void>> write_piece(TlsStatePtr state, std::string_view bytes, Until until) {
    while (!bytes.empty()) {
        const auto call = [bytes](SSL* ssl) {
            return SSL_write(ssl, bytes.data(),
                             static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)));
        };
        CO_TRY_LET(put, co_await drive(state, "write", call, until));
        if (put == 0) { co_return Error{Errc::Cancelled, "write: the connection was closed"}; }
        bytes.remove_prefix(put);
    }
    co_return ok();
}

// One record for the answer's head and the beginning of its body.
Task<Result<void>> write_pieces(TlsStatePtr state, std::string_view head, std::string_view body,
                                Until until) {
    if (body.empty()) { co_return co_await write_piece(std::move(state), head, until); }
    const auto with_head = body.substr(0, 8 * 1024);
    std::string first;
    first.reserve(head.size() + with_head.size());
    first.append(head).append(with_head);
    CO_TRY(co_await write_piece(state, first, until));
    co_return co_await write_piece(state, body.substr(with_head.size()), until);
}

Task<Result<void>> shutdown_tls(TlsStatePtr state, Until until) {
    const auto call = [](SSL* ssl) {
        const int sent = SSL_shutdown(ssl);
        return sent == 0 ? 1 : sent; // 0: ours is sent, the peer's has not come yet
    };
    CO_TRY(co_await drive(std::move(state), "shut down writing", call, until));
    co_return ok();
}

Task<Wake> tls_gone(TlsStatePtr state, Until until) {
    char one = 0;
    const auto peek = [&one](SSL* ssl) { return SSL_peek(ssl, &one, 1); };
    auto seen = co_await drive(state, "watch", peek, until);
    if (!seen && seen.error().code == Errc::Timeout) { co_return Wake::Timeout; }
    if (until.cancelled() || state->fd->closed()) { co_return Wake::Cancelled; }
    if (!seen || *seen == 0) { co_return Wake::Raised; }
    co_return co_await FdState::wait_gone(state->fd, until);
}

class TlsStream : public Stream {
  public:
    explicit TlsStream(TlsStatePtr state) : state_(std::move(state)) {}
    ~TlsStream() override { close(); }
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) override {
        const auto call = [into](SSL* ssl) {
            return SSL_read(ssl, into.data(), static_cast<int>(into.size()));
        };
        return drive(state_, "read", call, until);
    }
    Task<Result<void>> write_all(std::string_view bytes, Until until) override {
        return write_piece(state_, bytes, until);
    }
    Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                 Until until) override {
        return write_pieces(state_, head, body, until);
    }
    Task<Result<void>> shutdown_write(Until until) override { return shutdown_tls(state_, until); }
    void close() override {
        if (state_->fd->closed()) { return; }
        ERR_clear_error();
        const bool established = SSL_is_init_finished(state_->ssl.get()) == 1;
        if (established && (SSL_get_shutdown(state_->ssl.get()) & SSL_SENT_SHUTDOWN) == 0) {
            SSL_shutdown(state_->ssl.get()); // best effort: it does not wait
        }
        state_->fd->close();
    }
    Task<Wake> wait_gone(Until until) override { return tls_gone(state_, until); }
    int raw() const override { return state_->fd->raw(Side::Read); }
    std::string peer() const override { return state_->fd->peer(); }
    TlsChain chain() const {
        TlsChain chain;
        X509* const leaf = SSL_get0_peer_certificate(state_->ssl.get());
        if (leaf == nullptr) { return chain; }
        chain.push_back(der_of(leaf));
        append(chain, SSL_get_peer_cert_chain(state_->ssl.get()));
        if (chain.size() > 1 && chain[1] == chain[0]) { chain.erase(chain.begin()); }
        return chain;
    }
    std::string protocol() const {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(state_->ssl.get(), &name, &size);
        return {reinterpret_cast<const char*>(name), size};
    }
    std::string common_name() const {
        X509* const certificate = SSL_get0_peer_certificate(state_->ssl.get());
        if (certificate == nullptr) { return ""; }
        char name[256] = {};
        const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                                   NID_commonName, name, sizeof name);
        return size > 0 ? std::string(name, static_cast<std::size_t>(size)) : "";
    }

  private:
    TlsStatePtr state_;
};

Result<TlsStatePtr> begin_tls(StreamPtr stream, SSL_CTX* context, MannersPtr manners) {
    auto* const plain = dynamic_cast<FdStream*>(stream.get());
    if (plain == nullptr) { return internal("TLS needs a plain socket stream"); }
    auto state = std::make_shared<TlsState>();
    state->fd = plain->take_state();
    state->ssl.reset(SSL_new(context));
    if (!state->ssl) { return tls_error("make a TLS connection"); }
    SSL_set_fd(state->ssl.get(), state->fd->raw(Side::Read));
    SSL_set_app_data(state->ssl.get(), state.get());
    state->manners = std::move(manners);
    return state;
}

void expect_name(SSL* ssl, const std::string& name) {
    in6_addr address{};
    const bool numeric = ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
                         ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
    if (numeric) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
        return;
    }
    SSL_set_tlsext_host_name(ssl, name.c_str());
    SSL_set1_host(ssl, name.c_str());
}

template <class F> Task<Result<StreamPtr>> shake_hands(TlsStatePtr state, F call, Until until) {
    auto shaken = co_await drive(state, "TLS handshake", call, until);
    if (!shaken) {
        const long verdict = SSL_get_verify_result(state->ssl.get());
        state->fd->close();
        Error error = std::move(shaken).error();
        if (state->judgement) { co_return std::move(*state->judgement).with("TLS handshake"); }
        if (verdict != X509_V_OK) {
            error = Error{Errc::Unauthorized,
                          std::string("TLS handshake: ") + X509_verify_cert_error_string(verdict)};
        }
        co_return error;
    }
    if (*shaken == 0) {
        co_return Error{Errc::Cancelled, "TLS handshake: the connection was closed"};
    }
    state->manners.reset();
    co_return std::make_unique<TlsStream>(std::move(state));
}

} // namespace

Task<Result<StreamPtr>> accept_tls(Loop&, StreamPtr stream, std::shared_ptr<TlsServer> tls,
                                   Until until) {
    CO_TRY_LET(state, begin_tls(std::move(stream), tls->impl().context.get(), tls->impl().manners));
    const auto call = [](SSL* ssl) { return SSL_accept(ssl); };
    co_return co_await shake_hands(std::move(state), call, until);
}

Task<Result<StreamPtr>> connect_tls(Loop&, StreamPtr stream, std::shared_ptr<TlsClient> tls,
                                    std::string server_name, Until until) {
    CO_TRY_LET(state, begin_tls(std::move(stream), tls->impl().context.get(), tls->impl().manners));
    if (tls->impl().server == ServerCertificate::Verify) {
        expect_name(state->ssl.get(), server_name);
    } else if (tls->impl().manners && !server_name.empty()) {
        SSL_set_tlsext_host_name(state->ssl.get(), server_name.c_str());
    }
    const auto call = [](SSL* ssl) { return SSL_connect(ssl); };
    co_return co_await shake_hands(std::move(state), call, until);
}

std::string peer_common_name(const Stream& stream) {
    const auto* tls = dynamic_cast<const TlsStream*>(&stream);
    return tls == nullptr ? "" : tls->common_name();
}

TlsChain peer_chain(const Stream& stream) {
    const auto* tls = dynamic_cast<const TlsStream*>(&stream);
    return tls == nullptr ? TlsChain() : tls->chain();
}

std::string selected_protocol(const Stream& stream) {
    const auto* tls = dynamic_cast<const TlsStream*>(&stream);
    return tls == nullptr ? "" : tls->protocol();
}

} // namespace shoal::net
