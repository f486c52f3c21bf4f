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

// Waits for what another thread has begun and ends soon: spins, then lets others run.
class Patience {
public:
    void wait();

private:
    int waited_ = 0;
};

// A team of threads; who calls `run` is thread 0. The others help if they come in time: `work` must
// get everything done though only thread 0 should ever run, so that a busy machine, where the others
// have to wait for a core, is at worst as slow as one thread.
class Pool {
public:
    using Work = void (*)(void* context, int thread);

    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int threads() const { return threads_; }
    // Calls `work` in this thread, and in as many of the others as come before it is over; returns
    // when none of them is in it any more. It must not throw.
    void run(Work work, void* context);

private:
    static constexpr uint32_t open = 1u << 31;

    void serve(int thread);
    bool enter();

    const int threads_;
    Work work_ = nullptr;
    void* context_ = nullptr;
    Signal start_;
    std::atomic<bool> over_{false};
    std::atomic<uint32_t> gate_{0};  // whether helpers may enter, and how many are inside
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
    static void before_fork();
    static void after_fork();
    static void in_child();

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
