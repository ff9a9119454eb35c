// Undo: the steps back of a half-done operation, run in reverse unless the operation is kept. Each
// step tolerates being run when its work is already gone; failures are collected, never thrown.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace shoal {

class Undo {
  public:
    Undo() = default;
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    Undo(Undo&& other) noexcept : steps_(std::exchange(other.steps_, {})) {}
    ~Undo() { run(); }

    void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void keep() { steps_.clear(); }
    void run() {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) { (*step)(); }
        steps_.clear();
    }

  private:
    std::vector<std::function<void()>> steps_;
};

} // namespace shoal
