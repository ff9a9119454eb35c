#include "net/scope.h"

#include "net/sleep.h"

#include <cstdio>
#include <cstdlib>

namespace shoal::net {

struct TaskScope::Node {
    TaskScope* scope = nullptr;
    std::coroutine_handle<> handle;
    Node* previous = nullptr;
    Node* next = nullptr;

    static Node* add(TaskScope& scope);
    static void remove(Node* node); ///< also destroys the coroutine
};

TaskScope::Node* TaskScope::Node::add(TaskScope& scope) {
    auto* const node = new Node{&scope, {}, nullptr, scope.first_};
    if (scope.first_ != nullptr) { scope.first_->previous = node; }
    scope.first_ = node;
    ++scope.size_;
    return node;
}

void TaskScope::Node::remove(Node* node) {
    TaskScope& scope = *node->scope;
    (node->previous ? node->previous->next : scope.first_) = node->next;
    if (node->next != nullptr) { node->next->previous = node->previous; }
    node->handle.destroy();
    delete node;
    if (--scope.size_ == 0) { scope.idle_.raise(); }
}

namespace {

[[noreturn]] void abort_with(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "an exception left a task: %s\n", error.what());
    } catch (...) { std::fprintf(stderr, "an exception left a task\n"); }
    std::abort();
}

/// The coroutine around a spawned task. It owns the task; the scope's node owns its frame.
struct Runner {
    struct Ended {
        TaskScope::Node* node;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const noexcept {
            TaskScope::Node::remove(node);
        }
        void await_resume() const noexcept {}
    };
    struct promise_type {
        Runner get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        Ended final_suspend() const noexcept { return {node}; }
        void return_void() const {}
        void unhandled_exception() const noexcept { abort_with(std::current_exception()); }
        TaskScope::Node* node = nullptr;
    };
    std::coroutine_handle<promise_type> handle;
};

Runner run_spawned(Loop& loop, Task<void> task) {
    co_await yield(loop);
    co_await std::move(task);
}

} // namespace

TaskScope::~TaskScope() { destroy_all(); }

void TaskScope::destroy_all() {
    while (first_ != nullptr) { Node::remove(first_); }
}

void TaskScope::spawn(Task<void> task) {
    Node* const node = Node::add(*this);
    const Runner runner = run_spawned(*loop_, std::move(task));
    runner.handle.promise().node = node;
    node->handle = runner.handle;
    runner.handle.resume(); // as far as yield(): the task itself starts with the next turn
}

Task<void> TaskScope::close() {
    cancel_.cancel();
    Until never;
    co_await drain(never);
}

Task<Wake> TaskScope::drain(Until until) {
    while (size_ > 0) {
        const Wake wake = co_await idle_.wait(until);
        if (wake != Wake::Raised) { co_return wake; }
    }
    co_return Wake::Raised;
}

} // namespace shoal::net
