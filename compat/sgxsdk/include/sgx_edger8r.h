/* What the code that sgx_edger8r generates calls, on both sides of an enclave's border. C and C++.
 *
 * Programs call sgx_ocalloc() and sgx_ocfree() at most; the rest is between the generated code and the two libraries:
 * libsgx_urts implements the first half, libsgx_trts the second. docs/design/edl.md shows generated code that uses it.
 *
 * A call is two blocks of bytes: one goes in, one comes back. Each begins with the call's marshalling structure; after
 * it come the buffers, at multiples of 64. Both blocks are aligned to 16 at least.
 */
#ifndef SGX_EDGER8R_H
#define SGX_EDGER8R_H

#include <stddef.h>
#include <stdint.h>

#include "sgx_defs.h"
#include "sgx_eid.h"
#include "sgx_error.h"

#ifdef __cplusplus
#define SGX_EXTERNC extern "C"
extern "C" {
#else
#define SGX_EXTERNC
#endif

/* The memory of one call. */
typedef struct sgx_edge_blocks_t {
  void* input;       /* input_size bytes; undefined at first; written once by the caller */
  size_t input_size; /* as asked for */
  void* output;      /* output_size bytes; undefined until the call is done */
  size_t output_size;
  void* keeper; /* the library's own */
} sgx_edge_blocks_t;

/* ------------------------------------------------------------------------------------------------------- outside */

/* An OCALL's bridge: reads `input`, which the enclave wrote, runs the application's function, fills `output`. What it
 * returns the enclave gets as the call's status. */
typedef sgx_status_t (*sgx_edge_ocall_bridge_t)(const void* input, size_t input_size, void* output, size_t output_size);
typedef struct sgx_edge_ocall_table_t {
  size_t count;
  const sgx_edge_ocall_bridge_t* bridges;
  const char* const* names; /* for messages */
  const char* interface_name;
} sgx_edge_ocall_table_t;

/* Blocks in memory that the enclave reaches. Not SGX_SUCCESS (SGX_ERROR_INVALID_ENCLAVE_ID, SGX_ERROR_OUT_OF_MEMORY
 * ...): nothing was taken, and sgx_edge_end() must not be called. */
sgx_status_t SGXAPI sgx_edge_begin(sgx_enclave_id_t eid, size_t input_size, size_t output_size,
                                   sgx_edge_blocks_t* blocks);
/* Runs ECALL `index`, and serves the enclave's OCALLs with `ocalls` on this thread meanwhile (or by workers, where the
 * OCALL is switchless and the enclave was created with some). `name` is for messages. SGX_SUCCESS: the enclave has
 * filled the whole of the output block. SGX_ERROR_ENCLAVE_CRASHED, SGX_ERROR_OUT_OF_TCS, SGX_ERROR_ECALL_NOT_ALLOWED,
 * SGX_ERROR_INVALID_FUNCTION, SGX_ERROR_OCALL_NOT_ALLOWED and what the bridge inside returned come from here. */
sgx_status_t SGXAPI sgx_edge_call(sgx_enclave_id_t eid, uint32_t index, const char* name, int switchless,
                                  const sgx_edge_ocall_table_t* ocalls, sgx_edge_blocks_t* blocks);
void SGXAPI sgx_edge_end(sgx_enclave_id_t eid, sgx_edge_blocks_t* blocks);
/* Whether the enclave can reach what a user_check pointer points to. NULL counts as reachable. 0: it has said so on
 * standard error, with function, parameter and what to do; the stub then returns SGX_ERROR_INVALID_PARAMETER. */
int SGXAPI sgx_edge_reaches(sgx_enclave_id_t eid, const char* function, const char* parameter, const void* pointer);

/* -------------------------------------------------------------------------------------------------------- inside */

/* An ECALL's bridge. Both blocks are in enclave memory, and nobody else's: `input` was copied in once (the function may
 * change it), `output` is undefined and is written completely where the bridge returns SGX_SUCCESS; otherwise nothing
 * of it must leave the enclave. */
typedef sgx_status_t (*sgx_edge_ecall_bridge_t)(void* input, size_t input_size, void* output, size_t output_size);
typedef struct sgx_edge_ecall_t {
  sgx_edge_ecall_bridge_t bridge;
  const char* name;
  uint8_t is_private; /* only from OCALLs that allow it */
  uint8_t switchless;
} sgx_edge_ecall_t;
typedef struct sgx_edge_ocall_t {
  const char* name;
  const uint32_t* allows; /* numbers of the ECALLs that may be made while the application runs it */
  size_t allow_count;
  uint8_t switchless;
} sgx_edge_ocall_t;
/* What the enclave's half of the generated code defines, one in an enclave. */
typedef struct sgx_edge_interface_t {
  const char* name;
  const sgx_edge_ecall_t* ecalls;
  size_t ecall_count;
  const sgx_edge_ocall_t* ocalls;
  size_t ocall_count;
} sgx_edge_interface_t;
extern const sgx_edge_interface_t sgx_edge_program_interface;

/* Blocks in the application's memory: the library has checked that they are wholly outside the enclave. Whatever stands
 * there can change at any time, so it is written, and copied from, once. */
sgx_status_t SGXAPI sgx_edge_ocall_begin(size_t input_size, size_t output_size, sgx_edge_blocks_t* blocks);
/* Leaves for OCALL `index`. SGX_SUCCESS: the application says that it has filled the output block, which proves
 * nothing. */
sgx_status_t SGXAPI sgx_edge_ocall_call(uint32_t index, sgx_edge_blocks_t* blocks);
void SGXAPI sgx_edge_ocall_end(sgx_edge_blocks_t* blocks);

/* Memory of the application that lasts until the running ECALL returns, and all of it released at once before. */
void* SGXAPI sgx_ocalloc(size_t size);
void SGXAPI sgx_ocfree(void);

#ifdef __cplusplus
}
#endif

#endif
