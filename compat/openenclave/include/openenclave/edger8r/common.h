// For code that oeedger8r generates, on both sides: sizes that cannot overflow, and where parameters stand.
//
// A call is two blocks: one in, one out. Each begins with the call's argument structure; the buffers follow, each from
// a multiple of OE_EDGER8R_BUFFER_ALIGNMENT. The macros are statements of a generated function: they leave it by its
// label `done`, with what went wrong in its variable `_result`.
#ifndef _OE_EDGER8R_COMMON_H
#define _OE_EDGER8R_COMMON_H

#include <openenclave/bits/defs.h>
#include <openenclave/bits/result.h>
#include <openenclave/bits/types.h>
#include <stdlib.h>
#include <string.h>

OE_EXTERNC_BEGIN

#define OE_EDGER8R_BUFFER_ALIGNMENT (2 * sizeof(void*))

// Adds `size`, rounded up to the alignment. Leaves *total alone where that overflows.
OE_INLINE oe_result_t oe_add_size(size_t* total, size_t size) {
  const size_t mask = OE_EDGER8R_BUFFER_ALIGNMENT - 1;
  size_t rounded, sum;
  if (__builtin_add_overflow(size, mask, &rounded)) return OE_INTEGER_OVERFLOW;
  if (__builtin_add_overflow(*total, rounded & ~mask, &sum)) return OE_INTEGER_OVERFLOW;
  *total = sum;
  return OE_OK;
}

#define OE_ADD_SIZE(total, size)                                   \
  do {                                                             \
    if (oe_add_size((size_t*)&(total), (size_t)(size)) != OE_OK) { \
      _result = OE_INTEGER_OVERFLOW;                               \
      goto done;                                                   \
    }                                                              \
  } while (0)

#define OE_COMPUTE_ARG_SIZE(total, argcount, argsize)                                \
  do {                                                                               \
    size_t _product_;                                                                \
    if (__builtin_mul_overflow((size_t)(argcount), (size_t)(argsize), &_product_)) { \
      _result = OE_INTEGER_OVERFLOW;                                                 \
      goto done;                                                                     \
    }                                                                                \
    (total) = _product_;                                                             \
  } while (0)

#define OE_ADD_ARG_SIZE(total, argcount, argsize)    \
  do {                                               \
    size_t _bytes_ = 0;                              \
    OE_COMPUTE_ARG_SIZE(_bytes_, argcount, argsize); \
    OE_ADD_SIZE(total, _bytes_);                     \
  } while (0)

// Callee: a parameter's place in the block that came in.
#define OE_SET_IN_POINTER(argname, argcount, argsize, argtype)             \
  do {                                                                     \
    if (_pargs_in->argname) {                                              \
      _pargs_in->argname = (argtype)(input_buffer + _input_buffer_offset); \
      OE_ADD_ARG_SIZE(_input_buffer_offset, argcount, argsize);            \
      if (_input_buffer_offset > input_buffer_size) {                      \
        _result = OE_BUFFER_TOO_SMALL;                                     \
        goto done;                                                         \
      }                                                                    \
    }                                                                      \
  } while (0)
#define OE_SET_IN_OUT_POINTER OE_SET_IN_POINTER

// Callee: a parameter's place in the block that goes back.
#define OE_SET_OUT_POINTER(argname, argcount, argsize, argtype)            \
  do {                                                                     \
    _pargs_in->argname = (argtype)(output_buffer + _output_buffer_offset); \
    OE_ADD_ARG_SIZE(_output_buffer_offset, argcount, argsize);             \
    if (_output_buffer_offset > output_buffer_size) {                      \
      _result = OE_BUFFER_TOO_SMALL;                                       \
      goto done;                                                           \
    }                                                                      \
  } while (0)

// Callee: moves an [in, out] parameter, which OE_SET_IN_OUT_POINTER has placed, into the block that goes back.
#define OE_COPY_AND_SET_IN_OUT_POINTER(argname, argcount, argsize, argtype)  \
  do {                                                                       \
    if (_pargs_in->argname) {                                                \
      size_t _bytes_ = 0;                                                    \
      argtype _source_ = (argtype)_pargs_in->argname;                        \
      OE_COMPUTE_ARG_SIZE(_bytes_, argcount, argsize);                       \
      _pargs_in->argname = (argtype)(output_buffer + _output_buffer_offset); \
      OE_ADD_SIZE(_output_buffer_offset, _bytes_);                           \
      if (_output_buffer_offset > output_buffer_size) {                      \
        _result = OE_BUFFER_TOO_SMALL;                                       \
        goto done;                                                           \
      }                                                                      \
      memcpy((void*)_pargs_in->argname, (const void*)_source_, _bytes_);     \
    }                                                                        \
  } while (0)

// Caller: writes an [in] parameter into the block that goes in; its size has been added up before.
#define _OE_WRITE_PARAM(argname, argcount, argsize, argtype, copy)     \
  do {                                                                 \
    if (argname) {                                                     \
      size_t _bytes_ = 0;                                              \
      OE_COMPUTE_ARG_SIZE(_bytes_, argcount, argsize);                 \
      _args.argname = (argtype)(_input_buffer + _input_buffer_offset); \
      OE_ADD_SIZE(_input_buffer_offset, _bytes_);                      \
      copy((void*)_args.argname, (const void*)(argname), _bytes_);     \
    }                                                                  \
  } while (0)
#define OE_WRITE_IN_PARAM(argname, argcount, argsize, argtype) \
  _OE_WRITE_PARAM(argname, argcount, argsize, argtype, memcpy)
#define OE_WRITE_IN_OUT_PARAM OE_WRITE_IN_PARAM
#define OE_WRITE_IN_PARAM_WITH_BARRIER(argname, argcount, argsize, argtype) \
  _OE_WRITE_PARAM(argname, argcount, argsize, argtype, oe_memcpy_with_barrier)
#define OE_WRITE_IN_OUT_PARAM_WITH_BARRIER OE_WRITE_IN_PARAM_WITH_BARRIER

// Callee: what a structure that goes back points to.
#define OE_WRITE_DEEPCOPY_OUT_PARAM(argname, argcount, argsize)                                    \
  do {                                                                                             \
    if (argname) {                                                                                 \
      size_t _bytes_ = 0;                                                                          \
      OE_COMPUTE_ARG_SIZE(_bytes_, argcount, argsize);                                             \
      memcpy(_deepcopy_out_buffer + _deepcopy_out_buffer_offset, (const void*)(argname), _bytes_); \
      OE_ADD_SIZE(_deepcopy_out_buffer_offset, _bytes_);                                           \
    }                                                                                              \
  } while (0)

// Caller: memory of its own for what a structure points to.
#define OE_SET_DEEPCOPY_OUT_PARAM(argname, argcount, argsize, argtype) \
  do {                                                                 \
    if (argname) {                                                     \
      size_t _bytes_ = 0, _at_ = _deepcopy_out_buffer_offset;          \
      OE_COMPUTE_ARG_SIZE(_bytes_, argcount, argsize);                 \
      (argname) = (argtype)malloc(_bytes_);                            \
      if (!(argname)) {                                                \
        _result = OE_OUT_OF_MEMORY;                                    \
        goto done;                                                     \
      }                                                                \
      OE_ADD_SIZE(_deepcopy_out_buffer_offset, _bytes_);               \
      if (_deepcopy_out_buffer_offset > _deepcopy_out_buffer_size) {   \
        _result = OE_BUFFER_TOO_SMALL;                                 \
        goto done;                                                     \
      }                                                                \
      memcpy((void*)(argname), _deepcopy_out_buffer + _at_, _bytes_);  \
    }                                                                  \
  } while (0)

// Caller: reads an [out] parameter from the block that came back.
#define OE_READ_OUT_PARAM(argname, argcount, argsize)                            \
  do {                                                                           \
    if (argname) {                                                               \
      size_t _bytes_ = 0;                                                        \
      OE_COMPUTE_ARG_SIZE(_bytes_, argcount, argsize);                           \
      memcpy((void*)(argname), _output_buffer + _output_buffer_offset, _bytes_); \
      OE_ADD_SIZE(_output_buffer_offset, _bytes_);                               \
    }                                                                            \
  } while (0)
#define OE_READ_IN_OUT_PARAM OE_READ_OUT_PARAM

#define _OE_CHECK_TERMINATOR(str, size, character)                           \
  do {                                                                       \
    const character* _text_ = (const character*)(str);                       \
    const size_t _length_ = (size_t)(size);                                  \
    if (_text_ && (_length_ == 0 || _text_[_length_ - 1] != (character)0)) { \
      _result = OE_INVALID_PARAMETER;                                        \
      goto done;                                                             \
    }                                                                        \
  } while (0)
#define OE_CHECK_NULL_TERMINATOR(str, size) _OE_CHECK_TERMINATOR(str, size, char)
#define OE_CHECK_NULL_TERMINATOR_WIDE(str, size) _OE_CHECK_TERMINATOR(str, size, wchar_t)

OE_EXTERNC_END

#endif
