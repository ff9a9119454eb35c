// A terminal session with a process in a container: its output to ours, our input to it, window
// size and signals after it, detach keys. Used by run, start, attach and exec.
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
    std::string detach_keys; ///< bytes
};

enum class SessionEnd { OutputEnded, Detached };

/// Owns what the session changes about this process: raw mode, caught signals.
class Session {
  public:
    Session(App& app, client::Client& client, SessionOptions options);
    ~Session();
    /// Starts copying. Raw mode is on from here to the end.
    void begin(client::Client::Hijacked connection);
    /// Until the container closes its output or somebody detaches.
    net::Task<Result<SessionEnd>> end();
    /// Tells the process how large our window is, again after each change. To be called once the
    /// process runs. `resize_path`: "/containers/<id>/resize".
    void follow_window(std::string resize_path);
    /// The same for a process that has drawn its screen already: a change of size makes it draw
    /// again.
    void redraw_window(std::string resize_path);
    /// Catches signals and hands them to the process, when that is wanted. `kill_path`:
    /// "/containers/<id>/kill".
    void follow_signals(std::string kill_path);

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

/// What `run -it` and its like say when standard input is no terminal.
Result<void> check_input_terminal(bool wants_input, bool tty);
struct DetachChoice {
    std::string text;  ///< for the daemon; "" when nobody has chosen
    std::string bytes; ///< what to look for
};
/// The keys of --detach-keys, else of config.json, else the default.
Result<DetachChoice> detach_keys_of(App& app, const Parsed& parsed);
/// Writes everything to one of our own descriptors.
Result<void> write_out(int fd, std::string_view bytes);

} // namespace shoal::cli
