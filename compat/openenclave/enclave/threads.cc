// Open Enclave's threads and locks: the C library's.
#include <openenclave/internal/thread.h>
#include <sched.h>

#include <cerrno>

namespace {

oe_result_t result_of(int error) {
  switch (error) {
    case 0:
      return OE_OK;
    case EBUSY:
      return OE_BUSY;
    case EPERM:
      return OE_NOT_OWNER;
    case ENOMEM:
    case EAGAIN:
      return OE_OUT_OF_MEMORY;
    default:
      return OE_INVALID_PARAMETER;
  }
}

bool take(oe_spinlock_t* lock) { return __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0; }

}  // namespace

extern "C" {

oe_thread_t oe_thread_self(void) { return static_cast<oe_thread_t>(::pthread_self()); }
bool oe_thread_equal(oe_thread_t thread1, oe_thread_t thread2) { return thread1 == thread2; }
oe_result_t oe_once(oe_once_t* once, void (*func)(void)) {
  return once == nullptr || func == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_once(once, func));
}

oe_result_t oe_spin_init(oe_spinlock_t* spinlock) {
  if (spinlock == nullptr) return OE_INVALID_PARAMETER;
  __atomic_store_n(spinlock, 0, __ATOMIC_RELEASE);
  return OE_OK;
}
oe_result_t oe_spin_lock(oe_spinlock_t* spinlock) {
  if (spinlock == nullptr) return OE_INVALID_PARAMETER;
  constexpr int kPatience = 1000;
  for (int tries = 0; !take(spinlock); ++tries) {
    if (tries < kPatience) {
      __builtin_ia32_pause();
    } else {
      ::sched_yield();
    }
  }
  return OE_OK;
}
oe_result_t oe_spin_trylock(oe_spinlock_t* spinlock) {
  if (spinlock == nullptr) return OE_INVALID_PARAMETER;
  return take(spinlock) ? OE_OK : OE_BUSY;
}
oe_result_t oe_spin_unlock(oe_spinlock_t* spinlock) { return oe_spin_init(spinlock); }
oe_result_t oe_spin_destroy(oe_spinlock_t* spinlock) { return spinlock == nullptr ? OE_INVALID_PARAMETER : OE_OK; }

oe_result_t oe_mutexattr_init(oe_mutexattr_t* attr) {
  if (attr == nullptr) return OE_INVALID_PARAMETER;
  const int error = ::pthread_mutexattr_init(attr);
  return result_of(error != 0 ? error : ::pthread_mutexattr_settype(attr, OE_MUTEX_DEFAULT));
}
oe_result_t oe_mutexattr_settype(oe_mutexattr_t* attr, int type) {
  return attr == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_mutexattr_settype(attr, type));
}
oe_result_t oe_mutex_init(oe_mutex_t* mutex, oe_mutexattr_t* attr) {
  if (mutex == nullptr) return OE_INVALID_PARAMETER;
  oe_mutexattr_t usual;
  if (attr == nullptr) {
    const oe_result_t made = oe_mutexattr_init(&usual);
    if (made != OE_OK) return made;
    attr = &usual;
  }
  return result_of(::pthread_mutex_init(mutex, attr));
}
oe_result_t oe_mutex_lock(oe_mutex_t* mutex) {
  return mutex == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_mutex_lock(mutex));
}
oe_result_t oe_mutex_trylock(oe_mutex_t* mutex) {
  return mutex == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_mutex_trylock(mutex));
}
oe_result_t oe_mutex_unlock(oe_mutex_t* mutex) {
  return mutex == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_mutex_unlock(mutex));
}
oe_result_t oe_mutex_destroy(oe_mutex_t* mutex) {
  return mutex == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_mutex_destroy(mutex));
}

oe_result_t oe_cond_init(oe_cond_t* cond) {
  return cond == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_cond_init(cond, nullptr));
}
oe_result_t oe_cond_wait(oe_cond_t* cond, oe_mutex_t* mutex) {
  return cond == nullptr || mutex == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_cond_wait(cond, mutex));
}
oe_result_t oe_cond_signal(oe_cond_t* cond) {
  return cond == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_cond_signal(cond));
}
oe_result_t oe_cond_broadcast(oe_cond_t* cond) {
  return cond == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_cond_broadcast(cond));
}
oe_result_t oe_cond_destroy(oe_cond_t* cond) {
  return cond == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_cond_destroy(cond));
}

oe_result_t oe_rwlock_init(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_init(rw_lock, nullptr));
}
oe_result_t oe_rwlock_rdlock(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_rdlock(rw_lock));
}
oe_result_t oe_rwlock_tryrdlock(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_tryrdlock(rw_lock));
}
oe_result_t oe_rwlock_wrlock(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_wrlock(rw_lock));
}
oe_result_t oe_rwlock_trywrlock(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_trywrlock(rw_lock));
}
oe_result_t oe_rwlock_unlock(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_unlock(rw_lock));
}
oe_result_t oe_rwlock_destroy(oe_rwlock_t* rw_lock) {
  return rw_lock == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_rwlock_destroy(rw_lock));
}

oe_result_t oe_thread_key_create(oe_thread_key_t* key, void (*destructor)(void* value)) {
  return key == nullptr ? OE_INVALID_PARAMETER : result_of(::pthread_key_create(key, destructor));
}
oe_result_t oe_thread_key_delete(oe_thread_key_t key) { return result_of(::pthread_key_delete(key)); }
oe_result_t oe_thread_setspecific(oe_thread_key_t key, const void* value) {
  return result_of(::pthread_setspecific(key, value));
}
void* oe_thread_getspecific(oe_thread_key_t key) { return ::pthread_getspecific(key); }

}  // extern "C"
