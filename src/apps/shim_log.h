// Where the monitor sends a container's output besides the attached clients: json-file, local,
// syslog, journald or nowhere. A sink that cannot take a record loses it and counts it; it never
// stops the container for good.
#pragma once

#include "container/log_format.h"
#include "container/shim_protocol.h"

#include <memory>

namespace shoal::shim {

class LogSink {
  public:
    virtual ~LogSink() = default;
    /// Tried once, before the container starts: a log that cannot be written from the beginning is
    /// an error then.
    virtual Result<void> open() { return ok(); }
    virtual void write(const container::LogRecord& record) = 0;
    /// The end of a batch of records: what is buffered goes out.
    virtual void commit() {}
    /// A descriptor to poll for writing, or -1.
    virtual int waiting_fd() const { return -1; }
    virtual void on_writable() {}
    /// True while the container's output should not be read (blocking mode, slow receiver).
    virtual bool full() const { return false; }
    virtual bool pending() const { return false; }
    std::uint64_t dropped() const { return dropped_; }

  protected:
    std::uint64_t dropped_ = 0;
};

/// Never null. Settings that cannot be used give a sink that drops (and counts) everything.
std::unique_ptr<LogSink> make_sink(const container::ShimConfig& config, int pid);

} // namespace shoal::shim
