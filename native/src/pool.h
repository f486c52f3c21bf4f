// Threads of our own: as many as were asked for, pinned to no core.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace onlooker {

// A number that threads wait to see changed: a short while spinning, then asleep.
class Signal {
public:
    uint32_t value() const { return value_.load(std::memory_order_acquire); }
    void advance();
    // Returns once the value is another than `seen`.
    void wait(uint32_t seen);

private:
    std::atomic<uint32_t> value_{0};
    std::atomic<int> sleepers_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
};

// A team of threads; who calls `run` is thread 0.
class Pool {
public:
    using Work = void (*)(void* context, int thread);

    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int threads() const { return threads_; }
    // Calls `work` once in each thread, and returns when all have returned. It must not throw.
    void run(Work work, void* context);
    // Returns once every thread of the team has come here; within `work`.
    void barrier();

private:
    void serve(int thread);

    const int threads_;
    Work work_ = nullptr;  // null at the start signal: the end
    void* context_ = nullptr;
    Signal start_, passed_;
    std::atomic<int> arrived_{0};
    std::vector<std::thread> workers_;
};

// Teams of one size, lent for the length of a call: as many as there are calls at the same time.
// Whoever wants to run holds the lender; with its last holder its threads end.
class Lender {
public:
    static std::shared_ptr<Lender> of(int threads);

    explicit Lender(int threads) : threads_(threads) {}
    ~Lender();

    int threads() const { return threads_; }

    // A team, given back on destruction.
    class Loan {
    public:
        explicit Loan(Lender& lender) : lender_(lender), pool_(lender.take()) {}
        ~Loan() { lender_.give_back(pool_); }
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;
        Pool& operator*() const { return *pool_; }

    private:
        Lender& lender_;
        Pool* pool_;
    };

private:
    Pool* take();
    void give_back(Pool* pool);
    // Forgets the teams of a process that this one was forked from: their threads are not here.
    void forget_strangers();

    const int threads_;
    std::mutex mutex_;
    std::vector<Pool*> idle_;
    unsigned forks_ = 0;
};

}  // namespace onlooker
