#include "cli/copy_plan.h"

#include "archive/tar_reader.h"
#include "archive/tar_writer.h"
#include "base/text.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace shoal::cli {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

/// Pulls entries from one archive and makes the other of them, as much as is asked for.
class Renamer {
  public:
    Renamer(archive::TarReader reader, std::string from, std::string to)
        : reader_(std::move(reader)), writer_(archive::sink_into(ready_)), from_(std::move(from)),
          to_(std::move(to)) {}

    Result<std::size_t> read(std::span<char> into) {
        while (at_ == ready_.size() && !ended_) {
            ready_.clear();
            at_ = 0;
            TRY(step());
        }
        const std::size_t size = std::min(into.size(), ready_.size() - at_);
        std::memcpy(into.data(), ready_.data() + at_, size);
        at_ += size;
        return size;
    }

  private:
    Result<void> step() {
        if (in_data_) {
            piece_.resize(piece_bytes);
            TRY_LET(got, reader_.read(piece_));
            in_data_ = got > 0;
            return in_data_ ? writer_.data(std::string_view(piece_.data(), got)) : ok();
        }
        TRY_LET(entry, reader_.next());
        if (!entry) {
            ended_ = true;
            return writer_.finish();
        }
        entry->name = renamed_entry(entry->name, from_, to_);
        if (entry->type == archive::EntryType::HardLink) {
            entry->link = renamed_entry(entry->link, from_, to_);
        }
        in_data_ = entry->type == archive::EntryType::File;
        return writer_.begin(*entry);
    }

    archive::TarReader reader_;
    std::string ready_;
    archive::TarWriter writer_; ///< writes into ready_
    std::string from_, to_;
    std::string piece_;
    std::size_t at_ = 0;
    bool in_data_ = false;
    bool ended_ = false;
};

std::string after_first_slash_dot(std::string_view name) {
    while (name.starts_with("./")) { name.remove_prefix(2); }
    while (name.starts_with('/')) { name.remove_prefix(1); }
    return name == "." ? "" : std::string(name);
}

} // namespace

CopyArgument parse_copy_argument(std::string_view text) {
    const auto colon = text.find(':');
    if (text.starts_with('/') || text.starts_with('.') || colon == std::string_view::npos ||
        colon == 0) {
        return {"", std::string(text)};
    }
    return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string clean_path(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string> parts;
    for (auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part != "..") {
            parts.push_back(std::move(part));
        } else if (!parts.empty() && parts.back() != "..") {
            parts.pop_back();
        } else if (!absolute) {
            parts.push_back(std::move(part));
        }
    }
    const std::string joined = join(parts, "/");
    if (absolute) { return "/" + joined; }
    return joined.empty() ? "." : joined;
}

std::string absolute_path(std::string_view path, std::string_view working_directory) {
    const std::string full = path.starts_with('/')
                                 ? std::string(path)
                                 : std::string(working_directory) + "/" + std::string(path);
    const std::string clean = clean_path(full);
    if (path == "." || path.ends_with("/.")) { return clean + "/."; }
    return path.ends_with('/') && clean != "/" ? clean + "/" : clean;
}

SplitPath split_path(std::string_view path) {
    const std::string clean = clean_path(path);
    if (path == "." || path.ends_with("/.")) { return {clean, "."}; }
    if (clean == "/") { return {"/", "/"}; }
    const auto slash = clean.rfind('/');
    if (slash == std::string::npos) { return {".", clean}; }
    return {slash == 0 ? "/" : clean.substr(0, slash), clean.substr(slash + 1)};
}

bool asserts_directory(std::string_view path) {
    return path.empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
}

Result<CopyPlan> plan_copy(const CopySource& source, const CopyTarget& target) {
    const SplitPath to = split_path(target.path);
    const std::string own = split_path(source.path).base;
    const std::string name = source.called.empty() ? own : source.called;
    if (target.exists && target.is_directory) {
        return CopyPlan{clean_path(target.path), own, name};
    }
    if (target.exists && source.is_directory) { return invalid("cannot copy directory"); }
    if (!source.is_directory && asserts_directory(target.path)) {
        return invalid(target.exists ? "not a directory" : "no such directory");
    }
    return CopyPlan{to.directory, own, to.base};
}

std::string renamed_entry(std::string_view name, std::string_view from, std::string_view to) {
    if (from == to) { return std::string(name); }
    const std::string plain = after_first_slash_dot(name);
    if (from == "." || from == "/" || from.empty()) {
        return plain.empty() ? std::string(to) + "/" : std::string(to) + "/" + plain;
    }
    if (plain == from) { return std::string(to); }
    if (plain.starts_with(std::string(from) + "/")) {
        return std::string(to) + plain.substr(from.size());
    }
    return std::string(name);
}

archive::Source renamed_archive(archive::Source source, std::string from, std::string to) {
    if (from == to) { return source; }
    auto renamer = std::make_shared<std::unique_ptr<Renamer>>();
    return [=](std::span<char> into) -> Result<std::size_t> {
        if (!*renamer) {
            TRY_LET(reader, archive::TarReader::open(source));
            *renamer = std::make_unique<Renamer>(std::move(reader), from, to);
        }
        return (*renamer)->read(into);
    };
}

} // namespace shoal::cli
