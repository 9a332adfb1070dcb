# coffer_add_enclave(TARGET KEY FILE [CONFIG FILE] [OUTPUT FILE] [NEW_KEY] [DEBUG] [SANITIZE WORD ...] [OPTIONS ...])
#
# Signs the program TARGET, an executable that links Coffer::enclave or is otherwise static-pie, with `coffer sign`, and
# again whenever the program, its settings or the key change. The image is OUTPUT (default: TARGET.enclave in the binary
# folder; a relative OUTPUT is there too), built by the target TARGET-enclave as part of `all`.
#
#   KEY FILE      the signing key (PEM); relative to the source folder
#   NEW_KEY       makes KEY where it is missing (`coffer key new`)
#   CONFIG FILE   settings: a coffer.toml
#   DEBUG         a debug image
#   SANITIZE ...  with DEBUG only: address, undefined, leak, or several, as address,undefined. Checks the program for memory
#                 errors, undefined behaviour and leaks while it runs (docs/sdk/debugging.md)
#   OPTIONS ...   more options of `coffer sign`
#
# The same sources give the same MRENCLAVE in any folder: __FILE__ does not say where they stand, and there is no build id,
# which would be of the debug information too.
function(coffer_add_enclave target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "DEBUG;NEW_KEY" "KEY;CONFIG;OUTPUT" "SANITIZE;OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "coffer_add_enclave(${target}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "coffer_add_enclave(${target}): no such target; add_executable comes first")
  endif()
  if(NOT arg_KEY)
    message(FATAL_ERROR "coffer_add_enclave(${target}): KEY is missing; make one with `coffer key new FILE`")
  endif()
  if(arg_SANITIZE OR "SANITIZE" IN_LIST arg_KEYWORDS_MISSING_VALUES)
    if(NOT arg_DEBUG AND NOT arg_CONFIG)  # with settings it is `coffer sign` that knows
      message(FATAL_ERROR "coffer_add_enclave(${target}): SANITIZE is for debug images: add DEBUG, or leave SANITIZE out")
    endif()
    coffer_sanitize_target(${target} ${arg_SANITIZE})
  endif()
  get_filename_component(key "${arg_KEY}" ABSOLUTE)
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT ${target}.enclave)
  endif()
  get_filename_component(output "${arg_OUTPUT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
  set(words --key "${key}" -o "${output}" ${arg_OPTIONS})
  set(inputs ${target} "${key}" "${COFFER_COMMAND}")
  if(arg_CONFIG)
    get_filename_component(config "${arg_CONFIG}" ABSOLUTE)
    list(APPEND words --config "${config}")
    list(APPEND inputs "${config}")
  endif()
  if(arg_DEBUG)
    list(APPEND words --debug)
  endif()
  if(arg_NEW_KEY AND NOT EXISTS "${key}")
    execute_process(COMMAND "${COFFER_COMMAND}" key new "${key}" RESULT_VARIABLE failed OUTPUT_QUIET)
    if(failed)
      message(FATAL_ERROR "coffer_add_enclave(${target}): cannot make the key ${key}")
    endif()
  endif()
  target_compile_options(${target} PRIVATE "-fmacro-prefix-map=${CMAKE_SOURCE_DIR}=."
                                           "-fmacro-prefix-map=${CMAKE_BINARY_DIR}=build")
  target_link_options(${target} PRIVATE -Wl,--build-id=none)
  add_custom_command(OUTPUT "${output}"
                     COMMAND "${COFFER_COMMAND}" sign "$<TARGET_FILE:${target}>" ${words}
                     DEPENDS ${inputs} COMMENT "Signing ${arg_OUTPUT}" VERBATIM)
  add_custom_target(${target}-enclave ALL DEPENDS "${output}")
  set_property(TARGET ${target} PROPERTY COFFER_ENCLAVE "${output}")
endfunction()

# coffer_sanitize_target(TARGET WORD ...): what SANITIZE does to a target. For libraries that such a program links, and that
# are to be checked too.
function(coffer_sanitize_target target)
  string(REPLACE "," ";" words "${ARGN}")
  if(NOT words)
    message(FATAL_ERROR "coffer_add_enclave(${target}): SANITIZE what? Give address, undefined, leak or several")
  endif()
  foreach(word ${words})
    if(NOT word MATCHES "^(address|undefined|leak)$")
      message(FATAL_ERROR "coffer_add_enclave(${target}): SANITIZE ${word}: not known; there are address, undefined and leak")
    endif()
  endforeach()
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    message(FATAL_ERROR "coffer_add_enclave(${target}): SANITIZE needs GCC; the compiler is ${CMAKE_CXX_COMPILER_ID}")
  endif()
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-g>)
  if("address" IN_LIST words)
    file(STRINGS "${COFFER_SANITIZER_DIR}/address.compile" options)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:${options}>")
  endif()
  if("undefined" IN_LIST words)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=undefined>)
  endif()
  get_target_property(kind ${target} TYPE)
  if(NOT kind STREQUAL "EXECUTABLE")
    return()
  endif()
  if("address" IN_LIST words OR "leak" IN_LIST words)
    file(STRINGS "${COFFER_SANITIZER_DIR}/link" options REGEX "^-Wl,--wrap=")
    target_link_options(${target} PRIVATE ${options})
    target_link_libraries(${target} PRIVATE
      "-Wl,--whole-archive,${COFFER_SANITIZER_LIBRARY_DIR}/libcoffer_sanitizer.a,--no-whole-archive"
      "${COFFER_SANITIZER_LIBRARY_DIR}/libcoffer_sanitizer_cxx.a")
  endif()
  if("undefined" IN_LIST words)
    # Before the C++ library, which it needs and which the compiler names last, and behind our operator new.
    target_link_libraries(${target} PRIVATE ubsan stdc++)
  endif()
endfunction()
