# Where an enclave of the SDK begins: its linker is told `-e enclave_entry`. The state is that of a Linux program's start,
# so this is what every C library's first instructions are: the arguments for its start-up function, the stack aligned.
  .text
  .globl enclave_entry
  .type enclave_entry, @function
  .globl _start
  .hidden _start
  .type _start, @function
enclave_entry:
_start:
  .cfi_startproc
  .cfi_undefined rip
  xor %ebp, %ebp
  mov %rdx, %r9
  pop %rsi
  mov %rsp, %rdx
  and $-16, %rsp
  push %rax
  push %rsp
  xor %r8d, %r8d
  xor %ecx, %ecx
  lea main(%rip), %rdi
  call *__libc_start_main@GOTPCREL(%rip)
  hlt
  .cfi_endproc
  .size enclave_entry, . - enclave_entry
  .size _start, . - _start
  .section .note.GNU-stack, "", @progbits
