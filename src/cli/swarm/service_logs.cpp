// service logs: what the containers of a service, or of one task, have written on all nodes.
#include "cli/session.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/log_lines.h"
#include "cli/swarm/names.h"
#include "cli/terminal.h"
#include "cli/upload.h"

#include "client/frames.h"

#include <fmt/format.h>

#include <map>

#include <unistd.h>

namespace shoal::cli::swarm {
namespace {

using client::Channel;
using client::part;

constexpr std::size_t piece_bytes = 64 * 1024;
constexpr std::size_t frame_bytes_max = 16 * 1024 * 1024;

constexpr Flag logs_flags[] = {
    {"details", 0, Kind::Bool, "Show further details given to logs", "", "", nullptr, false, 130},
    {"follow", 'f', Kind::Bool, "Go on with what is written from now on"},
    {"no-resolve", 0, Kind::Bool, "Show ids instead of names"},
    {"no-task-ids", 0, Kind::Bool, "Show no ids of tasks"},
    {"no-trunc", 0, Kind::Bool, "Show ids in full"},
    {"raw", 0, Kind::Bool, "Show only what was written", "", "", nullptr, false, 130},
    {"since", 0, Kind::Text,
     "Show what was written after this time (\"2013-01-02T13:23:37Z\") or in this span (\"42m\")"},
    {"tail", 'n', Kind::Text, "Show this many lines of the end", "all"},
    {"timestamps", 't', Kind::Bool, "Show the time of every line"},
};

std::size_t digits_of(std::int64_t number) { return std::to_string(number).size(); }

/// What a word means, and how wide its slots are.
struct Target {
    std::string path; ///< of its logs
    bool tty = false;
    std::size_t slot_width = 1;
};

Result<Target> find_target(client::Client& client, const std::string& name) {
    Target target;
    auto service = client.json(client::get("/services/" + part(name)));
    if (service) {
        target.path = "/services/" + part(name) + "/logs";
        target.tty = flag_of(inside(*service, {"Spec", "TaskTemplate", "ContainerSpec"}), "TTY");
        const Json& replicated = inside(*service, {"Spec", "Mode", "Replicated"});
        if (has(replicated, "Replicas")) {
            target.slot_width = digits_of(number_of(replicated, "Replicas"));
        }
        return target;
    }
    if (service.error().code != Errc::NotFound) { return service.error(); }
    auto task = client.json(client::get("/tasks/" + part(name)));
    if (!task && task.error().code == Errc::NotFound) {
        return Error{Errc::NotFound, "no such task or service: " + name};
    }
    TRY(task);
    target.path = "/tasks/" + part(name) + "/logs";
    target.tty = flag_of(inside(*task, {"Spec", "ContainerSpec"}), "TTY");
    target.slot_width = digits_of(number_of(*task, "Slot"));
    return target;
}

/// Who has written a line, by the ids in it. Every task is asked for once.
class Sources {
  public:
    Sources(client::Client& client, const Parsed& parsed, std::size_t slot_width)
        : client_(client),
          names_(client, parsed.on("no-resolve") ? Names::Mode::KeepIds : Names::Mode::Resolve),
          ids_(!parsed.on("no-task-ids")), truncate_(!parsed.on("no-trunc")),
          slot_width_(slot_width) {}

    struct Source {
        LogSource text;
        std::size_t number; ///< 0, 1, 2 ... for its colour
    };
    Result<Source> of(const LogLine& line) {
        if (const auto at = known_.find(line.task); at != known_.end()) { return at->second; }
        auto task = client_.json(client::get("/tasks/" + part(line.task)));
        // A task that is gone meanwhile still has something to say.
        if (!task && task.error().code != Errc::NotFound) { return task.error(); }
        const auto slot = task ? number_of(*task, "Slot") : 0;
        std::string name = fmt::format("{}.{}", names_.service(line.service), slot);
        if (ids_) { name += "." + (truncate_ ? short_id(line.task) : line.task); }
        const std::size_t width = digits_of(slot);
        Source source{
            {name + "@" + names_.node(line.node), slot_width_ > width ? slot_width_ - width : 0},
            known_.size()};
        return known_.emplace(line.task, std::move(source)).first->second;
    }

  private:
    client::Client& client_;
    Names names_;
    bool ids_, truncate_;
    std::size_t slot_width_;
    std::map<std::string, Source> known_;
};

std::string_view colour_of(std::size_t number) {
    constexpr std::string_view colours[] = {"\x1b[36m", "\x1b[33m", "\x1b[32m",
                                            "\x1b[35m", "\x1b[34m", "\x1b[96m"};
    return colours[number % std::size(colours)];
}

int descriptor_of(Channel channel) {
    return channel == Channel::Stderr ? STDERR_FILENO : STDOUT_FILENO;
}

/// One frame is one line, or a piece of a long one.
class Printer {
  public:
    Printer(client::Client& client, const Parsed& parsed, std::size_t slot_width)
        : sources_(client, parsed, slot_width),
          timestamps_(parsed.on("timestamps") ? Timestamps::Yes : Timestamps::No),
          details_(parsed.on("details") ? Details::Show : Details::Hide),
          colours_(is_terminal(STDOUT_FILENO) && env("NO_COLOR").empty()) {}

    Result<void> take(Channel channel, std::string_view frame) {
        TRY_LET(line, parse_log_line(frame, timestamps_));
        TRY_LET(source, sources_.of(line));
        const std::string_view colour = colours_ ? colour_of(source.number) : "";
        return write_out(descriptor_of(channel),
                         print_log_line(line, source.text, details_, colour));
    }

  private:
    Sources sources_;
    Timestamps timestamps_;
    Details details_;
    bool colours_;
};

Result<net::Query> query_of(const Parsed& parsed) {
    net::Query query = {{"stdout", "1"}, {"stderr", "1"}};
    TRY(add_moment(query, parsed, "since"));
    if (parsed.on("timestamps")) { query.emplace_back("timestamps", "1"); }
    // Who has written a line is in its details.
    if (parsed.on("details") || !parsed.on("raw")) { query.emplace_back("details", "1"); }
    if (parsed.on("follow")) { query.emplace_back("follow", "1"); }
    query.emplace_back("tail", parsed.text("tail", "all"));
    return query;
}

/// The stream is read piece by piece here, and not by the loop, because names are looked up between
/// two pieces.
Result<void> read_all(client::Answer& answer, const TakeBytes& take) {
    std::vector<char> buffer(piece_bytes);
    while (true) {
        TRY_LET(got, answer.read_some(buffer));
        if (got == 0) { return ok(); }
        TRY(take({buffer.data(), got}));
    }
}

Result<void> print_raw(client::Answer& answer, bool tty) {
    if (tty) {
        return read_all(answer,
                        [](std::string_view bytes) { return write_out(STDOUT_FILENO, bytes); });
    }
    client::FrameReader frames([](Channel channel, std::string_view bytes) {
        return write_out(descriptor_of(channel), bytes);
    });
    return read_all(answer, [&](std::string_view bytes) { return frames.feed(bytes); });
}

Result<void> print_lines(client::Answer& answer, Printer& printer) {
    std::string frame;
    client::FrameReader* reader = nullptr;
    client::FrameReader frames([&](Channel channel, std::string_view piece) -> Result<void> {
        if (frame.size() + piece.size() > frame_bytes_max) {
            return invalid("a line of the logs is too long");
        }
        frame += piece;
        if (!reader->at_border()) { return ok(); }
        return printer.take(channel, std::exchange(frame, {}));
    });
    reader = &frames;
    return read_all(answer, [&](std::string_view bytes) { return frames.feed(bytes); });
}

Result<int> logs(App& app, const Parsed& parsed) {
    TRY_LET(query, query_of(parsed));
    TRY_LET(client, app.client());
    TRY_LET(target, find_target(*client, parsed.words[0]));
    const bool raw = parsed.on("raw");
    if (target.tty && !raw) { return invalid("tty service logs only supported with --raw"); }
    TRY_LET(answer, client->open(client::get(target.path, query)));
    if (raw) {
        TRY(print_raw(*answer, target.tty));
        return 0;
    }
    Printer printer(*client, parsed, target.slot_width);
    TRY(print_lines(*answer, printer));
    return 0;
}

} // namespace

const Command service_logs_command{
    "[OPTIONS] SERVICE|TASK", "Fetch the logs of a service or task", logs_flags, logs, {1, 1}};

} // namespace shoal::cli::swarm
