#include "net/http.h"
#include "net/http_client.h"
#include "net/scope.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace shoal::net {
namespace {

Deadline late() { return Deadline::in(std::chrono::seconds(20)); }

struct Key {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    ~Key() { EVP_PKEY_free(key); }
};

/// A certificate authority and what it signs, as PEM files in a folder of its own.
class Authority {
  public:
    explicit Authority(const std::string& name) : name_(name) {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
        certificate_ = make_certificate(name, key_.key, nullptr);
        save(certificate_, key_.key, "ca");
    }
    ~Authority() {
        X509_free(certificate_);
        std::filesystem::remove_all(folder_);
    }
    TlsFiles issue(const std::string& name, const char* subject_names) {
        const Key key;
        X509* const made = make_certificate(name, key.key, subject_names);
        save(made, key.key, name);
        X509_free(made);
        return {file("ca.pem"), file(name + ".pem"), file(name + ".key")};
    }
    std::string file(const std::string& name) const { return folder_ + "/" + name; }

  private:
    X509* make_certificate(const std::string& name, EVP_PKEY* key, const char* subject_names) {
        X509* const made = X509_new();
        X509_set_version(made, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial_);
        X509_gmtime_adj(X509_getm_notBefore(made), -60);
        X509_gmtime_adj(X509_getm_notAfter(made), 3600);
        X509_set_pubkey(made, key);
        const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, text, -1, -1,
                                   0);
        const bool self = certificate_ == nullptr;
        X509_set_issuer_name(made, X509_get_subject_name(self ? made : certificate_));
        add_extension(made, NID_basic_constraints, self ? "critical,CA:TRUE" : "CA:FALSE");
        if (subject_names != nullptr) { add_extension(made, NID_subject_alt_name, subject_names); }
        EXPECT_GT(X509_sign(made, key_.key, EVP_sha256()), 0);
        return made;
    }
    static void add_extension(X509* certificate, int kind, const char* value) {
        X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    void save(X509* certificate, EVP_PKEY* key, const std::string& name) {
        FILE* out = std::fopen(file(name + ".pem").c_str(), "w");
        PEM_write_X509(out, certificate);
        std::fclose(out);
        out = std::fopen(file(name + ".key").c_str(), "w");
        PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(out);
    }
    std::string name_;
    std::string folder_ = "/tmp/shoal-tls-XXXXXX";
    Key key_;
    X509* certificate_ = nullptr;
    long serial_ = 0;
};

Task<Result<std::string>> read_all(Stream& stream) {
    std::string all;
    char buffer[1000];
    for (;;) {
        CO_TRY_LET(got, co_await stream.read_some(buffer, late()));
        if (got == 0) { co_return all; }
        all.append(buffer, got);
    }
}

Task<void> handle(Exchange& exchange) {
    if (exchange.request().path == "/hijack") {
        Headers headers;
        auto raw = co_await exchange.upgrade(101, std::move(headers));
        StreamPtr stream = std::move(*raw);
        auto all = co_await read_all(*stream);
        co_await stream->write_all("got ", std::move(all).value_or("nothing"), late());
        co_await stream->shutdown_write(late());
        co_return;
    }
    auto body = co_await exchange.read_body(10 << 20);
    const std::string text =
        exchange.request().peer_name + ":" + std::to_string(body ? body->size() : 0);
    co_await exchange.respond(200, {}, text);
}

struct World {
    Loop loop;
    HttpServer server{loop, handle};
    Address address;
    std::shared_ptr<TlsServer> tls;
    World(TlsFiles files, ClientCertificates clients) {
        auto made = TlsServer::create(std::move(files), clients);
        EXPECT_TRUE(made) << made.error().message;
        tls = *made;
        auto listener = Listener::listen_tcp(loop, "127.0.0.1", 0);
        address = *parse_address((*listener)->text());
        server.serve(std::move(*listener), tls);
    }
};

Task<std::string> ask(World& world, TlsFiles files, std::string body) {
    auto tls = TlsClient::create(std::move(files));
    if (!tls) { co_return tls.error().message; }
    HttpClient client(world.loop, world.address, *tls);
    ClientRequest request;
    request.method = "POST";
    request.body = std::move(body);
    auto response = co_await client.request(std::move(request), late());
    co_return response ? response->body : std::string(name_of(response.error().code));
}

TEST(Tls, asks_for_client_certificates_and_names_the_client) {
    Authority authority("ca");
    Authority stranger("other");
    const auto client = authority.issue("alice", nullptr);
    World world(authority.issue("server", "IP:127.0.0.1,DNS:localhost"),
                ClientCertificates::Required);
    EXPECT_EQ(run_task(world.loop, ask(world, client, std::string(1'000'000, 'x'))),
              "alice:1000000");
    const std::string unauthorized(name_of(Errc::Unauthorized));
    EXPECT_EQ(run_task(world.loop, ask(world, {authority.file("ca.pem"), "", ""}, "")),
              unauthorized);
    auto foreign = stranger.issue("alice", nullptr);
    foreign.ca_file = authority.file("ca.pem");
    EXPECT_EQ(run_task(world.loop, ask(world, foreign, "")), unauthorized);
    EXPECT_EQ(run_task(world.loop, ask(world, {stranger.file("ca.pem"), "", ""}, "")),
              unauthorized);
}

TEST(Tls, checks_the_name_of_the_server_and_reloads) {
    Authority authority("ca");
    World world(authority.issue("elsewhere", "DNS:elsewhere.example"), ClientCertificates::Ignore);
    const TlsFiles client{authority.file("ca.pem"), "", ""};
    EXPECT_EQ(run_task(world.loop, ask(world, client, "")), name_of(Errc::Unauthorized));
    EXPECT_FALSE(world.tls->reload({"", "/nonexistent.pem", "/nonexistent.key"}));
    ASSERT_TRUE(world.tls->reload(authority.issue("here", "IP:127.0.0.1")));
    EXPECT_EQ(run_task(world.loop, ask(world, client, "")), ":0");
}

Task<std::string> hijack(World& world, TlsFiles files) {
    auto tls = TlsClient::create(std::move(files));
    HttpClient client(world.loop, world.address, *tls);
    ClientRequest request;
    request.method = "POST";
    request.target = "/hijack";
    auto sent = co_await client.send(std::move(request), late());
    auto head = co_await (*sent)->head(late());
    EXPECT_TRUE(head);
    auto raw = (*sent)->upgrade();
    StreamPtr stream = std::move(*raw);
    co_await stream->write_all("some input", late());
    co_await stream->shutdown_write(late());
    auto all = co_await read_all(*stream);
    co_return std::move(all).value_or("failed");
}

std::string text_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

TlsIdentity in_memory(const TlsFiles& files) {
    return {text_of(files.cert_file), text_of(files.key_file), nullptr, {"h2"}};
}

struct Handshake {
    Result<StreamPtr> server = internal("not done");
    Result<StreamPtr> client = internal("not done");
    /// By the client, which in TLS 1.3 is through before it is judged.
    Result<std::size_t> read = internal("not done");
};

Task<void> take(Loop& loop, Listener& listener, std::shared_ptr<TlsServer> tls, Handshake& made) {
    auto plain = co_await listener.accept(late());
    made.server = co_await accept_tls(loop, std::move(*plain), std::move(tls), late());
    if (made.server) { co_await (*made.server)->write_all("!", late()); }
}

Task<void> shake(Loop& loop, std::shared_ptr<TlsServer> server, std::shared_ptr<TlsClient> client,
                 Handshake& made) {
    auto listener = Listener::listen_tcp(loop, "127.0.0.1", 0);
    TaskScope other(loop);
    other.spawn(take(loop, **listener, std::move(server), made));
    auto plain = co_await connect_tcp(loop, "127.0.0.1", (*listener)->port(), late());
    made.client = co_await connect_tls(loop, std::move(*plain), std::move(client), "name", late());
    char byte[1];
    if (made.client) { made.read = co_await (*made.client)->read_some(byte, late()); }
    co_await other.drain(late());
}

Handshake shake_hands(TlsIdentity server, TlsIdentity client) {
    Loop loop;
    Handshake made;
    run_task(loop, shake(loop, *TlsServer::create_in_memory(std::move(server)),
                         *TlsClient::create_in_memory(std::move(client)), made));
    // The streams go before the loop does.
    if (made.client) {
        EXPECT_EQ(selected_protocol(**made.client), "h2");
        made.client = internal("closed");
    }
    if (made.server) { made.server = internal(peer_common_name(**made.server)); }
    return made;
}

TEST(TlsInMemory, each_side_judges_the_others_chain) {
    Authority authority("ca");
    auto server = in_memory(authority.issue("server", nullptr));
    auto client = in_memory(authority.issue("alice", nullptr));
    TlsChain of_server;
    TlsChain of_client;
    client.judge = [&](const TlsChain& chain) { return of_server = chain, ok(); };
    server.judge = [&](const TlsChain& chain) { return of_client = chain, ok(); };
    // An intermediate travels along.
    client.cert_pem += text_of(authority.file("ca.pem"));
    auto made = shake_hands(server, client);
    EXPECT_TRUE(made.read);
    EXPECT_EQ(made.server.error().message, "alice");
    EXPECT_EQ(of_server.size(), 1u);
    EXPECT_EQ(of_client.size(), 2u);
}

TEST(TlsInMemory, a_bad_judgement_ends_the_handshake_with_its_own_words) {
    Authority authority("ca");
    auto server = in_memory(authority.issue("server", nullptr));
    auto client = in_memory(authority.issue("alice", nullptr));
    const JudgePeer no = [](const TlsChain&) -> Result<void> {
        return Error{Errc::Forbidden, "not that one"};
    };
    server.judge = no;
    auto made = shake_hands(server, client);
    EXPECT_EQ(made.server.error().message, "TLS handshake: not that one");
    EXPECT_EQ(made.server.error().code, Errc::Forbidden);
    EXPECT_EQ(made.read.error().code, Errc::Unauthorized);
    server.judge = nullptr;
    client.judge = no;
    made = shake_hands(server, client);
    EXPECT_EQ(made.client.error().message, "TLS handshake: not that one");
    EXPECT_FALSE(made.server && made.read);
}

TEST(TlsInMemory, a_client_may_have_no_certificate_and_other_protocols_are_refused) {
    Authority authority("ca");
    auto server = in_memory(authority.issue("server", nullptr));
    bool judged = false;
    server.judge = [&](const TlsChain&) { return judged = true, ok(); };
    TlsIdentity nobody;
    nobody.protocols = {"http/1.1", "h2"};
    auto made = shake_hands(server, nobody);
    EXPECT_TRUE(made.read);
    EXPECT_FALSE(judged);
    nobody.protocols = {"http/1.1"};
    EXPECT_FALSE(shake_hands(server, nobody).client);
}

TEST(TlsInMemory, refuses_texts_that_are_none_and_keeps_what_it_has) {
    Authority authority("ca");
    const auto server = in_memory(authority.issue("server", nullptr));
    const auto other = in_memory(authority.issue("other", nullptr));
    EXPECT_FALSE(TlsServer::create_in_memory(TlsIdentity{}));
    EXPECT_FALSE(TlsServer::create_in_memory(TlsIdentity{"nonsense", server.key_pem, nullptr, {}}));
    EXPECT_FALSE(
        TlsServer::create_in_memory(TlsIdentity{server.cert_pem, other.key_pem, nullptr, {}}));
    auto tls = TlsServer::create_in_memory(server);
    ASSERT_TRUE(tls);
    EXPECT_FALSE((*tls)->replace(TlsIdentity{"nonsense", "", nullptr, {}}));
    EXPECT_TRUE((*tls)->replace(other));
}

TEST(Tls, closes_by_halves) {
    Authority authority("ca");
    const auto client = authority.issue("alice", nullptr);
    World world(authority.issue("server", "IP:127.0.0.1"), ClientCertificates::Required);
    EXPECT_EQ(run_task(world.loop, hijack(world, client)), "got some input");
}

} // namespace
} // namespace shoal::net
