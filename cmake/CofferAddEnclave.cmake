# coffer_add_enclave(TARGET KEY FILE [CONFIG FILE] [OUTPUT FILE] [NEW_KEY] [DEBUG] [OPTIONS ...])
#
# Signs the program TARGET, an executable that links Coffer::enclave or is otherwise static-pie, with `coffer sign`, and
# again whenever the program, its settings or the key change. The image is OUTPUT (default: TARGET.enclave in the binary
# folder; a relative OUTPUT is there too), built by the target TARGET-enclave as part of `all`.
#
#   KEY FILE      the signing key (PEM); relative to the source folder
#   NEW_KEY       makes KEY where it is missing (`coffer key new`)
#   CONFIG FILE   settings: a coffer.toml
#   DEBUG         a debug image
#   OPTIONS ...   more options of `coffer sign`
#
# The same sources give the same MRENCLAVE in any folder: __FILE__ does not say where they stand, and there is no build id,
# which would be of the debug information too.
function(coffer_add_enclave target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "DEBUG;NEW_KEY" "KEY;CONFIG;OUTPUT" "OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "coffer_add_enclave(${target}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "coffer_add_enclave(${target}): no such target; add_executable comes first")
  endif()
  if(NOT arg_KEY)
    message(FATAL_ERROR "coffer_add_enclave(${target}): KEY is missing; make one with `coffer key new FILE`")
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
