#include "build/exporter.h"

#include "archive/pack.h"
#include "base/text.h"
#include "buildkit/session.h"
#include "engine/settings.h"
#include "net/pool.h"
#include "net/scope.h"
#include "oci/reference.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/pipe.h"

#include <unistd.h>

namespace shoal::build {

namespace {

constexpr auto exporter_key = "buildkit-attachable-exporter-id";

const std::map<std::string, Output::Kind> kinds{
    {"moby", Output::Kind::Image},     {"image", Output::Kind::Image},
    {"docker", Output::Kind::Archive}, {"oci", Output::Kind::Archive},
    {"local", Output::Kind::Local},    {"tar", Output::Kind::Tar},
};

/// What an attribute may be: everything, or only the values that ask for what happens anyway.
struct Attribute {
    const char* name;
    std::vector<std::string> values; ///< empty for any
};
const std::vector<Attribute> attributes_known{
    {"name", {}},
    {"dest", {}}, // the client's own
    {"push", {"false"}},
    {"load", {"true", "false"}},
    {"store", {"true"}},
    {"unpack", {"true", "false"}}, // images here always are
    {"tar", {"true"}},
    {"oci-mediatypes", {"true", "false"}},
    {"compression", {"uncompressed", "gzip"}},
    {"force-compression", {"false"}},
    {"name-canonical", {"false"}},
    {"dangling-name-prefix", {""}},
    {"rewrite-timestamp", {"false"}},
    {"platform-split", {"true", "false"}}, // there is one platform
};

Result<void> check_attribute(const std::string& name, const std::string& value) {
    for (const auto& known : attributes_known) {
        if (name != known.name) { continue; }
        if (known.values.empty()) { return ok(); }
        for (const auto& allowed : known.values) {
            if (value == allowed) { return ok(); }
        }
        return unsupported("output attribute " + name + "=" + value + " is not supported");
    }
    return unsupported("output attribute " + name + " is not supported");
}

Result<void> check_name(const std::string& name) {
    TRY_LET(reference, oci::Reference::parse(name));
    if (reference.has_digest()) {
        return invalid("output name " + name + ": a name with a digest cannot be given");
    }
    return ok();
}

Result<std::vector<std::string>> parse_names(const std::string& text) {
    std::vector<std::string> names;
    for (const auto& part : split(text, ',')) {
        const std::string name(trim(part));
        if (name.empty()) { continue; }
        TRY(check_name(name));
        names.push_back(name);
    }
    return names;
}

buildkit::TarOutput tar_output(const Output& output) {
    return {{{exporter_key, std::to_string(output.index)}}};
}

/// The image's files in a directory of our own, for a while.
class Look {
  public:
    explicit Look(engine::Engine& engine) : engine_(engine) {}

    net::Task<Result<std::string>> open(oci::ImageId image) {
        engine::Env& env = engine_.env;
        path_ = env.settings.data_root + "/tmp/export-" + env.random.hex(6);
        CO_TRY(os::ensure_directory(path_, 0700));
        CO_TRY(co_await engine_.images.mount_image(image, path_, image::Below::Nothing));
        mounted_ = true;
        co_return path_;
    }

    net::Task<Result<void>> close() {
        if (path_.empty()) { co_return ok(); }
        auto job = [path = path_, mounted = mounted_]() -> Result<void> {
            if (mounted) { TRY(os::Mount(path).unmount()); }
            if (::rmdir(path.c_str()) != 0) { return os_error("remove " + path, errno); }
            return ok();
        };
        co_return co_await engine_.env.pool.run(std::move(job));
    }

  private:
    engine::Engine& engine_;
    std::string path_;
    bool mounted_ = false;
};

/// What writes into a pipe while the session's client reads from it.
class Feeding {
  public:
    explicit Feeding(net::Loop& loop)
        : scope_(loop), cancelled_(std::make_shared<std::atomic<bool>>(false)) {}

    std::shared_ptr<std::atomic<bool>> cancelled() const { return cancelled_; }
    void start(net::Task<Result<void>> writer) { scope_.spawn(run(std::move(writer))); }
    /// The client's word first: a writer whose reader has left only complains about that.
    net::Task<Result<void>> end(Result<void> sent) {
        if (!sent) { *cancelled_ = true; }
        net::Until never;
        co_await scope_.drain(never);
        if (!sent) { co_return sent; }
        co_return outcome_;
    }

  private:
    net::Task<void> run(net::Task<Result<void>> writer) { outcome_ = co_await std::move(writer); }

    net::TaskScope scope_;
    std::shared_ptr<std::atomic<bool>> cancelled_;
    Result<void> outcome_;
};

net::Task<Result<void>> export_tree(engine::Engine& engine, oci::ImageId image, Output output,
                                    buildkit::Session& session, net::Until until) {
    Look look(engine);
    auto path = co_await look.open(image);
    Result<void> done = path ? ok() : Result<void>(path.error());
    if (path) { done = co_await session.send_tree(*path, tar_output(output), until); }
    auto closed = co_await look.close();
    if (done) { done = std::move(closed); }
    co_return done;
}

net::Task<Result<void>> pack_tree(net::Pool& pool, std::string path, os::Fd into,
                                  std::shared_ptr<std::atomic<bool>> cancelled) {
    const auto end = std::make_shared<os::Fd>(std::move(into));
    auto job = [path, end, cancelled]() -> Result<void> {
        TRY_LET(directory, os::open_directory(path));
        archive::PackOptions options;
        options.cancelled = cancelled.get();
        TRY(archive::pack(directory, options, archive::sink_into(*end)));
        end->reset();
        return ok();
    };
    co_return co_await pool.run(std::move(job));
}

net::Task<Result<void>> send_tar(engine::Engine& engine, std::string path, Output output,
                                 buildkit::Session& session, net::Until until) {
    CO_TRY_LET(pipe, os::make_pipe());
    Feeding feeding(engine.env.loop);
    feeding.start(pack_tree(engine.env.pool, std::move(path), std::move(pipe.write_end),
                            feeding.cancelled()));
    auto sent = co_await session.send_file(std::move(pipe.read_end), tar_output(output), until);
    co_return co_await feeding.end(std::move(sent));
}

net::Task<Result<void>> export_tar(engine::Engine& engine, oci::ImageId image, Output output,
                                   buildkit::Session& session, net::Until until) {
    Look look(engine);
    auto path = co_await look.open(image);
    Result<void> done = path ? ok() : Result<void>(path.error());
    if (path) { done = co_await send_tar(engine, *path, output, session, until); }
    auto closed = co_await look.close();
    if (done) { done = std::move(closed); }
    co_return done;
}

/// Names that mean the image at this moment, else its id.
std::vector<std::string> names_to_save(const engine::Engine& engine, const oci::ImageId& image,
                                       const Output& output) {
    std::vector<std::string> names;
    for (const auto& name : output.names) {
        const auto found = engine.images.resolve(name);
        if (found && found->id == image) { names.push_back(name); }
    }
    if (names.empty()) { names.push_back(oci::prefixed(image)); }
    return names;
}

net::Task<Result<void>> export_archive(engine::Engine& engine, oci::ImageId image, Output output,
                                       buildkit::Session& session, net::Until until) {
    CO_TRY_LET(pipe, os::make_pipe());
    Feeding feeding(engine.env.loop);
    engine::ImageStreamJob job;
    job.output = std::move(pipe.write_end);
    job.cancelled = feeding.cancelled();
    auto names = names_to_save(engine, image, output);
    feeding.start(engine.images.save(std::move(names), std::move(job)));
    auto sent = co_await session.send_file(std::move(pipe.read_end), tar_output(output), until);
    co_return co_await feeding.end(std::move(sent));
}

} // namespace

Result<Output> parse_output(const std::string& type,
                            const std::map<std::string, std::string>& attributes, int index) {
    const auto kind = kinds.find(type);
    if (kind == kinds.end()) { return unsupported("output type " + type + " is not supported"); }
    Output output;
    output.kind = kind->second;
    output.index = index;
    for (const auto& [name, value] : attributes) {
        TRY(check_attribute(name, value).with("output " + type));
    }
    const auto name = attributes.find("name");
    if (name == attributes.end()) { return output; }
    TRY_LET(names, parse_names(name->second));
    output.names = std::move(names);
    return output;
}

net::Task<Result<void>> export_image(engine::Engine& engine, oci::ImageId image, Output output,
                                     buildkit::Session* session, net::Until until) {
    if (output.kind == Output::Kind::Image) { co_return ok(); }
    if (session == nullptr) { co_return invalid("an output to the client needs a session"); }
    switch (output.kind) {
    case Output::Kind::Local:
        co_return co_await export_tree(engine, image, std::move(output), *session, until);
    case Output::Kind::Tar:
        co_return co_await export_tar(engine, image, std::move(output), *session, until);
    case Output::Kind::Archive:
    case Output::Kind::Image:
        break;
    }
    co_return co_await export_archive(engine, image, std::move(output), *session, until);
}

} // namespace shoal::build
