// What the code that `coffer edl` generates calls, on both sides of an enclave's border. C11 and C++.
//
// Programs do not call this: they call the functions of their own EDL file. The host library implements the first half
// (over <coffer/host.h>), the library inside the second (over <coffer/calls.h>). docs/design/edl.md shows generated
// code that uses it.
//
// A call is two blocks of bytes: one goes in, one comes back. Each begins with the call's argument structure; after it
// come the buffers, each aligned to COFFER_EDGE_ALIGNMENT. Both blocks are aligned to that too.
#ifndef COFFER_EDGE_H
#define COFFER_EDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#else
#include <stdbool.h>
#endif

#define COFFER_EDGE_ALIGNMENT 16

// How a call went. Numbers are part of the protocol between both sides: never reuse one.
typedef enum coffer_edge_status {
  COFFER_EDGE_OK = 0,
  COFFER_EDGE_NO_MEMORY = 1,       // no room for the blocks, on the side that made them
  COFFER_EDGE_INVALID = 2,         // the caller's arguments: sizes overflow, lengths that must agree do not
  COFFER_EDGE_MALFORMED = 3,       // the other side's bytes are not what its half of the generated code writes
  COFFER_EDGE_UNREACHABLE = 4,     // a user_check pointer to memory that the other side cannot reach
  COFFER_EDGE_NOT_ALLOWED = 5,     // a private ECALL, or one that the running OCALL's allow list does not name
  COFFER_EDGE_NO_FUNCTION = 6,     // no function of that number: the halves come from different EDL files
  COFFER_EDGE_EXCEPTION = 7,       // the function ended with a C++ exception, which stayed on its side
  COFFER_EDGE_OUT_OF_THREADS = 8,  // every thread of the enclave serves a call
  COFFER_EDGE_LOST = 9,            // the enclave has ended or crashed; it answers no more
  COFFER_EDGE_SYSTEM = 10,         // the machine said no
} coffer_edge_status;

// The memory of one call.
typedef struct coffer_edge_blocks {
  void* input;        // input_size bytes; undefined at first; written once by the caller
  size_t input_size;  // as asked for
  void* output;       // output_size bytes; undefined until the call is done
  size_t output_size;
  void* keeper;  // the library's own
} coffer_edge_blocks;

// ---------------------------------------------------------------------------------------------------------- outside

// In C++ a coffer::Enclave, see coffer::edge_enclave() below.
typedef struct coffer_edge_enclave coffer_edge_enclave;

// An OCALL's bridge: reads `input`, which the enclave wrote, runs the host's function, fills `output`. What it returns
// the enclave gets as the call's status.
typedef coffer_edge_status (*coffer_edge_ocall_bridge)(const void* input, size_t input_size, void* output,
                                                       size_t output_size);
typedef struct coffer_edge_ocall_table {
  size_t count;
  const coffer_edge_ocall_bridge* bridges;
  const char* const* names;    // for messages
  const char* interface_name;  // the EDL file's name
} coffer_edge_ocall_table;

// Blocks in memory that the enclave reaches. Not OK: nothing was taken, and end() must not be called. From any thread.
coffer_edge_status coffer_edge_begin(coffer_edge_enclave* enclave, size_t input_size, size_t output_size,
                                     coffer_edge_blocks* blocks);
// Runs ECALL `function`; serves the enclave's OCALLs with `ocalls` on this thread meanwhile. `name` is for libraries
// that trace calls: generated code puts it before its messages itself. OK: the enclave has filled the whole output
// block.
coffer_edge_status coffer_edge_call(coffer_edge_enclave* enclave, uint32_t function, const char* name, bool switchless,
                                    const coffer_edge_ocall_table* ocalls, coffer_edge_blocks* blocks);
void coffer_edge_end(coffer_edge_enclave* enclave, coffer_edge_blocks* blocks);

// Whether the enclave can reach what a user_check pointer points to: always where it shares this process's memory, and
// for memory of coffer::Enclave::allocate_shared(). NULL counts as reachable. False: it has said so on standard error,
// with function, parameter and what to do.
bool coffer_edge_reaches(coffer_edge_enclave* enclave, const char* function, const char* parameter,
                         const void* pointer);

// One line for a person about a call that did not go well; in static or the thread's own memory.
const char* coffer_edge_describe(coffer_edge_status status);

// ----------------------------------------------------------------------------------------------------------- inside

// An ECALL's bridge. Both blocks are in enclave memory, and nobody else's: `input` was copied in once (the function may
// change it), `output` is undefined and is written completely where the bridge returns OK; otherwise nothing of it must
// leave the enclave.
typedef coffer_edge_status (*coffer_edge_ecall_bridge)(void* input, size_t input_size, void* output,
                                                       size_t output_size);
typedef struct coffer_edge_ecall {
  coffer_edge_ecall_bridge bridge;
  const char* name;
  bool is_private;  // only from OCALLs that allow it
  bool switchless;
} coffer_edge_ecall;
typedef struct coffer_edge_ocall {
  const char* name;
  const uint32_t* allows;  // numbers of the ECALLs that may be made while the host runs it
  size_t allow_count;
  bool switchless;
} coffer_edge_ocall;
// What the enclave's half of the generated code defines, one in a program; the library refers to it weakly, for
// enclaves without an EDL file.
typedef struct coffer_edge_interface {
  const char* name;
  const coffer_edge_ecall* ecalls;
  size_t ecall_count;
  const coffer_edge_ocall* ocalls;
  size_t ocall_count;
} coffer_edge_interface;
extern const coffer_edge_interface coffer_edge_program_interface;

// Blocks in host memory: the library has checked that they are wholly outside the enclave. Whatever stands there can
// change at any time, so it is written, and copied from, once.
coffer_edge_status coffer_edge_ocall_begin(size_t input_size, size_t output_size, coffer_edge_blocks* blocks);
// Leaves for OCALL `function`. OK: the host says that it has filled the output block, which proves nothing. Anything
// else that is not of coffer_edge_status comes back as COFFER_EDGE_MALFORMED.
coffer_edge_status coffer_edge_ocall_call(uint32_t function, coffer_edge_blocks* blocks);
void coffer_edge_ocall_end(coffer_edge_blocks* blocks);

#ifdef __cplusplus
}  // extern "C"

namespace coffer {
class Enclave;
// The enclave as the functions above take it; the object itself, so it must stay where it is for as long.
inline coffer_edge_enclave* edge_enclave(Enclave& enclave) { return reinterpret_cast<coffer_edge_enclave*>(&enclave); }
}  // namespace coffer
#endif

#endif
