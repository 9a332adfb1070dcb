// <sgx_thread.h>: over futexes, which the enclave kernel serves inside. The structures' members are used as the
// comments below say; their initialisers are the SDK's.
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>

#include "compat/sgxsdk/include/sgx_thread.h"

namespace {

using Word = volatile std::uint32_t;

void sleep_while(Word* word, std::uint32_t value) {
  ::syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake(Word* word, int count) { ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0); }

// A lock in one word: 0 free, 1 taken, 2 taken and waited for.
bool try_lock(Word* word) {
  std::uint32_t expected = 0;
  return __atomic_compare_exchange_n(word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}
void lock(Word* word) {
  if (try_lock(word)) return;
  while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0) sleep_while(word, 2);
}
void unlock(Word* word) {
  if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2) wake(word, 1);
}

class Guard {
 public:
  explicit Guard(Word* word) : word_(word) { lock(word_); }
  ~Guard() { unlock(word_); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  Word* word_;
};

sgx_thread_t owner_of(const sgx_thread_t& place) { return __atomic_load_n(&place, __ATOMIC_RELAXED); }
void set_owner(sgx_thread_t& place, sgx_thread_t owner) { __atomic_store_n(&place, owner, __ATOMIC_RELAXED); }

bool known(const sgx_thread_mutex_t* mutex) {
  return mutex != nullptr &&
         (mutex->m_control == SGX_THREAD_MUTEX_NONRECURSIVE || mutex->m_control == SGX_THREAD_MUTEX_RECURSIVE);
}

// A mutex that the caller has already: 0 where it may have it again.
int lock_again(sgx_thread_mutex_t* mutex, int otherwise) {
  if (mutex->m_control != SGX_THREAD_MUTEX_RECURSIVE) return otherwise;
  ++mutex->m_refcount;
  return 0;
}

// Readers-writer locks: m_lock guards the rest; m_reader_queue.m_first counts changes, and is what is slept on.
Word* changes(sgx_thread_rwlock_t* rwlock) { return reinterpret_cast<Word*>(&rwlock->m_reader_queue.m_first); }

template <class Free>
void wait_until(sgx_thread_rwlock_t* rwlock, Free is_free) {
  while (!is_free()) {
    const std::uint32_t seen = *changes(rwlock);
    unlock(&rwlock->m_lock);
    sleep_while(changes(rwlock), seen);
    lock(&rwlock->m_lock);
  }
}
void announce(sgx_thread_rwlock_t* rwlock) {
  __atomic_fetch_add(changes(rwlock), 1, __ATOMIC_RELEASE);
  wake(changes(rwlock), INT_MAX);
}

// Condition variables: m_lock counts signals, m_queue.m_first who waits.
std::size_t waiting(const sgx_thread_cond_t* cond) { return __atomic_load_n(&cond->m_queue.m_first, __ATOMIC_ACQUIRE); }

int signal(sgx_thread_cond_t* cond, int count) {
  if (cond == nullptr) return EINVAL;
  __atomic_fetch_add(&cond->m_lock, 1, __ATOMIC_RELEASE);
  if (waiting(cond) != 0) wake(&cond->m_lock, count);
  return 0;
}

}  // namespace

extern "C" {

sgx_thread_t sgx_thread_self(void) { return static_cast<sgx_thread_t>(::pthread_self()); }
int sgx_thread_equal(sgx_thread_t a, sgx_thread_t b) { return a == b ? 1 : 0; }

int sgx_thread_mutex_init(sgx_thread_mutex_t* mutex, const sgx_thread_mutexattr_t*) {
  if (mutex == nullptr) return EINVAL;
  *mutex = SGX_THREAD_MUTEX_INITIALIZER;
  return 0;
}
int sgx_thread_mutex_destroy(sgx_thread_mutex_t* mutex) {
  if (!known(mutex)) return EINVAL;
  if (owner_of(mutex->m_owner) != SGX_THREAD_T_NULL) return EBUSY;
  mutex->m_control = 0;
  return 0;
}
int sgx_thread_mutex_lock(sgx_thread_mutex_t* mutex) {
  if (!known(mutex)) return EINVAL;
  if (owner_of(mutex->m_owner) == sgx_thread_self()) return lock_again(mutex, EDEADLK);
  lock(&mutex->m_lock);
  set_owner(mutex->m_owner, sgx_thread_self());
  mutex->m_refcount = 1;
  return 0;
}
int sgx_thread_mutex_trylock(sgx_thread_mutex_t* mutex) {
  if (!known(mutex)) return EINVAL;
  if (owner_of(mutex->m_owner) == sgx_thread_self()) return lock_again(mutex, EBUSY);
  if (!try_lock(&mutex->m_lock)) return EBUSY;
  set_owner(mutex->m_owner, sgx_thread_self());
  mutex->m_refcount = 1;
  return 0;
}
int sgx_thread_mutex_unlock(sgx_thread_mutex_t* mutex) {
  if (!known(mutex)) return EINVAL;
  if (owner_of(mutex->m_owner) != sgx_thread_self()) return EPERM;
  if (--mutex->m_refcount != 0) return 0;
  set_owner(mutex->m_owner, SGX_THREAD_T_NULL);
  unlock(&mutex->m_lock);
  return 0;
}

int sgx_thread_rwlock_init(sgx_thread_rwlock_t* rwlock, const sgx_thread_rwlockattr_t*) {
  if (rwlock == nullptr) return EINVAL;
  *rwlock = SGX_THREAD_LOCK_INITIALIZER;
  return 0;
}
int sgx_thread_rwlock_destroy(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  const bool used =
      rwlock->m_owner != SGX_THREAD_T_NULL || rwlock->m_reader_count != 0 || rwlock->m_writers_waiting != 0;
  return used ? EBUSY : 0;
}
int sgx_thread_rwlock_rdlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  if (rwlock->m_owner == sgx_thread_self()) return EDEADLK;
  wait_until(rwlock, [&] { return rwlock->m_owner == SGX_THREAD_T_NULL && rwlock->m_writers_waiting == 0; });
  ++rwlock->m_reader_count;
  return 0;
}
int sgx_thread_rwlock_tryrdlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  if (rwlock->m_owner != SGX_THREAD_T_NULL || rwlock->m_writers_waiting != 0) return EBUSY;
  ++rwlock->m_reader_count;
  return 0;
}
int sgx_thread_rwlock_wrlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  if (rwlock->m_owner == sgx_thread_self()) return EDEADLK;
  ++rwlock->m_writers_waiting;
  wait_until(rwlock, [&] { return rwlock->m_owner == SGX_THREAD_T_NULL && rwlock->m_reader_count == 0; });
  --rwlock->m_writers_waiting;
  rwlock->m_owner = sgx_thread_self();
  return 0;
}
int sgx_thread_rwlock_trywrlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  if (rwlock->m_owner != SGX_THREAD_T_NULL || rwlock->m_reader_count != 0) return EBUSY;
  rwlock->m_owner = sgx_thread_self();
  return 0;
}
int sgx_thread_rwlock_rdunlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  if (rwlock->m_reader_count == 0) return EPERM;
  if (--rwlock->m_reader_count == 0) announce(rwlock);
  return 0;
}
int sgx_thread_rwlock_wrunlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  const Guard guard(&rwlock->m_lock);
  if (rwlock->m_owner != sgx_thread_self()) return EPERM;
  rwlock->m_owner = SGX_THREAD_T_NULL;
  announce(rwlock);
  return 0;
}
int sgx_thread_rwlock_unlock(sgx_thread_rwlock_t* rwlock) {
  if (rwlock == nullptr) return EINVAL;
  lock(&rwlock->m_lock);
  const bool mine = rwlock->m_owner == sgx_thread_self();
  unlock(&rwlock->m_lock);
  return mine ? sgx_thread_rwlock_wrunlock(rwlock) : sgx_thread_rwlock_rdunlock(rwlock);
}

int sgx_thread_cond_init(sgx_thread_cond_t* cond, const sgx_thread_condattr_t*) {
  if (cond == nullptr) return EINVAL;
  *cond = SGX_THREAD_COND_INITIALIZER;
  return 0;
}
int sgx_thread_cond_destroy(sgx_thread_cond_t* cond) {
  if (cond == nullptr) return EINVAL;
  return waiting(cond) != 0 ? EBUSY : 0;
}
int sgx_thread_cond_wait(sgx_thread_cond_t* cond, sgx_thread_mutex_t* mutex) {
  if (cond == nullptr || !known(mutex)) return EINVAL;
  if (owner_of(mutex->m_owner) != sgx_thread_self()) return EPERM;
  const std::uint32_t seen = __atomic_load_n(&cond->m_lock, __ATOMIC_ACQUIRE);
  __atomic_fetch_add(&cond->m_queue.m_first, 1, __ATOMIC_ACQ_REL);
  const std::size_t depth = mutex->m_refcount;  // a recursive mutex is given up wholly, and had again as deep
  mutex->m_refcount = 1;
  sgx_thread_mutex_unlock(mutex);
  sleep_while(&cond->m_lock, seen);
  __atomic_fetch_sub(&cond->m_queue.m_first, 1, __ATOMIC_ACQ_REL);
  const int locked = sgx_thread_mutex_lock(mutex);
  mutex->m_refcount = depth;
  return locked;
}
int sgx_thread_cond_signal(sgx_thread_cond_t* cond) { return signal(cond, 1); }
int sgx_thread_cond_broadcast(sgx_thread_cond_t* cond) { return signal(cond, INT_MAX); }

}  // extern "C"
