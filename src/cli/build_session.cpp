#include "cli/build_session.h"

#include "archive/hash.h"
#include "base/text.h"
#include "cli/app.h"
#include "cli/support.h"
#include "os/clock.h"

#include <fmt/format.h>

#include <sys/stat.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::size_t id_bytes = 16;
constexpr std::size_t secret_bytes_max = 500 * 1024;
constexpr std::string_view image_scheme = "docker-image://";

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string host_name() {
    std::string name(HOST_NAME_MAX + 1, '\0');
    if (::gethostname(name.data(), name.size()) != 0) { return ""; }
    return name.substr(0, name.find('\0'));
}

/// Names the directory across builds, so that what has not changed need not be sent again.
std::string shared_key_of(const BuildContext& context) {
    if (context.kind != BuildContext::Kind::Directory) { return ""; }
    archive::Sha256 hash;
    hash.update(context.place + "\n" + host_name());
    return cut(hash.finish(), ':').second;
}

Result<std::string> read_secret_of(const BuildSecret& secret) {
    if (!secret.variable.empty()) { return env(secret.variable.c_str()); }
    auto value = os::read_file(secret.file, secret_bytes_max);
    if (value) { return value; }
    if (value.error().code == Errc::Exhausted) {
        return invalid(fmt::format("secret {} too big. max size 500KB", secret.id));
    }
    return go_error("open " + secret.file, value.error());
}

Result<void> offer_agents(const BuildOptions& options, buildkit::Offered& offered) {
    for (const auto& agent : options.agents) {
        struct stat seen {};
        if (::stat(agent.socket.c_str(), &seen) != 0) {
            return go_error("stat " + agent.socket, os_error(agent.socket, errno)).with("--ssh");
        }
        if (!S_ISSOCK(seen.st_mode)) {
            return unsupported(
                fmt::format("--ssh {}={}: keys are not supported, only an agent's socket", agent.id,
                            agent.socket));
        }
        offered.agents[agent.id] = agent.socket;
    }
    return ok();
}

Result<void> offer_directories(BuildSession& session, const BuildContext& context) {
    if (context.kind != BuildContext::Kind::Directory) { return ok(); }
    auto& directories = session.offered.directories;
    directories["context"] = context.place;
    if (!context.outside) {
        directories["dockerfile"] = parent_of(context.place + "/" + context.dockerfile);
    } else if (!context.outside_path.empty()) {
        directories["dockerfile"] = parent_of(context.outside_path);
    } else {
        TRY_LET(made, os::TempDir::create("/tmp", "shoal-build-"));
        TRY(os::write_file_atomic(made.path() + "/Dockerfile", *context.outside));
        directories["dockerfile"] = made.path();
        session.dockerfile = std::move(made);
    }
    return ok();
}

} // namespace

Result<BuildSession> plan_session(const BuildOptions& options, const BuildContext& context) {
    BuildSession session;
    os::SystemRandom random;
    session.id = random.hex(id_bytes);
    session.name = context.place.substr(context.place.rfind('/') + 1);
    session.shared_key = shared_key_of(context);
    TRY(offer_directories(session, context));
    for (const auto& secret : options.secrets) {
        TRY_LET(value, read_secret_of(secret).with("--secret " + secret.id));
        session.offered.secrets[secret.id] = std::move(value);
    }
    TRY(offer_agents(options, session.offered));
    return session;
}

Result<Json> named_contexts(const BuildOptions& options, buildkit::Offered& offered) {
    Json contexts = Json::object();
    for (const auto& [name, value] : options.contexts) {
        if (value.starts_with(image_scheme)) {
            contexts[name] = "image:" + value.substr(image_scheme.size());
            continue;
        }
        if (is_address(value)) {
            contexts[name] = "remote:" + value;
            continue;
        }
        if (value.find("://") != std::string::npos || value.starts_with("target:")) {
            return unsupported(fmt::format("--build-context {}={} is not supported", name, value));
        }
        if (!os::is_directory(value)) {
            return invalid(
                fmt::format("--build-context {}: path {} not found", name, go_quote(value)));
        }
        if (name == "context" || name == "dockerfile") {
            return invalid(fmt::format("--build-context {}: the name is taken", name));
        }
        offered.directories[name] = value;
        contexts[name] = "session:" + name;
    }
    return contexts;
}

net::Task<Result<net::StreamPtr>> open_session(client::Client* client, const BuildSession* session,
                                               net::Until until) {
    client::Request request = client::post("/session");
    request.headers.set("Upgrade", "h2c");
    request.headers.set("X-Docker-Expose-Session-Uuid", session->id);
    request.headers.set("X-Docker-Expose-Session-Name", session->name);
    request.headers.set("X-Docker-Expose-Session-Sharedkey", session->shared_key);
    for (const auto& method : buildkit::methods_of(session->offered)) {
        request.headers.add("X-Docker-Expose-Session-Grpc-Method", method);
    }
    CO_TRY_LET(hijacked, co_await client->hijack_async(std::move(request), until));
    co_return std::move(hijacked.stream);
}

} // namespace shoal::cli
