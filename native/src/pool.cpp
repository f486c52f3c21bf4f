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

void count_forks() {
#if !defined(_WIN32)
    static const int counted = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
    static_cast<void>(counted);
#endif
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
    count_forks();
    // Never destroyed: sessions may be closed while the process ends.
    static auto* const mutex = new std::mutex;
    static auto* const lenders = new std::map<int, std::weak_ptr<Lender>>;
    const std::lock_guard<std::mutex> lock(*mutex);
    auto& known = (*lenders)[threads];
    auto lender = known.lock();
    if (!lender) {
        lender = std::make_shared<Lender>(threads);
        lender->forks_ = forks.load();
        known = lender;
    }
    return lender;
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
