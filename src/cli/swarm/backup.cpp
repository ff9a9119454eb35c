// swarm backup and restore: everything the managers know, encrypted with a passphrase. The
// passphrase comes from the terminal, a file or standard input; never from the words of the
// command, which everybody on the machine can read. Ours: Docker has no such commands.
#include "cli/output_file.h"
#include "cli/session.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"
#include "cli/swarm/input.h"
#include "cli/terminal.h"
#include "cli/upload.h"

#include "base/text.h"
#include "os/fd.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace shoal::cli::swarm {
namespace {

constexpr std::string_view octets = "application/octet-stream";

constexpr Flag passphrase_flags[] = {
    {"passphrase-file", 0, Kind::Text,
     "File with the passphrase in its first line; \"-\" is standard input"},
};

constexpr Flag restore_flags[] = {
    {"advertise-addr", 0, Kind::Text,
     "Address where the other nodes reach this one (host or interface, with or without a port)"},
    {"data-path-addr", 0, Kind::Text, "Address or interface for the traffic of services"},
    {"listen-addr", 0, Kind::Text, "Address to listen on (default 0.0.0.0:2377)"},
    {"passphrase-file", 0, Kind::Text,
     "File with the passphrase in its first line; \"-\" is standard input"},
};

/// Twice on a terminal when it is a new one: a wrong letter would make the backup worthless.
enum class Passphrase { New, Known };
Result<std::string> passphrase_of(App& app, const Parsed& parsed, Passphrase kind) {
    std::string passphrase;
    if (const auto file = parsed.text("passphrase-file"); !file.empty()) {
        TRY_LET(line, read_first_line(file));
        passphrase = line;
    } else if (is_terminal(STDIN_FILENO)) {
        TRY_LET(first, read_key(app, "Passphrase: "));
        if (kind == Passphrase::New) {
            TRY_LET(again, read_key(app, "Again: "));
            if (first != again) { return invalid("the passphrases differ"); }
        }
        passphrase = first;
    } else {
        return invalid("a passphrase is needed: standard input is no terminal, use "
                       "--passphrase-file (\"-\" for standard input)");
    }
    if (passphrase.empty()) { return invalid("the passphrase is empty"); }
    return passphrase;
}

// --- backup ---

Result<int> backup(App& app, const Parsed& parsed) {
    const std::string& path = parsed.words[0];
    if (path == "-" && is_terminal(STDOUT_FILENO)) {
        return invalid("a backup is not for a terminal: name a file, or redirect");
    }
    TRY_LET(passphrase, passphrase_of(app, parsed, Passphrase::New));
    TRY_LET(client, app.client());
    const auto request = client::post("/shoal/swarm/backup", {}, Json{{"Passphrase", passphrase}});
    if (path == "-") {
        TRY(download(*client, request,
                     [](std::string_view bytes) { return write_out(STDOUT_FILENO, bytes); }));
        return 0;
    }
    TRY_LET(file, OutputFile::create(path));
    TRY(download(*client, request, [&file](std::string_view bytes) { return file.write(bytes); }));
    TRY(file.finish());
    app.line("Swarm backed up to " + path + ".");
    return 0;
}

// --- restore ---

Result<int> restore(App& app, const Parsed& parsed) {
    const std::string& path = parsed.words[0];
    if (path == "-" && parsed.text("passphrase-file") == "-") {
        return invalid("backup and passphrase cannot both come from standard input");
    }
    const os::Fd file(path == "-" ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && path != "-") { return go_error("open " + path, os_error("open", errno)); }
    TRY_LET(passphrase, passphrase_of(app, parsed, Passphrase::Known));
    TRY_LET(client, app.client());
    net::Query places;
    for (const char* name : {"advertise-addr", "data-path-addr", "listen-addr"}) {
        if (auto text = parsed.text(name); !text.empty()) { places.emplace_back(name, text); }
    }
    client::Request request = client::post("/shoal/swarm/restore", places);
    request.content_type = octets;
    request.headers.set("X-Shoal-Passphrase", base64url(passphrase));
    TRY(upload(*client, request, path == "-" ? STDIN_FILENO : file.raw(),
               [](std::string_view) { return ok(); }));
    app.line("Swarm restored; this node is its only manager.");
    return 0;
}

} // namespace

const Command backup_command{"[OPTIONS] FILE|-",
                             "Write everything the swarm knows to a file, encrypted",
                             passphrase_flags,
                             backup,
                             {1, 1}};
const Command restore_command{"[OPTIONS] FILE|-",
                              "Make the swarm of a backup again on this node",
                              restore_flags,
                              restore,
                              {1, 1}};

} // namespace shoal::cli::swarm
