/* Files that only the enclave can read, kept by the application. Inside; link libsgx_tprotected_fs, import
 * sgx_tprotected_fs.edl, and link libsgx_uprotected_fs outside.
 *
 * A file is encrypted and authenticated as a whole, under a key of its own each time it is written, and bound to its
 * name (without folders). It stands in the enclave's memory while it is open, up to 1 GiB, and is written whole by
 * sgx_fflush() and sgx_fclose(), in a step that a crash does not tear. Whether it is the newest version is not known.
 * The format is Coffer's own. Two threads may use one file; opening it twice for writing keeps what is written last. */
#ifndef COFFER_SGXSDK_SGX_TPROTECTED_FS_H
#define COFFER_SGXSDK_SGX_TPROTECTED_FS_H

#include <stddef.h>
#include <stdint.h>

#include "sgx_defs.h"
#include "sgx_key.h"

#define SGX_FILE void

#ifndef EOF
#define EOF (-1)
#endif
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#ifndef FILENAME_MAX
#define FILENAME_MAX 260
#endif
#ifndef FOPEN_MAX
#define FOPEN_MAX 20
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* mode: r, w, a, each with + and b. `key` is the caller's; NULL and sgx_fopen_auto_key(): the enclave's signer's
 * (EGETKEY, MRSIGNER). NULL: see errno: an error of the application's (ENOENT ...), EINVAL, ENOMEM, or
 * SGX_ERROR_FILE_NOT_SGX_FILE, SGX_ERROR_FILE_NAME_MISMATCH, SGX_ERROR_MAC_MISMATCH (changed, or another key's). */
SGX_FILE* SGXAPI sgx_fopen(const char* filename, const char* mode, const sgx_key_128bit_t* key);
SGX_FILE* SGXAPI sgx_fopen_auto_key(const char* filename, const char* mode);
SGX_FILE* SGXAPI sgx_fopen_ex(const char* filename, const char* mode, const sgx_key_128bit_t* key,
                              const uint64_t cache_size);
/* Whole elements. */
size_t SGXAPI sgx_fwrite(const void* ptr, size_t size, size_t count, SGX_FILE* stream);
size_t SGXAPI sgx_fread(void* ptr, size_t size, size_t count, SGX_FILE* stream);
/* -1 on errors. No position is beyond the end. */
int64_t SGXAPI sgx_ftell(SGX_FILE* stream);
int32_t SGXAPI sgx_fseek(SGX_FILE* stream, int64_t offset, int origin);
/* 0, or 1 where it cannot be written: then sgx_ferror() says why. */
int32_t SGXAPI sgx_fflush(SGX_FILE* stream);
int32_t SGXAPI sgx_ferror(SGX_FILE* stream);
int32_t SGXAPI sgx_feof(SGX_FILE* stream);
void SGXAPI sgx_clearerr(SGX_FILE* stream);
/* Writes what is not written yet, wipes the content. 0, or 1 where it could not be written; it is closed then too. */
int32_t SGXAPI sgx_fclose(SGX_FILE* stream);
int32_t SGXAPI sgx_remove(const char* filename);
/* The key of a file that was made without one, for sgx_fopen() or sgx_fimport_auto_key() in another enclave. 0 or 1. */
int32_t SGXAPI sgx_fexport_auto_key(const char* filename, sgx_key_128bit_t* key);
/* Puts a file with a known key under this enclave's own. */
int32_t SGXAPI sgx_fimport_auto_key(const char* filename, const sgx_key_128bit_t* key);
/* As sgx_fflush(): there is no cache. */
int32_t SGXAPI sgx_fclear_cache(SGX_FILE* stream);

#ifdef __cplusplus
}
#endif

#endif
