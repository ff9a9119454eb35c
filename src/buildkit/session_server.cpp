#include "buildkit/session_server.h"

#include "buildkit/message.h"
#include "buildkit/transfer.h"
#include "buildkit/words.h"
#include "net/grpc.h"
#include "net/grpc_stream.h"
#include "net/scope.h"
#include "os/file.h"
#include "secrets.pb.h"
#include "sshforward.pb.h"

#include <unistd.h>

namespace shoal::buildkit {

namespace {

constexpr std::size_t threads_max = 4;

class Server {
  public:
    Server(net::Loop& loop, Offered offered)
        : loop_(loop), offered_(std::move(offered)), pool_(loop, threads_max), server_(loop) {
        const auto bind =
            [this](net::Task<Result<void>> (Server::*member)(net::GrpcCall&, net::Until)) {
                return [this, member](net::GrpcCall& call, net::Until until) {
                    return (this->*member)(call, until);
                };
            };
        server_.add(method_health, bind(&Server::health));
        for (const auto& method : methods_of(offered_)) {
            if (method == method_sync) { server_.add(method, bind(&Server::sync)); }
            if (method == method_send) { server_.add(method, bind(&Server::receive)); }
            if (method == method_secret) { server_.add(method, bind(&Server::secret)); }
            if (method == method_check_agent) { server_.add(method, bind(&Server::check_agent)); }
            if (method == method_forward_agent) { server_.add(method, bind(&Server::agent)); }
        }
    }

    net::Task<Result<void>> run(net::StreamPtr stream, net::Until until) {
        return server_.serve(std::move(stream), until);
    }

  private:
    net::Task<Result<void>> health(net::GrpcCall& call, net::Until until) {
        CO_TRY_LET(request, co_await call.read_only_message(until));
        (void)request; // all services are as well as the whole
        co_return co_await call.write(print_serving(), until);
    }

    net::Task<Result<void>> sync(net::GrpcCall& call, net::Until until) {
        CO_TRY_LET(names, values_of(call, key_directory));
        const std::string name = names.empty() ? "" : names.front();
        const auto found = offered_.directories.find(name);
        if (found == offered_.directories.end()) {
            co_return Error{Errc::NotFound, "no access allowed to dir \"" + name + "\""};
        }
        SendTree what;
        what.directory = found->second;
        CO_TRY_LET(include, values_of(call, key_include));
        CO_TRY_LET(exclude, values_of(call, key_exclude));
        CO_TRY_LET(follow, values_of(call, key_follow));
        what.wish = {std::move(include), std::move(exclude), std::move(follow)};
        std::int64_t before = 0;
        what.sent = [this, before](std::int64_t bytes) mutable {
            sent_ += bytes - before;
            before = bytes;
            if (offered_.sent) { offered_.sent(sent_); }
        };
        co_return co_await send_tree(loop_, pool_, call, std::move(what), until);
    }

    net::Task<Result<void>> receive(net::GrpcCall& call, net::Until until) {
        if (!offered_.output_directory) { co_return co_await receive_file(call, until); }
        CO_TRY(os::ensure_directory(*offered_.output_directory));
        ReceiveTree what;
        what.directory = *offered_.output_directory;
        what.existing = TreeWriter::Existing::Merge;
        const auto received = co_await receive_tree(loop_, pool_, call, std::move(what), until);
        if (!received) { co_return received.error(); }
        co_return ok();
    }

    net::Task<Result<void>> receive_file(net::GrpcCall& call, net::Until until) {
        for (;;) {
            CO_TRY_LET(message, co_await call.read(until));
            if (!message) { co_return ok(); }
            CO_TRY_LET(bytes, net::parse_bytes_message(*message));
            auto job = [fd = *offered_.output_fd, data = std::move(bytes)] {
                return write_to(fd, data);
            };
            CO_TRY(co_await pool_.run(std::move(job)));
        }
    }
    static Result<void> write_to(int fd, std::string_view bytes) {
        while (!bytes.empty()) {
            const auto put = ::write(fd, bytes.data(), bytes.size());
            if (put < 0 && errno == EINTR) { continue; }
            if (put < 0) { return os_error("write the output", errno); }
            bytes.remove_prefix(static_cast<std::size_t>(put));
        }
        return ok();
    }

    net::Task<Result<void>> secret(net::GrpcCall& call, net::Until until) {
        CO_TRY_LET(message, co_await call.read_only_message(until));
        CO_TRY_LET(request, parse_message<moby::buildkit::secrets::v1::GetSecretRequest>(
                                message, "request for a secret"));
        const auto found = offered_.secrets.find(request.id());
        if (found == offered_.secrets.end()) { co_return not_found("secret", request.id()); }
        if (found->second.size() > secret_bytes_max) {
            co_return invalid("secret " + request.id() + " is larger than " +
                              std::to_string(secret_bytes_max) + " bytes");
        }
        moby::buildkit::secrets::v1::GetSecretResponse response;
        response.set_data(found->second);
        co_return co_await call.write(print_message(response), until);
    }

    Result<std::string> agent_socket(const std::string& asked) const {
        const std::string id = asked.empty() ? "default" : asked;
        const auto found = offered_.agents.find(id);
        if (found == offered_.agents.end()) { return not_found("ssh agent", id); }
        return found->second;
    }

    net::Task<Result<void>> check_agent(net::GrpcCall& call, net::Until until) {
        CO_TRY_LET(message, co_await call.read_only_message(until));
        CO_TRY_LET(request, parse_message<moby::sshforward::v1::CheckAgentRequest>(
                                message, "request for an agent"));
        CO_TRY(agent_socket(request.id()));
        co_return co_await call.write("", until);
    }

    net::Task<Result<void>> agent(net::GrpcCall& call, net::Until until) {
        CO_TRY_LET(ids, values_of(call, key_agent));
        CO_TRY_LET(path, agent_socket(ids.empty() ? "" : ids.front()));
        CO_TRY_LET(opened, co_await net::connect_unix(loop_, path, until));
        const std::shared_ptr<net::Stream> socket = std::move(opened);
        net::TaskScope scope(loop_);
        scope.spawn(pass_questions(call, socket, until));
        auto outcome = co_await pass_answers(call, *socket, until);
        socket->close();
        co_await scope.close();
        co_return outcome;
    }
    static net::Task<void> pass_questions(net::GrpcCall& call, std::shared_ptr<net::Stream> socket,
                                          net::Until until) {
        for (;;) {
            const auto message = co_await call.read(until);
            if (!message || !*message) { break; }
            const auto bytes = net::parse_bytes_message(**message);
            if (!bytes) { break; }
            const auto written = co_await socket->write_all(*bytes, until);
            if (!written) { co_return; }
        }
        const auto shut = co_await socket->shutdown_write(until);
        (void)shut; // it may be gone already
    }
    static net::Task<Result<void>> pass_answers(net::GrpcCall& call, net::Stream& socket,
                                                net::Until until) {
        char buffer[16 * 1024];
        for (;;) {
            CO_TRY_LET(got, co_await socket.read_some(buffer, until));
            if (got == 0) { co_return ok(); }
            auto message = net::print_bytes(std::string(buffer, got));
            CO_TRY(co_await call.write(std::move(message), until));
        }
    }

    net::Loop& loop_;
    Offered offered_;
    std::int64_t sent_ = 0;
    net::Pool pool_;
    net::GrpcServer server_;
};

} // namespace

std::vector<std::string> methods_of(const Offered& offered) {
    std::vector<std::string> all{method_health};
    if (!offered.directories.empty()) { all.emplace_back(method_sync); }
    if (offered.output_directory || offered.output_fd) { all.emplace_back(method_send); }
    if (!offered.secrets.empty()) { all.emplace_back(method_secret); }
    if (!offered.agents.empty()) {
        all.emplace_back(method_check_agent);
        all.emplace_back(method_forward_agent);
    }
    return all;
}

net::Task<Result<void>> serve_session(net::Loop& loop, net::StreamPtr stream, Offered offered,
                                      net::Until until) {
    Server server(loop, std::move(offered));
    co_return co_await server.run(std::move(stream), until);
}

} // namespace shoal::buildkit
