/* Words that declarations of the SDK carry. On this platform all calling conventions are one. */
#ifndef COFFER_SGXSDK_SGX_DEFS_H
#define COFFER_SGXSDK_SGX_DEFS_H

#define SGXAPI
#define SGX_CDECL
#define SGX_STDCALL
#define SGX_FASTCALL
#define SGX_DLLIMPORT
#define SGX_NOCONVENTION
#define SGX_UBRIDGE(attribute, function, arguments...) attribute function arguments
#define SGX_DEPRECATED __attribute__((deprecated))
/* GCC's old spelling of the platform's name gets into the way of paths. */
#ifdef linux
#undef linux
#endif
#define SGX_CXX_NATIVE_HEADER(header) <header>

#endif
