#include "net/tls.h"

#include "net/fd_stream.h"
#include "net/sleep.h"

#include <arpa/inet.h>
#include <openssl/err.h>
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

Result<ContextPtr> make_context(const SSL_METHOD* method, const TlsFiles& files) {
    ERR_clear_error();
    ContextPtr context(SSL_CTX_new(method));
    if (!context) { return tls_error("make a TLS context"); }
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // Idle connections give their buffers back; a write that had to wait may go on from another
    // place.
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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
    return context;
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

} // namespace

struct TlsServer::Impl {
    ClientCertificates clients;
    ContextPtr context;
};
struct TlsClient::Impl {
    ServerCertificate server;
    ContextPtr context;
};

TlsServer::TlsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServer::~TlsServer() = default;
TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<TlsServer>> TlsServer::create(TlsFiles files, ClientCertificates clients) {
    TRY_LET(context, make_server_context(files, clients));
    return std::make_shared<TlsServer>(
        std::unique_ptr<Impl>(new Impl{clients, std::move(context)}));
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
    return std::make_shared<TlsClient>(std::unique_ptr<Impl>(new Impl{server, std::move(context)}));
}

namespace {

struct TlsState {
    std::shared_ptr<FdState> fd;
    SslPtr ssl;
};
using TlsStatePtr = std::shared_ptr<TlsState>;

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

Result<TlsStatePtr> begin_tls(StreamPtr stream, SSL_CTX* context) {
    auto* const plain = dynamic_cast<FdStream*>(stream.get());
    if (plain == nullptr) { return internal("TLS needs a plain socket stream"); }
    auto state = std::make_shared<TlsState>();
    state->fd = plain->take_state();
    state->ssl.reset(SSL_new(context));
    if (!state->ssl) { return tls_error("make a TLS connection"); }
    SSL_set_fd(state->ssl.get(), state->fd->raw(Side::Read));
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
        if (verdict != X509_V_OK) {
            error = Error{Errc::Unauthorized,
                          std::string("TLS handshake: ") + X509_verify_cert_error_string(verdict)};
        }
        co_return error;
    }
    if (*shaken == 0) {
        co_return Error{Errc::Cancelled, "TLS handshake: the connection was closed"};
    }
    co_return std::make_unique<TlsStream>(std::move(state));
}

} // namespace

Task<Result<StreamPtr>> accept_tls(Loop&, StreamPtr stream, std::shared_ptr<TlsServer> tls,
                                   Until until) {
    CO_TRY_LET(state, begin_tls(std::move(stream), tls->impl().context.get()));
    const auto call = [](SSL* ssl) { return SSL_accept(ssl); };
    co_return co_await shake_hands(std::move(state), call, until);
}

Task<Result<StreamPtr>> connect_tls(Loop&, StreamPtr stream, std::shared_ptr<TlsClient> tls,
                                    std::string server_name, Until until) {
    CO_TRY_LET(state, begin_tls(std::move(stream), tls->impl().context.get()));
    if (tls->impl().server == ServerCertificate::Verify) {
        expect_name(state->ssl.get(), server_name);
    }
    const auto call = [](SSL* ssl) { return SSL_connect(ssl); };
    co_return co_await shake_hands(std::move(state), call, until);
}

std::string peer_common_name(const Stream& stream) {
    const auto* tls = dynamic_cast<const TlsStream*>(&stream);
    return tls == nullptr ? "" : tls->common_name();
}

} // namespace shoal::net
