// logs: what a container has written, and what it goes on to write.
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/upload.h"

#include "client/frames.h"

#include <fmt/format.h>

#include <unistd.h>

namespace shoal::cli {
namespace {

using client::part;

constexpr Flag logs_flags[] = {
    {"details", 0, Kind::Bool, "Show further details given to logs"},
    {"follow", 'f', Kind::Bool, "Go on with what is written from now on"},
    {"since", 0, Kind::Text,
     "Show what was written after this time (\"2013-01-02T13:23:37Z\") or in this span (\"42m\")"},
    {"tail", 'n', Kind::Text, "Show this many lines of the end", "all"},
    {"timestamps", 't', Kind::Bool, "Show the time of every line"},
    {"until", 0, Kind::Text,
     "Show what was written before this time (\"2013-01-02T13:23:37Z\") or span (\"42m\")"},
};

Result<int> logs(App& app, const Parsed& parsed) {
    net::Query query = {{"stdout", "1"}, {"stderr", "1"}};
    TRY(add_moment(query, parsed, "since"));
    TRY(add_moment(query, parsed, "until"));
    if (parsed.on("timestamps")) { query.emplace_back("timestamps", "1"); }
    if (parsed.on("details")) { query.emplace_back("details", "1"); }
    if (parsed.on("follow")) { query.emplace_back("follow", "1"); }
    query.emplace_back("tail", parsed.text("tail", "all"));
    TRY_LET(client, app.client());
    const std::string path = "/containers/" + part(parsed.words[0]);
    TRY_LET(container, client->json(client::get(path + "/json")));
    const client::Request request = client::get(path + "/logs", query);
    if (container["Config"].value("Tty", false)) {
        TRY(download(*client, request,
                     [](std::string_view bytes) { return write_out(STDOUT_FILENO, bytes); }));
        return 0;
    }
    client::FrameReader frames([](client::Channel channel, std::string_view bytes) {
        return write_out(channel == client::Channel::Stderr ? STDERR_FILENO : STDOUT_FILENO, bytes);
    });
    TRY(download(*client, request, [&](std::string_view bytes) { return frames.feed(bytes); }));
    return 0;
}

} // namespace

const Command logs_command{
    "[OPTIONS] CONTAINER", "Fetch the logs of a container", logs_flags, logs, {1, 1},
    "container logs, logs"};

} // namespace shoal::cli
