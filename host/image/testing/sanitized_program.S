# Ends at once, and carries the note of programs that look for memory errors (boundary/sanitized.h) behind another one.
  .section .note.other, "a", @note
  .balign 4
  .long 4, 5, 1
  .asciz "Any"
  .byte 1, 2, 3, 4, 5
  .balign 4
  .section .note.sanitizer, "a", @note
  .balign 4
  .long 7, 0, 0x53414e31
  .asciz "Coffer"
  .balign 4

  .text
  .globl _start
  .type _start, @function
_start:
  xor %edi, %edi
  mov $60, %eax
  syscall
  .size _start, . - _start
  .section .note.GNU-stack, "", @progbits
