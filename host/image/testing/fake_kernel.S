// Stands for the enclave kernel in tests of layout and signing: its segments and symbols, and nothing that runs.
  .globl coffer_enclave_entry, coffer_syscall_entry, coffer_cpuid_site
  .text
coffer_enclave_entry:
  ud2
coffer_syscall_entry:
  jmp *%rcx
coffer_cpuid_site:
  cpuid
  .section .rodata
  .quad 1
  .data
  .quad coffer_enclave_entry
  .bss
  .skip 9000
  .section .note.GNU-stack,"",@progbits
