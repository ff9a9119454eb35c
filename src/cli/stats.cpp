// stats: what containers use, as a table that is drawn over again twice a second, or once.
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/stats_row.h"
#include "cli/support.h"

#include "base/text.h"
#include "client/json_stream.h"
#include "net/scope.h"
#include "net/sleep.h"

#include <algorithm>
#include <memory>

namespace shoal::cli {
namespace {

using client::part;

constexpr auto redraw_every = std::chrono::milliseconds(500);
constexpr std::size_t piece_bytes = 32 * 1024;

constexpr Flag stats_flags[] = {
    {"all", 'a', Kind::Bool, "Show all containers, not only running ones"},
    {"format", 0, Kind::Text, format_help},
    {"no-stream", 0, Kind::Bool, "Show the first result only"},
    {"no-trunc", 0, Kind::Bool, "Do not shorten the output"},
};
constexpr std::string_view stats_table =
    "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// One container that is watched.
struct Watched {
    StatsEntry entry;
    std::optional<Error> error;
    bool gone = false;
};

struct Board {
    App& app;
    client::Client& client;
    std::string format;
    bool truncate = true;
    bool stream = true;
    bool all_states = false;
    bool named = false; ///< by the user: then nothing is added
    std::vector<std::shared_ptr<Watched>> watched{};
    net::TaskScope scope; ///< last: its tasks use everything above
};

net::Task<Result<void>> read_samples(Board* board, std::shared_ptr<Watched> watched,
                                     net::Until until) {
    net::Query query;
    query.emplace_back("stream", board->stream ? "1" : "0");
    const std::string container = watched->entry.container;
    client::Request request = client::get("/containers/" + part(container) + "/stats", query);
    CO_TRY_LET(answer, co_await board->client.open_async(std::move(request), until));
    client::JsonStream samples([&](const Json& sample) -> Result<void> {
        watched->entry = read_stats(container, sample);
        return ok();
    });
    std::string buffer(piece_bytes, '\0');
    while (true) {
        CO_TRY_LET(got, co_await answer->exchange().read_some(buffer, until));
        if (got == 0) { co_return ok(); }
        CO_TRY(samples.feed(std::string_view(buffer.data(), got)));
    }
}

net::Task<void> watch(Board* board, std::shared_ptr<Watched> watched) {
    const net::Until until(board->scope.cancel());
    auto done = co_await read_samples(board, watched, until);
    if (!done) { watched->error = done.error(); }
    watched->gone = board->stream;
}

void add(Board& board, const std::string& name) {
    const auto same = [&](const auto& other) {
        return !other->gone && other->entry.container == name;
    };
    if (std::any_of(board.watched.begin(), board.watched.end(), same)) { return; }
    auto watched = std::make_shared<Watched>();
    watched->entry.container = name;
    board.watched.push_back(watched);
    board.scope.spawn(watch(&board, watched));
}

/// Containers that come and go while all are shown.
net::Task<void> follow_events(Board* board) {
    const net::Until until(board->scope.cancel());
    Filters filters;
    filters.add("type", "container");
    net::Query query;
    query.emplace_back("filters", filters.to_json());
    client::Request request = client::get("/events", query);
    auto answer = co_await board->client.open_async(std::move(request), until);
    if (!answer) { co_return; }
    client::JsonStream events([&](const Json& event) -> Result<void> {
        const std::string id = short_id(text_of(event, "id"));
        const std::string action = text_of(event, "Action");
        const bool comes = action == "start" || (board->all_states && action == "create");
        const bool goes = action == "destroy" || (!board->all_states && action == "die");
        if (comes) { add(*board, id); }
        for (const auto& watched : board->watched) {
            watched->gone = watched->gone || (goes && watched->entry.container == id);
        }
        return ok();
    });
    std::string buffer(piece_bytes, '\0');
    while (true) {
        auto got = co_await (*answer)->exchange().read_some(buffer, until);
        if (!got || *got == 0) { co_return; }
        auto taken = events.feed(std::string_view(buffer.data(), *got));
        if (!taken) { co_return; }
    }
}

Result<std::string> page(const Board& board) {
    Listing listing;
    listing.format = board.format;
    listing.headers = stats_headers;
    listing.type_name = stats_row_type;
    for (const auto& watched : board.watched) {
        listing.rows.push_back(stats_row(watched->entry, board.truncate));
    }
    return render(listing);
}

/// The page over the one before: from the top left corner, with what is left of old lines and of
/// the old page wiped out.
std::string over_the_old(const std::string& page) {
    return "\033[H" + replace_all(page, "\n", "\033[K\n") + "\033[J";
}

/// Those that are gone leave the board; an error of one that was named ends the command.
Result<void> sweep(Board& board) {
    for (const auto& watched : board.watched) {
        if (watched->error && watched->error->code != Errc::NotFound && board.stream) {
            return *watched->error;
        }
    }
    std::erase_if(board.watched, [](const auto& watched) { return watched->gone; });
    return ok();
}

/// Until nothing is left to show of what was named.
net::Task<Result<int>> draw(Board* board) {
    while (true) {
        const net::Until pause(Deadline::in(redraw_every));
        co_await net::sleep(board->client.loop(), pause);
        CO_TRY(sweep(*board));
        CO_TRY_LET(text, page(*board));
        board->app.out(over_the_old(text));
        board->app.flush();
        if (board->named && board->watched.empty()) { co_return 0; }
    }
}

net::Task<Result<int>> draw_once(Board* board) {
    const net::Until never;
    co_await board->scope.drain(never);
    std::vector<std::string> errors;
    for (const auto& watched : board->watched) {
        if (watched->error) { errors.push_back(watched->error->message); }
    }
    if (!errors.empty()) { co_return invalid(join(errors, "\n")); }
    CO_TRY_LET(text, page(*board));
    board->app.out(text);
    co_return 0;
}

Result<int> stats(App& app, const Parsed& parsed) {
    TRY_LET(client, app.connected());
    std::vector<std::string> names = parsed.words;
    const bool named = !names.empty();
    if (!named) {
        net::Query query;
        if (parsed.on("all")) { query.emplace_back("all", "1"); }
        TRY_LET(containers, client->json(client::get("/containers/json", query)));
        for (const Json& container : containers) {
            names.push_back(short_id(text_of(container, "Id")));
        }
    }
    Board board{app,
                *client,
                app.format_of(parsed, "statsFormat", stats_table),
                !parsed.on("no-trunc"),
                !parsed.on("no-stream"),
                parsed.on("all"),
                named,
                {},
                net::TaskScope(app.loop())};
    for (const auto& name : names) {
        if (named && board.stream) { // a name that is wrong is said at once
            TRY(client->json(client::get("/containers/" + part(name) + "/json")));
        }
        add(board, name);
    }
    if (!board.stream) { return net::run_task(app.loop(), draw_once(&board)); }
    if (!named) { board.scope.spawn(follow_events(&board)); }
    return net::run_task(app.loop(), draw(&board));
}

} // namespace

const Command stats_command{
    "[OPTIONS] [CONTAINER...]", "Show what containers use, again and again", stats_flags, stats, {},
    "container stats, stats"};

} // namespace shoal::cli
