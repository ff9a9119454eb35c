// Connects a client's raw stream with the program it is attached to: output in frames or as it is,
// input through the detach keys, the client's half-close as the end of the program's input. It
// lives as long as one attachment.
#pragma once

#include "base/detach_keys.h"
#include "engine/containers.h"
#include "net/scope.h"
#include "net/stream.h"

#include <string>
#include <vector>

namespace shoal::api {

/// The bytes of a request's detach keys. Fails: Invalid "Invalid detach keys (x) provided".
Result<std::string> detach_key_bytes(std::string_view text);

class StreamPump {
  public:
    struct Options {
        bool framed = false;
        bool input = false;
        std::string detach_keys; ///< bytes; "" for none
    };
    enum class Ended { Program, Detached, ClientGone };

    StreamPump(net::Loop& loop, net::Stream& client, engine::Attachment& program, Options options);
    /// Returns when the program has ended and all of its output is sent, or the client has left.
    net::Task<Ended> run();

  private:
    net::Task<void> pump_input();
    net::Task<bool> pass_input(std::string_view bytes);
    net::Task<void> watch_client();
    net::Task<void> pump_output();
    void stop(Ended why);

    net::Loop& loop_;
    net::Stream& client_;
    engine::Attachment& program_;
    Options options_;
    DetachFilter filter_;
    std::vector<char> buffer_;
    net::Cancel stop_;
    net::Flag input_ended_;
    Ended ended_ = Ended::Program;
    bool discard_ = false; ///< the program takes nothing more
    net::TaskScope scope_;
};

} // namespace shoal::api
