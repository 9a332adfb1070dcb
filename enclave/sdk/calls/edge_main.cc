// main() of an enclave that is nothing but its EDL file's functions: the linker takes it from the archive where the
// program has none of its own.
#include <coffer/calls.h>
#include <coffer/edge.h>

#include "enclave/sdk/calls/edge.h"

int main() {
  auto* edge = const_cast<coffer_edge_interface*>(&coffer_edge_program_interface);  // only ever read
  // Generated code writes every byte of its answers.
  coffer::calls::serve(coffer::calls::serve_edge_call, edge, coffer::calls::image_threads(),
                       coffer::calls::OutputMemory::kUndefined);
}
