#include "net/pool.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <pthread.h>

namespace shoal::net {

namespace {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t stack_bytes = 2 * 1024 * 1024; // instrumented frames are several times larger
#else
constexpr std::size_t stack_bytes = 256 * 1024;
#endif
constexpr auto idle_max = std::chrono::seconds(10);

struct Job {
    std::function<void()> work;
    std::function<void()> done;
};
} // namespace

/// What the workers share with the Pool; it outlives the Pool when workers are left to themselves.
struct Pool::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Job> jobs;
    Loop* loop = nullptr; ///< null when the Pool is gone
    std::size_t threads_max = 0;
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::size_t running = 0;
    bool stopping = false;

    std::optional<Job> next() {
        std::unique_lock lock(mutex);
        ++idle;
        const auto ready = [this] { return stopping || !jobs.empty(); };
        const bool woken = changed.wait_for(lock, idle_max, ready);
        --idle;
        if (!woken || stopping) {
            // In the same breath as the decision to leave, so that submit() never counts on a
            // worker that has left.
            --threads;
            changed.notify_all();
            return std::nullopt;
        }
        Job job = std::move(jobs.front());
        jobs.pop_front();
        ++running;
        return job;
    }

    void finish(std::function<void()> done) {
        const std::lock_guard lock(mutex);
        --running;
        if (loop != nullptr) { loop->post(std::move(done)); }
    }

    void work() {
        while (auto job = next()) {
            job->work();
            job->work = nullptr;
            finish(std::move(job->done));
        }
    }
};

namespace {
using SharedPtr = std::shared_ptr<Pool::Shared>;

void* worker(void* argument) {
    const std::unique_ptr<SharedPtr> shared(static_cast<SharedPtr*>(argument));
    (*shared)->work();
    return nullptr;
}

bool start_thread(const SharedPtr& shared) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    auto argument = std::make_unique<SharedPtr>(shared);
    // Signals are the loop's business: a new thread inherits the mask of its maker, so all are
    // blocked meanwhile.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes, worker, argument.get());
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error == 0) { (void)argument.release(); }
    return error == 0;
}
} // namespace

Pool::Pool(Loop& loop, std::size_t threads_max, AtEnd at_end)
    : loop_(loop), shared_(std::make_shared<Shared>()), at_end_(at_end) {
    ASSERT(threads_max > 0);
    shared_->loop = &loop;
    shared_->threads_max = threads_max;
}

Pool::~Pool() {
    std::deque<Job> dropped; // destroyed after the lock
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->loop = nullptr;
    dropped.swap(shared_->jobs);
    shared_->changed.notify_all();
    if (at_end_ == AtEnd::Join) {
        shared_->changed.wait(lock, [this] { return shared_->threads == 0; });
    }
}

void Pool::submit(std::function<void()> job, std::function<void()> done) {
    const std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back({std::move(job), std::move(done)});
    if (shared_->idle >= shared_->jobs.size() || shared_->threads == shared_->threads_max) {
        shared_->changed.notify_one();
        return;
    }
    ++shared_->threads;
    if (start_thread(shared_)) { return; }
    --shared_->threads;
    // Without a first worker the job would wait for ever; with one it only waits longer.
    ASSERT(shared_->threads > 0);
}

std::size_t Pool::running() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->running;
}

std::size_t Pool::queued() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->jobs.size();
}

} // namespace shoal::net
