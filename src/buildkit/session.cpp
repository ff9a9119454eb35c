#include "buildkit/session.h"

#include "base/text.h"
#include "buildkit/message.h"
#include "buildkit/transfer.h"
#include "buildkit/words.h"
#include "net/grpc_stream.h"
#include "net/http2.h"
#include "net/wait_queue.h"
#include "secrets.pb.h"
#include "session.pb.h"
#include "sshforward.pb.h"

#include <set>

namespace shoal::buildkit {

namespace {

constexpr std::size_t id_bytes_max = 128;
constexpr std::size_t methods_max = 256;
constexpr std::size_t sessions_max = 256;
constexpr std::size_t piece_bytes = 64 * 1024;

class ClientSession : public Session {
  public:
    ClientSession(net::Loop& loop, net::Pool& pool, net::StreamPtr stream, Sessions::Offer offer)
        : loop_(loop), pool_(pool), offer_(std::move(offer)),
          connection_(loop, std::move(stream), net::Http2Role::Client), client_(connection_) {
        for (const auto& method : offer_.methods) { methods_.insert(to_lower(method)); }
    }

    net::Task<Result<void>> run(net::Until until) { return connection_.run(until); }
    void hang_up() override { connection_.close(); }

    const std::string& id() const override { return offer_.id; }
    const std::string& shared_key() const override { return offer_.shared_key; }
    bool offers(std::string_view method) const override {
        return methods_.contains(to_lower(method));
    }

    net::Task<Result<Synced>> sync(SyncRequest request, std::string directory,
                                   net::Until until) override;
    net::Task<Result<std::string>> read_secret(std::string id, net::Until until) override;
    net::Task<Result<RegistryLogin>> registry_login(std::string host, net::Until until) override;
    net::Task<Result<net::StreamPtr>> pull_upload(std::string path, net::Until until) override;
    net::Task<Result<net::StreamPtr>> dial_agent(std::string id, net::Until until) override;
    net::Task<Result<void>> check_agent(std::string id, net::Until until) override;
    net::Task<Result<void>> send_file(os::Fd input, TarOutput output, net::Until until) override;
    net::Task<Result<void>> send_tree(std::string directory, TarOutput output,
                                      net::Until until) override;

  private:
    Result<net::GrpcCallPtr> open(const char* method, const net::GrpcMetadata& metadata) {
        if (!offers(method)) {
            return Error{Errc::NotFound,
                         "the client's session does not offer " + std::string(method)};
        }
        return client_.open(method, metadata);
    }
    /// The client has taken everything in: its status.
    static net::Task<Result<void>> wait_status(net::GrpcCall& call, net::Until until);
    static net::Task<Result<void>> copy(net::Stream& input, net::GrpcCall& call, net::Until until);

    net::Loop& loop_;
    net::Pool& pool_;
    Sessions::Offer offer_;
    std::set<std::string> methods_; ///< in lower case, since clients disagree about that
    net::Http2Connection connection_;
    net::GrpcClient client_;
};

net::Task<Result<Synced>> ClientSession::sync(SyncRequest request, std::string directory,
                                              net::Until until) {
    net::GrpcMetadata metadata;
    add_values(metadata, key_directory, {request.name});
    add_values(metadata, key_include, request.include);
    add_values(metadata, key_exclude, request.exclude);
    add_values(metadata, key_follow, request.follow_paths);
    CO_TRY_LET(call, open(method_sync, metadata));
    ReceiveTree what;
    what.directory = std::move(directory);
    what.progress = std::move(request.progress);
    auto received = co_await receive_tree(loop_, pool_, *call, std::move(what), until);
    if (!received) { co_return std::move(received).error().with("context " + request.name); }
    co_return Synced{received->bytes, received->files, received->kept};
}

net::Task<Result<RegistryLogin>> ClientSession::registry_login(std::string host, net::Until until) {
    if (!offers(method_credentials)) { co_return RegistryLogin{}; }
    moby::filesync::v1::CredentialsRequest request;
    request.set_host(host);
    auto answer = co_await client_.unary(method_credentials, print_message(request), {}, until);
    if (!answer) { co_return std::move(answer).error().with("credentials for " + host); }
    CO_TRY_LET(known,
               parse_message<moby::filesync::v1::CredentialsResponse>(*answer, "credentials"));
    co_return RegistryLogin{known.username(), known.secret()};
}

net::Task<Result<std::string>> ClientSession::read_secret(std::string id, net::Until until) {
    if (!offers(method_secret)) { co_return not_found("secret", id); }
    moby::buildkit::secrets::v1::GetSecretRequest request;
    request.set_id(id);
    auto answer = co_await client_.unary(method_secret, print_message(request), {}, until);
    if (!answer && answer.error().code == Errc::NotFound) { co_return not_found("secret", id); }
    if (!answer) { co_return std::move(answer).error().with("secret " + id); }
    CO_TRY_LET(secret,
               parse_message<moby::buildkit::secrets::v1::GetSecretResponse>(*answer, "secret"));
    co_return std::move(*secret.mutable_data());
}

net::Task<Result<net::StreamPtr>> ClientSession::pull_upload(std::string path, net::Until until) {
    net::GrpcMetadata metadata;
    add_values(metadata, key_upload_path, {path});
    CO_TRY_LET(opened, open(method_upload, metadata));
    std::shared_ptr<net::GrpcCall> call = std::move(opened);
    auto stream = net::make_bytes_stream(loop_, std::move(call), "upload " + path);
    CO_TRY(co_await stream->shutdown_write(until));
    co_return stream;
}

net::Task<Result<net::StreamPtr>> ClientSession::dial_agent(std::string id, net::Until until) {
    (void)until; // opening does not wait: what fails shows at the first read
    net::GrpcMetadata metadata;
    add_values(metadata, key_agent, {id});
    CO_TRY_LET(opened, open(method_forward_agent, metadata));
    std::shared_ptr<net::GrpcCall> call = std::move(opened);
    co_return net::make_bytes_stream(loop_, std::move(call), "ssh agent " + id);
}

net::Task<Result<void>> ClientSession::check_agent(std::string id, net::Until until) {
    if (!offers(method_check_agent)) { co_return not_found("ssh agent", id); }
    moby::sshforward::v1::CheckAgentRequest request;
    request.set_id(id);
    auto answer = co_await client_.unary(method_check_agent, print_message(request), {}, until);
    if (!answer) { co_return std::move(answer).error().with("ssh agent " + id); }
    co_return ok();
}

net::Task<Result<void>> ClientSession::wait_status(net::GrpcCall& call, net::Until until) {
    for (;;) {
        CO_TRY_LET(message, co_await call.read(until));
        if (!message) { co_return ok(); }
    }
}

net::Task<Result<void>> ClientSession::copy(net::Stream& input, net::GrpcCall& call,
                                            net::Until until) {
    const auto buffer = std::make_unique_for_overwrite<char[]>(piece_bytes);
    for (;;) {
        const std::span<char> into(buffer.get(), piece_bytes);
        CO_TRY_LET(got, co_await input.read_some(into, until));
        if (got == 0) { co_return call.finish_writing(); }
        auto message = net::print_bytes(std::string(buffer.get(), got));
        const auto written = co_await call.write(std::move(message), until);
        if (!written) { co_return ok(); } // the status tells why
    }
}

net::Task<Result<void>> ClientSession::send_file(os::Fd input, TarOutput output, net::Until until) {
    net::GrpcMetadata metadata;
    for (const auto& [key, value] : output.metadata) { metadata.add(key, value); }
    CO_TRY_LET(call, open(method_send, metadata));
    const auto stream = net::adopt_stream(loop_, std::move(input));
    CO_TRY(co_await copy(*stream, *call, until));
    co_return co_await wait_status(*call, until);
}

net::Task<Result<void>> ClientSession::send_tree(std::string directory, TarOutput output,
                                                 net::Until until) {
    net::GrpcMetadata metadata;
    for (const auto& [key, value] : output.metadata) { metadata.add(key, value); }
    CO_TRY_LET(call, open(method_send, metadata));
    SendTree what;
    what.directory = std::move(directory);
    CO_TRY(co_await buildkit::send_tree(loop_, pool_, *call, std::move(what), until));
    CO_TRY(call->finish_writing());
    co_return co_await wait_status(*call, until);
}

} // namespace

struct Sessions::Impl {
    Impl(net::Loop& on, net::Pool& with) : loop(on), pool(with), arrivals(on) {}
    net::Loop& loop;
    net::Pool& pool;
    std::map<std::string, std::shared_ptr<ClientSession>> all;
    net::WaitQueue arrivals;
};

namespace {
/// Takes the session off the list however its task ends.
struct Listed {
    Sessions::Impl& sessions;
    std::string id;
    ~Listed() { sessions.all.erase(id); }
};
} // namespace

Sessions::Sessions(net::Loop& loop, net::Pool& pool) : impl_(std::make_unique<Impl>(loop, pool)) {}
Sessions::~Sessions() = default;

Result<void> Sessions::check(const Offer& offer) const {
    if (offer.id.empty()) { return invalid("a session needs an id"); }
    if (offer.id.size() > id_bytes_max || offer.methods.size() > methods_max) {
        return invalid("the offer of the session is too long");
    }
    if (impl_->all.contains(offer.id)) {
        return invalid("there is a session " + offer.id + " already");
    }
    if (impl_->all.size() >= sessions_max) {
        return Error{Errc::Unavailable, "too many sessions are open"};
    }
    return ok();
}

net::Task<Result<void>> Sessions::run(net::StreamPtr stream, Offer offer, net::Until until) {
    CO_TRY(check(offer));
    const std::string id = offer.id;
    const auto session = std::make_shared<ClientSession>(impl_->loop, impl_->pool,
                                                         std::move(stream), std::move(offer));
    impl_->all.emplace(id, session);
    const Listed listed{*impl_, id};
    impl_->arrivals.wake_all();
    co_return co_await session->run(until);
}

net::Task<Result<std::shared_ptr<Session>>> Sessions::find(std::string id, net::Until until) {
    for (;;) {
        const auto found = impl_->all.find(id);
        if (found != impl_->all.end()) { co_return std::shared_ptr<Session>(found->second); }
        const net::Wake wake = co_await impl_->arrivals.wait(until);
        if (wake == net::Wake::Timeout) { co_return not_found("session", id); }
        CO_TRY(net::to_result(wake, "wait for the session"));
    }
}

} // namespace shoal::buildkit
