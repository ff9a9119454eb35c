// Fd owns a file descriptor and closes it once. Raw descriptor numbers exist only inside os/, net/
// and the shim.
#pragma once

#include "base/result.h"

#include <string>
#include <utility>

namespace shoal::os {

class Fd {
  public:
    Fd() = default;
    explicit Fd(int raw) : raw_(raw) {}
    Fd(Fd&& other) noexcept : raw_(std::exchange(other.raw_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            raw_ = std::exchange(other.raw_, -1);
        }
        return *this;
    }
    ~Fd() { reset(); }

    explicit operator bool() const { return raw_ >= 0; }
    int raw() const { return raw_; }
    int release() { return std::exchange(raw_, -1); }
    void reset();
    /// A second descriptor of the same open file, close-on-exec.
    Result<Fd> duplicate() const;

  private:
    int raw_ = -1;
};

} // namespace shoal::os
