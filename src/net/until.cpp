#include "net/until.h"

namespace shoal::net {

Cancel::~Cancel() {
    while (first_ != nullptr) { first_->reset(); }
}

void Cancel::cancel() {
    if (cancelled_) { return; }
    cancelled_ = true;
    while (first_ != nullptr) {
        // The call may destroy its own registration, so it runs from here.
        const auto call = std::move(first_->call_);
        first_->reset();
        call();
    }
}

void Cancel::follow(Cancel& other) {
    auto& slot = parents_[0].cancel_ == nullptr ? parents_[0] : parents_[1];
    ASSERT(slot.cancel_ == nullptr);
    slot.set(other, [this] { cancel(); });
}

Cancel::Registration::Registration(Cancel& cancel, std::function<void()> call) {
    set(cancel, std::move(call));
}

void Cancel::Registration::set(Cancel& cancel, std::function<void()> call) {
    reset();
    if (cancel.cancelled()) { return call(); }
    cancel_ = &cancel;
    call_ = std::move(call);
    previous_ = cancel.last_;
    (cancel.last_ ? cancel.last_->next_ : cancel.first_) = this;
    cancel.last_ = this;
}

void Cancel::Registration::reset() {
    if (cancel_ == nullptr) { return; }
    (previous_ ? previous_->next_ : cancel_->first_) = next_;
    (next_ ? next_->previous_ : cancel_->last_) = previous_;
    cancel_ = nullptr;
    previous_ = next_ = nullptr;
    call_ = nullptr;
}

Result<void> to_result(Wake wake, std::string_view what) {
    switch (wake) {
    case Wake::Raised:
        return ok();
    case Wake::Timeout:
        return Error{Errc::Timeout, std::string(what) + ": timed out"};
    case Wake::Cancelled:
        return Error{Errc::Cancelled, std::string(what) + ": cancelled"};
    }
    ASSERT(false);
    return ok();
}

} // namespace shoal::net
