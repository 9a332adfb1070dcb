// Both libraries of "sgx_edger8r.h" in one process.
#include "compat/sgxsdk/include/sgx_edger8r.h"
#include "edl/testing/cross_border.h"

using namespace coffer::edl::testing;

namespace {

const sgx_edge_ocall_table_t* table = nullptr;

sgx_status_t begin(size_t input_size, size_t output_size, sgx_edge_blocks_t* blocks) {
  Block input = make_host_block(input_size), output = make_host_block(output_size);
  if (!input || !output) return SGX_ERROR_OUT_OF_MEMORY;
  *blocks = {input.release(), input_size, output.release(), output_size, nullptr};
  return SGX_SUCCESS;
}
void end(sgx_edge_blocks_t* blocks) {
  std::free(blocks->input);
  std::free(blocks->output);
}

}  // namespace

extern "C" {

sgx_status_t sgx_edge_begin(sgx_enclave_id_t, size_t input_size, size_t output_size, sgx_edge_blocks_t* blocks) {
  return begin(input_size, output_size, blocks);
}
void sgx_edge_end(sgx_enclave_id_t, sgx_edge_blocks_t* blocks) { end(blocks); }
int sgx_edge_reaches(sgx_enclave_id_t, const char*, const char*, const void*) { return 1; }

sgx_status_t sgx_edge_call(sgx_enclave_id_t, uint32_t index, const char*, int, const sgx_edge_ocall_table_t* ocalls,
                           sgx_edge_blocks_t* blocks) {
  if (index >= sgx_edge_program_interface.ecall_count) return SGX_ERROR_INVALID_FUNCTION;
  table = ocalls;
  sgx_status_t status = SGX_ERROR_UNEXPECTED;
  cross_in({static_cast<const std::byte*>(blocks->input), blocks->input_size},
           {static_cast<std::byte*>(blocks->output), blocks->output_size},
           [&](std::byte* input, size_t input_size, std::byte* output, size_t output_size) {
             status = sgx_edge_program_interface.ecalls[index].bridge(input, input_size, output, output_size);
             return status == SGX_SUCCESS;
           });
  return status;
}

sgx_status_t sgx_edge_ocall_begin(size_t input_size, size_t output_size, sgx_edge_blocks_t* blocks) {
  return begin(input_size, output_size, blocks);
}
void sgx_edge_ocall_end(sgx_edge_blocks_t* blocks) { end(blocks); }
sgx_status_t sgx_edge_ocall_call(uint32_t index, sgx_edge_blocks_t* blocks) {
  if (table == nullptr || index >= table->count) return SGX_ERROR_OCALL_NOT_ALLOWED;
  if (cross_border().leaves) cross_border().leaves({static_cast<const std::byte*>(blocks->input), blocks->input_size});
  const sgx_status_t status =
      table->bridges[index](blocks->input, blocks->input_size, blocks->output, blocks->output_size);
  if (cross_border().change_answer) {
    cross_border().change_answer({static_cast<std::byte*>(blocks->output), blocks->output_size});
  }
  return status;
}

}  // extern "C"
