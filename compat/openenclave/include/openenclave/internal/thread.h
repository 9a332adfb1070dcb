// Threads, locks and thread-local storage under Open Enclave's names; inside. pthread.h and <thread> are the same
// things.
#ifndef _OE_INCLUDE_THREAD_H
#define _OE_INCLUDE_THREAD_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>
#include <pthread.h>
#ifdef __cplusplus
#include <atomic>  // programs count on libc++'s <mutex> having it
#endif

OE_EXTERNC_BEGIN

typedef uint64_t oe_thread_t;
typedef pthread_attr_t oe_thread_attr_t;
typedef pthread_once_t oe_once_t;
typedef volatile uint32_t oe_spinlock_t;
typedef pthread_mutex_t oe_mutex_t;  // recursive unless its attribute says otherwise
typedef pthread_mutexattr_t oe_mutexattr_t;
typedef pthread_cond_t oe_cond_t;
typedef pthread_rwlock_t oe_rwlock_t;
typedef uint32_t oe_thread_key_t;

#define OE_MUTEX_NORMAL PTHREAD_MUTEX_NORMAL
#define OE_MUTEX_RECURSIVE PTHREAD_MUTEX_RECURSIVE
#define OE_MUTEX_ERRORCHECK PTHREAD_MUTEX_ERRORCHECK
#define OE_MUTEX_DEFAULT OE_MUTEX_RECURSIVE
#define OE_ONCE_INIT PTHREAD_ONCE_INIT
#define OE_ONCE_INITIALIZER PTHREAD_ONCE_INIT
#define OE_SPINLOCK_INITIALIZER 0
#define OE_MUTEX_INITIALIZER                            \
  {                                                     \
    {                                                   \
      0, 0, 0, 0, PTHREAD_MUTEX_RECURSIVE, 0, 0, {0, 0} \
    }                                                   \
  }
#define OE_MUTEX_INITIALIZER_NORMAL PTHREAD_MUTEX_INITIALIZER
#define OE_COND_INITIALIZER PTHREAD_COND_INITIALIZER
#define OE_RWLOCK_INITIALIZER PTHREAD_RWLOCK_INITIALIZER
#define OE_THREADKEY_INITIALIZER 0

oe_thread_t oe_thread_self(void);
bool oe_thread_equal(oe_thread_t thread1, oe_thread_t thread2);
oe_result_t oe_once(oe_once_t* once, void (*func)(void));

// OE_BUSY: taken (trylock). OE_NOT_OWNER: unlocked by another. OE_INVALID_PARAMETER.
oe_result_t oe_spin_init(oe_spinlock_t* spinlock);
oe_result_t oe_spin_lock(oe_spinlock_t* spinlock);
oe_result_t oe_spin_trylock(oe_spinlock_t* spinlock);
oe_result_t oe_spin_unlock(oe_spinlock_t* spinlock);
oe_result_t oe_spin_destroy(oe_spinlock_t* spinlock);
oe_result_t oe_mutexattr_init(oe_mutexattr_t* attr);
oe_result_t oe_mutexattr_settype(oe_mutexattr_t* attr, int type);
oe_result_t oe_mutex_init(oe_mutex_t* mutex, oe_mutexattr_t* attr);
oe_result_t oe_mutex_lock(oe_mutex_t* mutex);
oe_result_t oe_mutex_trylock(oe_mutex_t* mutex);
oe_result_t oe_mutex_unlock(oe_mutex_t* mutex);
oe_result_t oe_mutex_destroy(oe_mutex_t* mutex);
oe_result_t oe_cond_init(oe_cond_t* cond);
oe_result_t oe_cond_wait(oe_cond_t* cond, oe_mutex_t* mutex);
oe_result_t oe_cond_signal(oe_cond_t* cond);
oe_result_t oe_cond_broadcast(oe_cond_t* cond);
oe_result_t oe_cond_destroy(oe_cond_t* cond);
oe_result_t oe_rwlock_init(oe_rwlock_t* rw_lock);
oe_result_t oe_rwlock_rdlock(oe_rwlock_t* rw_lock);
oe_result_t oe_rwlock_tryrdlock(oe_rwlock_t* rw_lock);
oe_result_t oe_rwlock_wrlock(oe_rwlock_t* rw_lock);
oe_result_t oe_rwlock_trywrlock(oe_rwlock_t* rw_lock);
oe_result_t oe_rwlock_unlock(oe_rwlock_t* rw_lock);
oe_result_t oe_rwlock_destroy(oe_rwlock_t* rw_lock);

oe_result_t oe_thread_key_create(oe_thread_key_t* key, void (*destructor)(void* value));
oe_result_t oe_thread_key_delete(oe_thread_key_t key);
oe_result_t oe_thread_setspecific(oe_thread_key_t key, const void* value);
void* oe_thread_getspecific(oe_thread_key_t key);

OE_EXTERNC_END

#endif
