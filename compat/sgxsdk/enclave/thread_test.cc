#include <gtest/gtest.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "compat/sgxsdk/include/sgx_thread.h"

namespace {

TEST(Mutex, ExcludesOthers) {
  sgx_thread_mutex_t mutex = SGX_THREAD_MUTEX_INITIALIZER;
  long count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20000; ++n) {
        ASSERT_EQ(sgx_thread_mutex_lock(&mutex), 0);
        ++count;
        ASSERT_EQ(sgx_thread_mutex_unlock(&mutex), 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 80000);
}

TEST(Mutex, KnowsItsOwner) {
  sgx_thread_mutex_t plain = SGX_THREAD_MUTEX_INITIALIZER, recursive = SGX_THREAD_RECURSIVE_MUTEX_INITIALIZER;
  ASSERT_EQ(sgx_thread_mutex_lock(&plain), 0);
  EXPECT_EQ(sgx_thread_mutex_lock(&plain), EDEADLK);
  std::thread([&] {
    EXPECT_EQ(sgx_thread_mutex_trylock(&plain), EBUSY);
    EXPECT_EQ(sgx_thread_mutex_unlock(&plain), EPERM);
  }).join();
  EXPECT_EQ(sgx_thread_mutex_destroy(&plain), EBUSY);
  EXPECT_EQ(sgx_thread_mutex_unlock(&plain), 0);
  EXPECT_EQ(sgx_thread_mutex_unlock(&plain), EPERM);
  EXPECT_EQ(sgx_thread_mutex_destroy(&plain), 0);
  EXPECT_EQ(sgx_thread_mutex_lock(&plain), EINVAL);

  ASSERT_EQ(sgx_thread_mutex_lock(&recursive), 0);
  ASSERT_EQ(sgx_thread_mutex_trylock(&recursive), 0);
  EXPECT_EQ(sgx_thread_mutex_unlock(&recursive), 0);
  std::thread([&] { EXPECT_EQ(sgx_thread_mutex_trylock(&recursive), EBUSY); }).join();
  EXPECT_EQ(sgx_thread_mutex_unlock(&recursive), 0);
}

TEST(Condition, WakesOneAndAll) {
  sgx_thread_mutex_t mutex = SGX_THREAD_RECURSIVE_MUTEX_INITIALIZER;
  sgx_thread_cond_t condition = SGX_THREAD_COND_INITIALIZER;
  int turn = 0, woken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      sgx_thread_mutex_lock(&mutex);
      sgx_thread_mutex_lock(&mutex);  // given up wholly while it waits
      while (turn == 0) EXPECT_EQ(sgx_thread_cond_wait(&condition, &mutex), 0);
      ++woken;
      EXPECT_EQ(sgx_thread_mutex_unlock(&mutex), 0);
      EXPECT_EQ(sgx_thread_mutex_unlock(&mutex), 0);
    });
  }
  sgx_thread_mutex_lock(&mutex);
  turn = 1;
  EXPECT_EQ(sgx_thread_cond_broadcast(&condition), 0);
  sgx_thread_mutex_unlock(&mutex);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(woken, 3);
  EXPECT_EQ(sgx_thread_cond_wait(&condition, &mutex), EPERM) << "the mutex is not the caller's";
  EXPECT_EQ(sgx_thread_cond_destroy(&condition), 0);
}

TEST(ReadersWriterLock, ManyReadersOrOneWriter) {
  sgx_thread_rwlock_t lock = SGX_THREAD_LOCK_INITIALIZER;
  ASSERT_EQ(sgx_thread_rwlock_rdlock(&lock), 0);
  ASSERT_EQ(sgx_thread_rwlock_tryrdlock(&lock), 0);
  EXPECT_EQ(sgx_thread_rwlock_trywrlock(&lock), EBUSY);
  EXPECT_EQ(sgx_thread_rwlock_destroy(&lock), EBUSY);
  EXPECT_EQ(sgx_thread_rwlock_unlock(&lock), 0);
  EXPECT_EQ(sgx_thread_rwlock_rdunlock(&lock), 0);
  EXPECT_EQ(sgx_thread_rwlock_rdunlock(&lock), EPERM);
  ASSERT_EQ(sgx_thread_rwlock_wrlock(&lock), 0);
  EXPECT_EQ(sgx_thread_rwlock_tryrdlock(&lock), EBUSY);
  EXPECT_EQ(sgx_thread_rwlock_wrlock(&lock), EDEADLK);
  EXPECT_EQ(sgx_thread_rwlock_unlock(&lock), 0);

  int value = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) {
        sgx_thread_rwlock_wrlock(&lock);
        ++value;
        sgx_thread_rwlock_wrunlock(&lock);
        sgx_thread_rwlock_rdlock(&lock);
        EXPECT_GT(value, 0);
        sgx_thread_rwlock_rdunlock(&lock);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(value, 20000);
  EXPECT_EQ(sgx_thread_rwlock_destroy(&lock), 0);
}

}  // namespace
