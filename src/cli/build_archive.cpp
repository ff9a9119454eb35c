#include "cli/build_archive.h"

#include "archive/pack.h"
#include "archive/tar_writer.h"
#include "cli/support.h"
#include "dockerfile/ignore.h"
#include "dockerfile/instruction.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/pipe.h"

#include <algorithm>
#include <mutex>

#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::size_t name_bytes = 10; ///< random ones in a made-up name
constexpr std::string_view ignore_file = ".dockerignore";

/// One tree being packed into a pipe, whose other end is the reader's alone: when that goes away,
/// packing ends. Lives as long as both do.
struct Packing {
    os::Fd directory;
    archive::PackOptions options;
    dockerfile::PatternList ignored;
    std::vector<std::string> always; ///< sent whatever the patterns say
    os::Fd output;
    std::mutex mutex; ///< guards `outcome`
    Result<void> outcome = ok();

    bool is_wanted(std::string_view name) const {
        if (std::find(always.begin(), always.end(), name) != always.end()) { return true; }
        return !ignored.matches(name);
    }
    bool is_entered(std::string_view name) const {
        const std::string start = std::string(name) + "/";
        for (const auto& path : always) {
            if (path.starts_with(start)) { return true; }
        }
        return ignored.may_reenter(name);
    }
};

void pack_into_pipe(Packing& packing) {
    auto packed =
        archive::pack(packing.directory, packing.options, archive::sink_into(packing.output));
    if (!packed) {
        const std::lock_guard lock(packing.mutex);
        packing.outcome = std::move(packed).error().with("error checking context");
    }
    packing.output.reset(); // what the reader takes for the end
}

net::Task<void> pack_beside(net::Pool* pool, std::shared_ptr<Packing> packing) {
    auto job = [packing] { pack_into_pipe(*packing); };
    co_await pool->run(std::move(job));
}

Result<std::string> read_packed(Packing& packing, const os::Fd& input) {
    TRY_LET(piece, read_piece(input.raw()));
    if (!piece.empty()) { return std::move(piece); }
    const std::lock_guard lock(packing.mutex);
    if (!packing.outcome) { return packing.outcome.error(); }
    return std::string();
}

archive::Entry file_entry(std::string_view name) {
    archive::Entry entry;
    entry.name = name;
    entry.mode = 0600;
    return entry;
}

/// The Dockerfile under a name that nothing in the context has, and a .dockerignore that names it.
std::string add_outside_file(Packing& packing, const BuildContext& context,
                             const std::optional<std::string>& ignore_text) {
    os::SystemRandom random;
    const std::string name = ".dockerfile." + random.hex(name_bytes);
    const std::string ignored = ignore_text.value_or(std::string(ignore_file));
    packing.options.extras = {{file_entry(name), *context.outside},
                              {file_entry(ignore_file), ignored + "\n" + name + "\n"}};
    return name;
}

Result<dockerfile::PatternList> patterns_of(const std::optional<std::string>& ignore_text) {
    TRY_LET(patterns, dockerfile::parse_ignore_file(ignore_text.value_or("")));
    return dockerfile::PatternList::create(patterns);
}

void choose_entries(const std::shared_ptr<Packing>& packing) {
    Packing* self = packing.get(); // the options do not outlive it
    const bool replaced = !packing->options.extras.empty();
    packing->options.filter = [self, replaced](const archive::Entry& entry) {
        return self->is_wanted(entry.name) && !(replaced && entry.name == ignore_file);
    };
    packing->options.enter = [self](const archive::Entry& entry) {
        return self->is_entered(entry.name);
    };
    packing->options.owner = archive::Owner{0, 0};
}

Result<std::string> archive_of(std::string_view dockerfile) {
    std::string tar;
    archive::TarWriter writer(archive::sink_into(tar));
    archive::Entry entry = file_entry("Dockerfile");
    entry.size = dockerfile.size();
    TRY(writer.file(entry, dockerfile));
    TRY(writer.finish());
    return tar;
}

/// At least `bytes`, unless the input ends before.
Result<std::string> read_head(std::size_t bytes) {
    std::string head;
    while (head.size() < bytes) {
        TRY_LET(piece, read_piece(STDIN_FILENO));
        if (piece.empty()) { break; }
        head += piece;
    }
    return head;
}

/// What was read already, then the rest of standard input.
UploadBody stdin_from(std::string head) {
    auto first = std::make_shared<std::string>(std::move(head));
    return {[first] {
        if (!first->empty()) { return Result<std::string>(std::exchange(*first, {})); }
        return read_piece(STDIN_FILENO);
    }};
}

UploadBody body_of(std::string bytes) {
    auto left = std::make_shared<std::string>(std::move(bytes));
    return {[left] { return Result<std::string>(std::exchange(*left, {})); }};
}

} // namespace

ContextArchive::ContextArchive(net::Loop& loop)
    : pool_(loop, 1, net::Pool::AtEnd::Leave), packing_(loop) {}

Result<ContextBody> ContextArchive::pack(const BuildContext& context,
                                         archive::Compression compression) {
    auto packing = std::make_shared<Packing>();
    TRY_LET(directory, os::open_directory(context.place));
    packing->directory = std::move(directory);
    TRY_LET(pipe, os::make_pipe());
    packing->output = std::move(pipe.write_end);
    auto input = std::make_shared<os::Fd>(std::move(pipe.read_end));
    packing->options.compression = compression;
    TRY_LET(ignore_text, load_ignore_file(context));
    TRY_LET(ignored, patterns_of(ignore_text).with("error checking context"));
    packing->ignored = std::move(ignored);
    packing->always = {std::string(ignore_file)};
    ContextBody body;
    body.dockerfile = context.dockerfile;
    if (context.outside) {
        body.dockerfile = add_outside_file(*packing, context, ignore_text);
    } else {
        packing->always.push_back(context.dockerfile);
        packing->always.push_back(context.dockerfile + std::string(own_ignore_suffix));
    }
    choose_entries(packing);
    packing_.spawn(pack_beside(&pool_, packing));
    body.body = {[packing, input] { return read_packed(*packing, *input); }};
    return body;
}

Result<ContextBody> ContextArchive::take_stdin(const BuildContext& context) {
    TRY_LET(head, read_head(context_head_bytes).with("unable to prepare context"));
    if (is_archive(head)) { return ContextBody{stdin_from(std::move(head)), context.dockerfile}; }
    if (!context.dockerfile.empty()) {
        return invalid("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles")
            .with("unable to prepare context");
    }
    std::string text = std::move(head);
    while (text.size() <= dockerfile::dockerfile_bytes_max) {
        TRY_LET(piece, read_piece(STDIN_FILENO));
        if (piece.empty()) { break; }
        text += piece;
    }
    if (text.size() > dockerfile::dockerfile_bytes_max) {
        return invalid("the Dockerfile on standard input is too large");
    }
    TRY_LET(tar, archive_of(text));
    return ContextBody{body_of(std::move(tar)), ""};
}

} // namespace shoal::cli
