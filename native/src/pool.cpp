#include "pool.h"

#include <chrono>
#include <map>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace onlooker {

namespace {

// Waking a sleeping thread takes up to 50 µs: whoever waits for the next call spins that long before
// it sleeps. Longer would burn cores that decoding and other programs need.
constexpr auto spinning = std::chrono::microseconds(60);

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// How often this process was forked from another; a child holds none of its parent's threads.
std::atomic<unsigned> forks{0};

// All lenders by their number of threads. Never destroyed: sessions may be closed while the process
// ends.
struct Registry {
    std::mutex mutex;
    std::map<int, std::weak_ptr<Lender>> lenders;
    std::vector<std::shared_ptr<Lender>> held;  // those that are locked while the process forks
};

Registry& registry() {
    static auto* const all = new Registry;
    return *all;
}

}  // namespace

void Signal::advance() {
    value_.fetch_add(1);
    if (sleepers_.load() > 0) {
        { const std::lock_guard<std::mutex> lock(mutex_); }
        changed_.notify_all();
    }
}

void Signal::wait(uint32_t seen) {
    for (int i = 0; i < 128; ++i) {
        if (value() != seen) return;
        pause();
    }
    const auto until = std::chrono::steady_clock::now() + spinning;
    do {
        for (int i = 0; i < 32; ++i) {
            if (value() != seen) return;
            pause();
        }
    } while (std::chrono::steady_clock::now() < until);
    sleepers_.fetch_add(1);
    {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return value_.load() != seen; });
    }
    sleepers_.fetch_sub(1);
}

void Patience::wait() {
    ++waited_;
    if (waited_ < 4000) {
        pause();
    } else if (waited_ < 4200) {
        std::this_thread::yield();
    } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

Pool::Pool(int threads) : threads_(threads) {
    try {
        for (int thread = 1; thread < threads; ++thread)
            workers_.emplace_back([this, thread] { serve(thread); });
    } catch (...) {
        // No more threads to be had: those that run are sent home.
        over_ = true;
        start_.advance();
        for (auto& worker : workers_) worker.join();
        throw;
    }
}

Pool::~Pool() {
    over_ = true;
    start_.advance();
    for (auto& worker : workers_) worker.join();
}

void Pool::serve(int thread) {
    for (uint32_t seen = 0;;) {
        start_.wait(seen);
        seen = start_.value();
        if (over_) return;
        if (!enter()) continue;
        work_(context_, thread);
        gate_.fetch_sub(1);
    }
}

bool Pool::enter() {
    uint32_t at = gate_.load();
    while (at & open)
        if (gate_.compare_exchange_weak(at, at + 1)) return true;
    return false;
}

void Pool::run(Work work, void* context) {
    if (threads_ == 1) {
        work(context, 0);
        return;
    }
    work_ = work;
    context_ = context;
    gate_.store(open);
    start_.advance();
    work(context, 0);
    gate_.fetch_and(~open);
    for (Patience patience; gate_.load() != 0;) patience.wait();
}

std::shared_ptr<Lender> Lender::of(int threads) {
#if !defined(_WIN32)
    static const int watched = pthread_atfork(before_fork, after_fork, in_child);
    static_cast<void>(watched);
#endif
    auto& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    auto& known = all.lenders[threads];
    auto lender = known.lock();
    if (!lender) {
        lender = std::make_shared<Lender>(threads);
        lender->forks_ = forks.load();
        known = lender;
    }
    return lender;
}

// A lock that another thread holds at a fork would stay locked in the child for ever: whoever forks
// takes them all first.
void Lender::before_fork() {
    auto& all = registry();
    all.mutex.lock();
    for (auto& [threads, known] : all.lenders)
        if (auto lender = known.lock()) {
            lender->mutex_.lock();
            all.held.push_back(std::move(lender));
        }
}

void Lender::after_fork() {
    auto& all = registry();
    const auto held = std::move(all.held);  // may be the last holder: ends them after the unlocking
    all.held.clear();
    for (const auto& lender : held) lender->mutex_.unlock();
    all.mutex.unlock();
}

void Lender::in_child() {
    forks.fetch_add(1);
    after_fork();
}

Lender::~Lender() {
    forget_strangers();
    for (Pool* pool : idle_) delete pool;
}

void Lender::forget_strangers() {
    if (forks_ == forks.load()) return;
    idle_.clear();
    forks_ = forks.load();
}

Pool* Lender::take() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        forget_strangers();
        if (!idle_.empty()) {
            Pool* pool = idle_.back();
            idle_.pop_back();
            return pool;
        }
        // So that giving back allocates nothing.
        idle_.reserve(idle_.capacity() + 1);
    }
    return new Pool(threads_);
}

void Lender::give_back(Pool* pool) {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(pool);
}

}  // namespace onlooker
