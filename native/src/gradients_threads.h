// Tasks shared out among the threads of a pool.
#ifndef ONLOOKER_GRADIENTS_THREADS_H
#define ONLOOKER_GRADIENTS_THREADS_H

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <mutex>

#include "pool.h"

namespace onlooker {

// A lender for so many threads, held for ever: training calls hundreds of times a second.
inline Lender &kept_lender(int threads) {
    static std::mutex *const mutex = new std::mutex;
    static auto *const kept = new std::map<int, std::shared_ptr<Lender>>;
    const std::lock_guard<std::mutex> lock(*mutex);
    auto &lender = (*kept)[threads];
    if (!lender) lender = Lender::of(threads);
    return *lender;
}

// Runs task(0) … task(tasks - 1), in any order, and returns when all are done.
template <class Task>
void run_tasks(int threads, int tasks, const Task &task) {
    if (threads < 2 || tasks < 2) {
        for (int n = 0; n < tasks; n++) task(n);
        return;
    }
    struct Round {
        const Task &task;
        const int tasks;
        std::atomic<int> next{0};
        std::mutex mutex;
        std::exception_ptr failure;
    } round{task, tasks, {}, {}, {}};
    const Lender::Loan loan(kept_lender(threads));
    (*loan).run(
        [](void *context, int) {
            auto &round = *static_cast<Round *>(context);
            try {
                for (int n; (n = round.next.fetch_add(1)) < round.tasks;) round.task(n);
            } catch (...) {
                const std::lock_guard<std::mutex> lock(round.mutex);
                round.failure = std::current_exception();
            }
        },
        &round);
    if (round.failure) std::rethrow_exception(round.failure);
}

}  // namespace onlooker

#endif
