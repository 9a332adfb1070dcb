/* Memory of a running enclave: reserve addresses, commit and give back pages, change what they permit (EDMM).
 *
 * Functions return 0 or an errno value. Addresses and lengths are multiples of 4096. Thread-safe; a page fault handler
 * runs on the thread that faulted, and may call them.
 */
#ifndef SGX_MM_H_
#define SGX_MM_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A page fault, as the processor reports it in the MISC region of an SSA frame. */
typedef struct _sgx_pfinfo {
  uint64_t maddr; /* the address */
  union _pfec {
    uint32_t errcd;
    struct {
      uint32_t p : 1;  /* the page was there, and did not permit it */
      uint32_t rw : 1; /* 1: a write */
      uint32_t : 13;
      uint32_t sgx : 1; /* always set */
      uint32_t : 16;
    };
  } pfec;
  uint32_t reserved;
} sgx_pfinfo;

/* Of a region, called for each page fault in it. What it returns: */
#define SGX_MM_EXCEPTION_CONTINUE_EXECUTION (-1) /* the instruction runs again */
#define SGX_MM_EXCEPTION_CONTINUE_SEARCH                                        \
  0 /* not this handler's: a page that is committed on demand is committed, any \
       other fault goes to the handlers of <sgx_trts_exception.h> */
typedef int (*sgx_enclave_fault_handler_t)(const sgx_pfinfo* pfinfo, void* private_data);

/* How to allocate: exactly one of the first three. */
#define SGX_EMA_ALLOC_FLAGS_SHIFT 0
#define SGX_EMA_ALLOC_FLAGS(n) ((n) << SGX_EMA_ALLOC_FLAGS_SHIFT)
#define SGX_EMA_ALLOC_FLAGS_MASK SGX_EMA_ALLOC_FLAGS(0xFF)
#define SGX_EMA_RESERVE SGX_EMA_ALLOC_FLAGS(0x1)    /* addresses alone; to be allocated again with one of the next */
#define SGX_EMA_COMMIT_NOW SGX_EMA_ALLOC_FLAGS(0x2) /* with pages */
#define SGX_EMA_COMMIT_ON_DEMAND SGX_EMA_ALLOC_FLAGS(0x4) /* with pages as they are touched */
#define SGX_EMA_GROWSDOWN SGX_EMA_ALLOC_FLAGS(0x10)       /* accepted; the order of commits is free here */
#define SGX_EMA_GROWSUP SGX_EMA_ALLOC_FLAGS(0x20)         /* the same */
#define SGX_EMA_FIXED SGX_EMA_ALLOC_FLAGS(0x40)           /* there and nowhere else */

#define SGX_EMA_PAGE_TYPE_SHIFT 8
#define SGX_EMA_PAGE_TYPE(n) ((n) << SGX_EMA_PAGE_TYPE_SHIFT)
#define SGX_EMA_PAGE_TYPE_MASK SGX_EMA_PAGE_TYPE(0xFF)
#define SGX_EMA_PAGE_TYPE_TCS SGX_EMA_PAGE_TYPE(0x1)
#define SGX_EMA_PAGE_TYPE_REG SGX_EMA_PAGE_TYPE(0x2)
#define SGX_EMA_PAGE_TYPE_TRIM SGX_EMA_PAGE_TYPE(0x4)
#define SGX_EMA_PAGE_TYPE_SS_FIRST SGX_EMA_PAGE_TYPE(0x5)
#define SGX_EMA_PAGE_TYPE_SS_REST SGX_EMA_PAGE_TYPE(0x6)

/* The binary logarithm of the alignment, 12 at least. */
#define SGX_EMA_ALIGNMENT_SHIFT 24
#define SGX_EMA_ALIGNED(n) (((unsigned int)(n) << SGX_EMA_ALIGNMENT_SHIFT))
#define SGX_EMA_ALIGNMENT_MASK SGX_EMA_ALIGNED(0xFFUL)
#define SGX_EMA_ALIGNMENT_64KB SGX_EMA_ALIGNED(16UL)
#define SGX_EMA_ALIGNMENT_16MB SGX_EMA_ALIGNED(24UL)
#define SGX_EMA_ALIGNMENT_4GB SGX_EMA_ALIGNED(32UL)

#define SGX_EMA_PROT_NONE 0x0
#define SGX_EMA_PROT_READ 0x1
#define SGX_EMA_PROT_WRITE 0x2
#define SGX_EMA_PROT_EXEC 0x4
#define SGX_EMA_PROT_READ_WRITE (SGX_EMA_PROT_READ | SGX_EMA_PROT_WRITE)
#define SGX_EMA_PROT_READ_EXEC (SGX_EMA_PROT_READ | SGX_EMA_PROT_EXEC)
#define SGX_EMA_PROT_MASK (SGX_EMA_PROT_READ_WRITE | SGX_EMA_PROT_EXEC)

/* A region at `addr`, or where there is room. Only on success is *out_addr written. EEXIST: SGX_EMA_FIXED, and
 * something is there; EACCES: outside the enclave; EINVAL: flags, sizes, alignment; ENOMEM. */
int sgx_mm_alloc(void* addr, size_t length, int flags, sgx_enclave_fault_handler_t handler, void* handler_private,
                 void** out_addr);
/* Gives pages back and keeps the addresses. EINVAL: not all of it is allocated. */
int sgx_mm_uncommit(void* addr, size_t length);
/* Gives back pages and addresses. EINVAL: nothing of it is allocated. */
int sgx_mm_dealloc(void* addr, size_t length);
/* SGX_EMA_PROT_*. EINVAL: not all of it is allocated and committed. EACCES: pages that are not regular ones; write and
 * execute at once. */
int sgx_mm_modify_permissions(void* addr, size_t length, int prot);
/* Of one page that may be read and written, SGX_EMA_PAGE_TYPE_TCS: the program can no longer touch it. EACCES: the page
 * is another; EPERM: another type. */
int sgx_mm_modify_type(void* addr, size_t length, int type);
/* Commits what is not. EINVAL: not all of it is allocated, or it is only reserved. */
int sgx_mm_commit(void* addr, size_t length);
/* Commits pages with this content, which stands in the enclave, and these permissions. EACCES: a page is committed
 * already, or only reserved; EINVAL: not all of it is allocated. */
int sgx_mm_commit_data(void* addr, size_t length, uint8_t* data, int prot);

#ifdef __cplusplus
}
#endif

#endif
