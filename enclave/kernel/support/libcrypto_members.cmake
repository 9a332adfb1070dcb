# The members of OpenSSL's static library that the enclave kernel is made with, taken out of the archive one by one: its
# AES-GCM and SHA-256 assembler and the C that drives it, which need nothing but memcpy, memset and the shims in
# libcrypto_shims.cc. The rest of the library (EVP, providers, its memory and threads) stays out of the trusted code.
#
# Defines COFFER_LIBCRYPTO_MEMBERS (paths of objects) and the target coffer_libcrypto_members, which links them.
include_guard(GLOBAL)

find_library(COFFER_LIBCRYPTO_ARCHIVE NAMES libcrypto.a DOC "OpenSSL's static libcrypto (Debian: libssl-dev)")
if(NOT COFFER_LIBCRYPTO_ARCHIVE)
  message(FATAL_ERROR "libcrypto.a is missing: install libssl-dev (scripts/setup does)")
endif()

set(member_names gcm128 aesni-gcm-x86_64 aesni-x86_64 ghash-x86_64 sha256 sha256-x86_64)
list(TRANSFORM member_names PREPEND libcrypto-lib-)
list(TRANSFORM member_names APPEND .o)
set(member_folder ${CMAKE_BINARY_DIR}/libcrypto-members)
file(MAKE_DIRECTORY ${member_folder})
execute_process(
  COMMAND ${CMAKE_AR} x ${COFFER_LIBCRYPTO_ARCHIVE} ${member_names}
  WORKING_DIRECTORY ${member_folder}
  RESULT_VARIABLE failed
  ERROR_VARIABLE complaint)
if(failed)
  message(FATAL_ERROR "${COFFER_LIBCRYPTO_ARCHIVE} does not have the members that Debian 12's OpenSSL 3.0 has: "
                      "${complaint}")
endif()
# An updated archive is taken apart again.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${COFFER_LIBCRYPTO_ARCHIVE})

set(members ${member_names})
list(TRANSFORM members PREPEND ${member_folder}/)
set(COFFER_LIBCRYPTO_MEMBERS ${members} CACHE INTERNAL "Objects of libcrypto for the enclave kernel")
add_library(coffer_libcrypto_members INTERFACE)
target_link_libraries(coffer_libcrypto_members INTERFACE ${members})
