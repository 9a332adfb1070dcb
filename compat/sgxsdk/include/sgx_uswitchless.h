/* Workers for switchless calls: the configuration that sgx_create_enclave_ex() takes. Outside. */
#ifndef COFFER_SGXSDK_SGX_USWITCHLESS_H
#define COFFER_SGXSDK_SGX_USWITCHLESS_H

#include <stdint.h>
#include "sgx_defs.h"
#include "sgx_eid.h"
#include "sgx_error.h"

typedef enum {
  SGX_USWITCHLESS_WORKER_TYPE_UNTRUSTED,
  SGX_USWITCHLESS_WORKER_TYPE_TRUSTED
} sgx_uswitchless_worker_type_t;
typedef enum {
  SGX_USWITCHLESS_WORKER_EVENT_START,
  SGX_USWITCHLESS_WORKER_EVENT_IDLE,
  SGX_USWITCHLESS_WORKER_EVENT_MISS,
  SGX_USWITCHLESS_WORKER_EVENT_EXIT,
  _SGX_USWITCHLESS_WORKER_EVENT_NUM,
} sgx_uswitchless_worker_event_t;
typedef struct {
  uint64_t processed; /* calls that workers served */
  uint64_t missed;    /* calls that went the ordinary way */
} sgx_uswitchless_worker_stats_t;
typedef void (*sgx_uswitchless_worker_callback_t)(sgx_uswitchless_worker_type_t type,
                                                  sgx_uswitchless_worker_event_t event,
                                                  const sgx_uswitchless_worker_stats_t* stats);

#define SL_DEFAULT_FALLBACK_RETRIES 20000
#define SL_DEFAULT_SLEEP_RETRIES 20000
#define SL_DEFUALT_MAX_TASKS_QWORDS 1
#define SL_MAX_TASKS_MAX_QWORDS 8

typedef struct {
  uint64_t switchless_calls_pool_size_qwords; /* 64 calls each; 0: the default */
  uint64_t num_uworkers;                      /* for OCALLs */
  uint64_t num_tworkers;                      /* for ECALLs; each takes a TCS */
  uint64_t retries_before_fallback;
  uint64_t retries_before_sleep;
  sgx_uswitchless_worker_callback_t callback_func[_SGX_USWITCHLESS_WORKER_EVENT_NUM];
} sgx_uswitchless_config_t;
#define SGX_USWITCHLESS_CONFIG_INITIALIZER {0, 1, 1, 0, 0, {0}}

#endif
