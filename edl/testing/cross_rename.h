// The enclave's functions under other names: in the tests, host and enclave are one program.
#pragma once

#define in_numbers inside_in_numbers
#define out_bytes inside_out_bytes
#define both_rows inside_both_rows
#define in_text inside_in_text
#define both_text inside_both_text
#define both_leaves inside_both_leaves
#define by_value inside_by_value
#define outward inside_outward
#define host_numbers inside_host_numbers
#define host_rows inside_host_rows
#define host_bytes inside_host_bytes
#define host_text inside_host_text
#define host_leaves inside_host_leaves
