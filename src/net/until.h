// Until says when a wait gives up: at a deadline, or when a Cancel fires. Every wait takes one.
// Cancel is a flag with callbacks that belongs to the loop's thread; it is not thread safe and
// cannot be taken back.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <functional>

namespace shoal::net {

class Cancel {
  public:
    Cancel() = default;
    /// Fires when `parent` fires (at once if it has fired).
    explicit Cancel(Cancel& parent) { follow(parent); }
    ~Cancel();
    Cancel(const Cancel&) = delete;
    Cancel& operator=(const Cancel&) = delete;

    /// Calls every registered function once, in order of registration.
    void cancel();
    bool cancelled() const { return cancelled_; }

    /// Unregisters when destroyed; may outlive the Cancel.
    class Registration {
      public:
        Registration() = default;
        Registration(Cancel& cancel, std::function<void()> call);
        ~Registration() { reset(); }
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;
        /// Calls `call` at once, before returning, when `cancel` has fired already.
        void set(Cancel& cancel, std::function<void()> call);
        void reset();

      private:
        friend class Cancel;
        Cancel* cancel_ = nullptr;
        Registration* previous_ = nullptr;
        Registration* next_ = nullptr;
        std::function<void()> call_;
    };
    [[nodiscard]] Registration on_cancel(std::function<void()> call) {
        return Registration(*this, std::move(call));
    }
    /// From now on this one also fires when `other` fires. It follows at most two others.
    void follow(Cancel& other);

  private:
    Registration* first_ = nullptr;
    Registration* last_ = nullptr;
    bool cancelled_ = false;
    Registration parents_[2];
};

/// Why a wait ended.
enum class Wake { Raised, Timeout, Cancelled };

struct Until {
    Deadline deadline;
    Cancel* cancel = nullptr;

    Until() = default; ///< never gives up
    Until(Deadline at) : deadline(at) {}
    Until(Cancel& token) : cancel(&token) {}
    Until(Deadline at, Cancel& token) : deadline(at), cancel(&token) {}
    Until(Deadline at, Cancel* token) : deadline(at), cancel(token) {}
    bool cancelled() const { return cancel != nullptr && cancel->cancelled(); }
    /// The same token with the earlier of both deadlines.
    Until no_later_than(Deadline at) const {
        return {at.at() < deadline.at() ? at : deadline, cancel};
    }
};

/// Raised is success; Timeout and Cancelled become errors that name `what`: "read the answer: timed
/// out".
Result<void> to_result(Wake wake, std::string_view what);

} // namespace shoal::net
