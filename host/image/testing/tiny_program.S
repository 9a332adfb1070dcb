// A program small enough to be damaged in every place: system calls and CPUIDs in each shape that the site finder tells
// apart.
  .globl _start
  .text

  .type exit_with_number, @function
exit_with_number:            // the number right before: seven bytes
  mov $60, %eax
  syscall
  ud2
  .size exit_with_number, . - exit_with_number

  .type loop_to_syscall, @function
loop_to_syscall:             // jumped to at the instruction itself: only what follows can be displaced
  mov $24, %eax
.Lagain:
  syscall
  cmp $-4095, %rax
  jae .Lagain
  ret
  .size loop_to_syscall, . - loop_to_syscall

  .type bare, @function
bare:                        // branches around it: cannot be patched
  jmp .Lbare
.Lbare:
  syscall
  ret
  .size bare, . - bare

  .type relative, @function
relative:                    // what is before names its place, what is after is too short
  lea table(%rip), %rdi
  syscall
  ret
  .size relative, . - relative

  .type signal_return, @function
signal_return:               // unwinders know these bytes
  mov $15, %rax
  syscall
  ret
  .size signal_return, . - signal_return

  .type table_inside, @function
table_inside:                // a jump table leads between the number and the instruction
  lea table(%rip), %rdx
  movslq (%rdx), %rcx
  add %rdx, %rcx
  jmp *%rcx
  mov $39, %eax
.Lcase:
  syscall
  ret
  .size table_inside, . - table_inside

  .type asks_twice, @function
asks_twice:                  // CPUID; the second among bytes that only look like one
  mov %edi, %eax
  cpuid
  mov $0xa20f, %ebx
  xor %eax, %eax
  cpuid
  ret
  .size asks_twice, . - asks_twice

  .type without_size, @function
without_size:                // nothing says where this ends: a leaf that is loaded vouches for the first
  mov $7, %eax
  xor %ecx, %ecx
  cpuid
  ret
  .type data_without_size, @object
  .byte 0x0f, 0xa2, 0x0f, 0xa2

  .type _start, @function
_start:
  call loop_to_syscall
  xor %edi, %edi
  jmp exit_with_number
  .size _start, . - _start

  // Data among the code that looks like a system call; no function covers it.
  .byte 0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0, 0, 0, 0

  .section .rodata
  .balign 4
table:
  .long .Lcase - table
  .long 0x7fffffff
  .data
pointer:
  .quad bare
  .bss
  .skip 20000
  .section .note.GNU-stack,"",@progbits
