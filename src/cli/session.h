// A terminal session with a process in a container: its output to ours, our input to it, window size and signals after it,
// detach keys. Used by run, start, attach and exec.
#pragma once

#include "cli/app.h"
#include "cli/terminal.h"

namespace shoal::cli {

struct SessionOptions {
    bool input = false;
    bool output = true;
    bool errors = true;
    bool tty = false;
    bool proxy_signals = false;
    std::string detach_keys;  ///< bytes
    std::string kill_path;    ///< "/containers/<id>/kill"
    std::string resize_path;  ///< "/containers/<id>/resize"
};

enum class SessionEnd { OutputEnded, Detached };

/// Reads standard input on a thread of its own, because a terminal or file cannot be waited for on the loop without changing it
/// for others. One piece at a time.
class InputPump {
  public:
    explicit InputPump(net::Loop& loop);
    ~InputPump();
    /// The next piece; "" at the end.
    net::Task<Result<std::string>> next(net::Until until);
    struct Shared;

  private:
    std::shared_ptr<Shared> shared_;
};

/// Owns what the session changes about this process: raw mode, caught signals.
class Session {
  public:
    Session(App& app, client::Client& client, SessionOptions options);
    ~Session();
    /// Until the container closes its output or somebody detaches. Raw mode is on from here to the end.
    net::Task<Result<SessionEnd>> run(client::Client::Hijacked connection);
    /// Tells the container how large our window is, again after each change. To be called once the process runs.
    void follow_window();
    /// Catches signals and hands them to the process.
    void follow_signals();

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

/// What `run -it` and its like say when standard input is no terminal.
Result<void> check_input_terminal(bool wants_input, bool tty);
/// The keys of --detach-keys, else of config.json, else the default, checked.
Result<std::string> detach_keys_of(App& app, const Parsed& parsed);
/// Writes everything to one of our own descriptors.
Result<void> write_out(int fd, std::string_view bytes);

} // namespace shoal::cli
