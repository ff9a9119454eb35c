// Building: POST /build with its many parameters, and the build cache's prune. The context of a
// classic client is the request's body; others send a session's id, or an address.
#include "api/build_trace.h"
#include "api/build_upload.h"
#include "api/build_words.h"
#include "api/call.h"
#include "api/daemon.h"
#include "api/router.h"
#include "base/text.h"
#include "build/builder.h"
#include "build/exporter.h"
#include "build/unpack.h"
#include "buildkit/session.h"
#include "container/config_codec.h"
#include "engine/engine.h"
#include "engine/settings.h"
#include "net/pool.h"
#include "net/scope.h"
#include "os/file.h"
#include "os/pipe.h"

namespace shoal::api {
namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::chrono::seconds session_wait{20}; ///< for a client whose session is on its way
constexpr std::string_view upload_prefix = "upload-request:"; ///< of the id of a build's context

// --- parameters ---

template <class T> Result<T> json_query(const Call& call, std::string_view name) {
    const std::string text = call.query_text(name);
    if (text.empty()) { return T{}; }
    auto value = codec::parse<T>(text);
    if (!value) { return std::move(value).error().with(name); }
    return value;
}

/// {"A":"1","B":null}: null is a name without value.
Result<dockerfile::BuildArgs> args_of(const Call& call) {
    dockerfile::BuildArgs args;
    const std::string text = call.query_text("buildargs");
    if (text.empty()) { return args; }
    TRY_LET(json, parse_json(text).with("buildargs"));
    if (!json.is_object() && !json.is_null()) { return invalid("buildargs: expected an object"); }
    for (const auto& [name, value] : json.items()) {
        if (value.is_null()) {
            args[name] = std::nullopt;
        } else if (value.is_string()) {
            args[name] = value.get<std::string>();
        } else {
            return invalid("buildargs." + name + ": expected a string");
        }
    }
    return args;
}

Result<container::Resources> resources_of(const Call& call) {
    container::Resources resources;
    const auto number = [&](std::string_view name, std::int64_t& into) -> Result<void> {
        TRY_LET(value, call.query_int(name));
        into = value;
        return ok();
    };
    TRY(number("memory", resources.memory));
    TRY(number("memswap", resources.memory_swap));
    TRY(number("cpushares", resources.cpu_shares));
    TRY(number("cpuperiod", resources.cpu_period));
    TRY(number("cpuquota", resources.cpu_quota));
    resources.cpuset_cpus = call.query_text("cpusetcpus");
    resources.cpuset_mems = call.query_text("cpusetmems");
    resources.cgroup_parent = call.query_text("cgroupparent");
    TRY_LET(ulimits, json_query<std::vector<container::Ulimit>>(call, "ulimits"));
    resources.ulimits = std::move(ulimits);
    return resources;
}

/// "name:address" of --add-host, one per parameter or all in one as docker-py sends them.
std::vector<std::string> hosts_of(const Call& call) {
    std::vector<std::string> hosts;
    for (const auto& text : call.query_all("extrahosts")) {
        for (auto& host : split(text, ',')) {
            if (!host.empty()) { hosts.push_back(std::move(host)); }
        }
    }
    return hosts;
}

/// {"name": "session:dir" | "image:ref" | "remote:address"}
Result<std::map<std::string, build::ContextSource>> contexts_of(const Call& call) {
    using Kind = build::ContextSource::Kind;
    static const std::map<std::string, Kind> kinds{
        {"session", Kind::Session}, {"image", Kind::Image}, {"remote", Kind::Remote}};
    std::map<std::string, build::ContextSource> contexts;
    TRY_LET(given, (json_query<std::map<std::string, std::string>>(call, "contexts")));
    for (const auto& [name, text] : given) {
        const auto [kind, value] = cut(text, ':');
        const auto known = kinds.find(kind);
        if (known == kinds.end()) { return invalid("contexts." + name + ": unknown kind " + kind); }
        contexts[name] = {known->second, "", value};
    }
    return contexts;
}

Result<void> check_tags(const std::vector<std::string>& tags) {
    for (const auto& tag : tags) {
        TRY_LET(reference, oci::Reference::parse(tag));
        if (reference.has_digest()) {
            return invalid("build tag " + tag +
                           ": refusing to create a tag with a digest reference");
        }
    }
    return ok();
}

Result<build::Request> request_of(const Call& call) {
    build::Request request;
    if (const auto name = call.query_text("dockerfile"); !name.empty()) {
        request.dockerfile = name;
    }
    request.target = call.query_text("target");
    request.platform = to_lower(call.query_text("platform"));
    if (!request.platform.empty()) { TRY(oci::parse_platform(request.platform)); }
    TRY_LET(args, args_of(call));
    request.args = std::move(args);
    TRY_LET(labels, json_query<container::Labels>(call, "labels"));
    request.labels = std::move(labels);
    for (const auto& tag : call.query_all("t")) {
        if (!tag.empty()) { request.tags.push_back(tag); }
    }
    TRY(check_tags(request.tags));
    TRY_LET(cache_from, json_query<std::vector<std::string>>(call, "cachefrom"));
    request.cache_from = std::move(cache_from);
    TRY_LET(no_cache_stages, json_query<std::vector<std::string>>(call, "nocachefilter"));
    request.no_cache_stages = std::move(no_cache_stages);
    request.no_cache = call.query_bool("nocache");
    request.pull = call.query_bool("pull");
    TRY_LET(credentials, registry::parse_auth_map_header(call.header("X-Registry-Config")));
    request.credentials = std::move(credentials);
    request.remove = call.query_bool("rm", true);
    request.force_remove = call.query_bool("forcerm");
    request.squash = call.query_bool("squash");
    request.network = call.query_text("networkmode");
    if (request.network == "default") { request.network.clear(); }
    request.extra_hosts = hosts_of(call);
    TRY_LET(resources, resources_of(call));
    request.resources = std::move(resources);
    TRY_LET(shm, call.query_int("shmsize"));
    request.shm_size_bytes = shm;
    request.security_opts =
        call.query_all("securityopt"); // one per parameter, as clients send them
    const std::string isolation = to_lower(call.query_text("isolation"));
    if (!isolation.empty() && isolation != "default") {
        return invalid("isolation " + isolation + " is not supported on Linux");
    }
    TRY_LET(contexts, contexts_of(call));
    request.contexts = std::move(contexts);
    return request;
}

// --- the context in the body ---

/// Unpacks the body into a directory of its own, which goes when this does.
class BodyContext {
  public:
    explicit BodyContext(Call& call)
        : call_(call), cancelled_(std::make_shared<std::atomic<bool>>(false)),
          gone_(call.gone(), [flag = cancelled_] { *flag = true; }),
          feeding_(call.engine.env.loop) {}

    net::Task<Result<std::string>> receive() {
        engine::Env& env = call_.engine.env;
        path_ = env.settings.data_root + "/tmp/context-" + env.random.hex(6);
        CO_TRY(os::ensure_directory(path_, 0700));
        CO_TRY_LET(pipe, os::make_pipe());
        body_ = net::adopt_stream(env.loop, std::move(pipe.write_end));
        feeding_.spawn(feed());
        auto input = std::make_shared<os::Fd>(std::move(pipe.read_end));
        auto job = [input, path = path_, cancelled = cancelled_]() -> Result<bool> {
            auto unpacked =
                build::unpack_context(archive::source_of(*input), path, cancelled.get());
            input->reset();
            return unpacked;
        };
        auto unpacked = co_await env.storage_pool.run(std::move(job));
        net::Until never;
        co_await feeding_.drain(never);
        if (!unpacked) { co_return std::move(unpacked).error().with("build context"); }
        co_return path_;
    }

    net::Task<void> remove() {
        if (path_.empty()) { co_return; }
        auto job = [path = path_] { return os::remove_tree(path); };
        auto removed = co_await call_.engine.env.pool.run(std::move(job));
        (void)removed; // what stays in tmp is swept at the next start
    }

  private:
    net::Task<void> feed() {
        std::vector<char> buffer(buffer_bytes);
        bool wanted = true;
        while (true) {
            const net::Until until(feeding_.cancel());
            auto got = co_await call_.exchange.read_some(buffer, until);
            if (!got) { *cancelled_ = true; }
            if (!got || *got == 0) { break; }
            if (!wanted) { continue; } // some clients hear an answer only after they have sent all
            const std::string_view bytes(buffer.data(), *got);
            auto written = co_await body_->write_all(bytes, until);
            wanted = written.has_value();
        }
        body_->close();
    }

    Call& call_;
    std::shared_ptr<std::atomic<bool>> cancelled_;
    net::Cancel::Registration gone_;
    net::StreamPtr body_;
    std::string path_;
    net::TaskScope feeding_;
};

// --- the build ---

using SessionPtr = std::shared_ptr<buildkit::Session>;

/// null when the client names none.
net::Task<Result<SessionPtr>> find_session(Call& call) {
    const std::string id = call.query_text("session");
    if (id.empty()) { co_return nullptr; }
    const net::Until until(Deadline::in(session_wait), call.gone());
    co_return co_await call.daemon.sessions.find(id, until);
}

std::unique_ptr<BuildVoice> make_voice(Call& call, const build::Request& request) {
    if (call.query_text("version") == "2") {
        auto salt = call.engine.env.random.hex(16);
        return std::make_unique<TraceVoice>(call, std::move(salt), request.dockerfile,
                                            call.query_bool("q"));
    }
    if (call.query_bool("events")) { return std::make_unique<EventVoice>(call); }
    return std::make_unique<ClassicVoice>(call, call.query_bool("q"));
}

/// [{"Type":"local","Attrs":{...}}]: where the result goes beside the images.
struct WantedOutput {
    std::string type;
    std::map<std::string, std::string> attributes;
};
template <class Visitor> void describe(Visitor& visit, WantedOutput& wanted) {
    visit("Type", wanted.type);
    visit("Attrs", wanted.attributes);
}

Result<std::vector<build::Output>> outputs_of(const Call& call) {
    std::vector<build::Output> outputs;
    TRY_LET(wanted, json_query<std::vector<WantedOutput>>(call, "outputs"));
    for (const auto& one : wanted) {
        const auto index = static_cast<int>(outputs.size());
        TRY_LET(output, build::parse_output(one.type, one.attributes, index));
        outputs.push_back(std::move(output));
    }
    return outputs;
}

net::Task<Result<void>> run_build(Call& call, build::Request request) {
    CO_TRY_LET(outputs, outputs_of(call));
    for (const auto& output : outputs) {
        request.tags.insert(request.tags.end(), output.names.begin(), output.names.end());
    }
    const auto voice = make_voice(call, request);
    build::Failure failure;
    const build::Request asked = request;
    const net::Until until(call.gone());
    auto built = co_await call.daemon.builder.build(std::move(request), *voice, &failure, until);
    for (auto& output : outputs) {
        if (!built) { break; }
        const auto hold = call.engine.images.hold(built->id);
        auto sent = co_await build::export_image(call.engine, built->id, std::move(output),
                                                 asked.session.get(), until);
        if (!sent) { built = std::move(sent).error(); }
    }
    co_return co_await voice->finish(built, asked, failure.exit_code);
}

BuildUploads& uploads_of(Call& call) {
    auto& uploads = call.daemon.build_uploads;
    if (!uploads) { uploads = std::make_shared<BuildUploads>(call.engine.env.loop); }
    return *uploads;
}

/// The other request of a build: its body is the context.
net::Task<Result<void>> give_upload(Call& call, std::string id) {
    CO_TRY_LET(meeting, uploads_of(call).meet(id));
    if (std::exchange(meeting->coming, true)) {
        co_return conflict("there is a context for build " + id + " already");
    }
    BodyContext body(call);
    meeting->path = co_await body.receive();
    meeting->arrived.set();
    const net::Until until(call.gone());
    net::Wake wake = co_await meeting->used.wait(until);
    if (wake != net::Wake::Raised && meeting->taken) { // the build has still to end
        net::Until never;
        wake = co_await meeting->used.wait(never);
    }
    uploads_of(call).leave(id);
    co_await body.remove();
    CO_TRY(net::to_result(wake, "wait for the build"));
    co_return co_await call.empty(200);
}

net::Task<Result<void>> build_with_upload(Call& call, build::Request request, std::string id) {
    CO_TRY_LET(meeting, uploads_of(call).meet(id));
    const net::Until until(call.gone());
    const net::Wake wake = co_await meeting->arrived.wait(until);
    Result<void> done = net::to_result(wake, "wait for the context");
    if (done && !*meeting->path) { done = meeting->path->error(); }
    if (done) {
        meeting->taken = true;
        request.context = {build::ContextSource::Kind::Directory, **meeting->path, ""};
        done = co_await run_build(call, std::move(request));
    }
    uploads_of(call).leave(id);
    co_return done;
}

net::Task<Result<void>> build_for(Call& call, SessionPtr session) {
    const std::string build_id = call.query_text("buildid");
    CO_TRY_LET(request, request_of(call));
    const std::string version = call.query_text("version");
    if (!version.empty() && version != "1" && version != "2") {
        co_return invalid("invalid version " + version + ": there are 1 and 2");
    }
    call.note(request.tags.empty() ? "" : request.tags.front());
    request.session = std::move(session);
    const std::string remote = call.query_text("remote");
    if (remote == "client-session") {
        if (!request.session) { co_return invalid("remote=client-session needs a session"); }
        request.context = {build::ContextSource::Kind::Session, "", "context"};
        co_return co_await run_build(call, std::move(request));
    }
    if (remote == "upload-request") {
        if (build_id.empty()) { co_return invalid("remote=upload-request needs a buildid"); }
        co_return co_await build_with_upload(call, std::move(request), build_id);
    }
    if (!remote.empty()) {
        request.context = {build::ContextSource::Kind::Remote, "", remote};
        co_return co_await run_build(call, std::move(request));
    }
    BodyContext body(call);
    auto path = co_await body.receive();
    Result<void> done = path ? ok() : Result<void>(path.error());
    if (path) {
        request.context = {build::ContextSource::Kind::Directory, *path, ""};
        done = co_await run_build(call, std::move(request));
    }
    co_await body.remove();
    co_return done;
}

net::Task<Result<void>> build_image(Call& call) {
    const std::string build_id = call.query_text("buildid");
    if (build_id.starts_with(upload_prefix)) {
        co_return co_await give_upload(call, build_id.substr(upload_prefix.size()));
    }
    CO_TRY_LET(session, co_await find_session(call));
    auto done = co_await build_for(call, session);
    // A client that hears of a refusal while its session still opens would wait for it for ever.
    if (!done && session) { session->hang_up(); }
    co_return done;
}

// --- the cache ---

net::Task<Result<void>> prune_build_cache(Call& call) {
    build::PruneRequest request;
    request.all = call.query_bool("all");
    CO_TRY_LET(filters, call.filters());
    request.filters = std::move(filters);
    CO_TRY_LET(keep, call.query_int("keep-storage"));
    CO_TRY_LET(reserved, call.query_int("reserved-space"));
    CO_TRY_LET(used_max, call.query_int("max-used-space"));
    for (const auto& name : {"min-free-space"}) {
        if (call.has_query(name)) {
            co_return unsupported(std::string(name) + " is not supported");
        }
    }
    request.keep_bytes = std::max(keep, used_max);
    request.keep_min_bytes = reserved;
    CO_TRY_LET(pruned, co_await call.daemon.builder.prune(std::move(request)));
    Json ids = nullptr;
    if (!pruned.ids.empty()) { ids = pruned.ids; }
    Json document{{"CachesDeleted", std::move(ids)}, {"SpaceReclaimed", pruned.reclaimed_bytes}};
    co_return co_await call.json(200, std::move(document));
}

/// A build ends when the client that asked for it goes away; there is none to be found by id.
net::Task<Result<void>> cancel_build(Call& call) {
    if (call.query_text("id").empty()) { co_return invalid("build ID not provided"); }
    co_return Error{Errc::NotFound, "no such build: " + call.query_text("id")};
}

} // namespace

void add_build_routes(Router& router) {
    router.add("POST", "/build", Right::Build, build_image);
    router.add("POST", "/build/prune", Right::Build, prune_build_cache);
    router.add("POST", "/build/cancel", Right::Build, cancel_build);
}

} // namespace shoal::api
