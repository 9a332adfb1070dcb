# coffer_add_edl(FILE [HOST TARGET] [ENCLAVE TARGET] [SEARCH_PATHS FOLDER ...] [DEFINES NAME ...] [IMPORTS FILE ...])
#
# Generates the halves of the code between host and enclave from FILE, with `coffer edl`, and adds them to the targets: the
# host's half to HOST, an executable that links Coffer::host, and the enclave's to ENCLAVE, one that links
# Coffer::enclave. For calc.edl they #include "calc_host.h" and "calc_enclave.h".
#
#   SEARCH_PATHS   folders with EDL files that FILE imports
#   DEFINES        names for #ifdef in FILE
#   IMPORTS        the EDL files that FILE imports, for the build to notice their changes
function(coffer_add_edl file)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "HOST;ENCLAVE" "SEARCH_PATHS;DEFINES;IMPORTS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "coffer_add_edl(${file}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_HOST AND NOT arg_ENCLAVE)
    message(FATAL_ERROR "coffer_add_edl(${file}): for which target? Give HOST or ENCLAVE")
  endif()
  get_filename_component(source "${file}" ABSOLUTE)
  get_filename_component(name "${file}" NAME_WE)
  set(words "")
  set(inputs "${source}" "${COFFER_COMMAND}")
  foreach(folder ${arg_SEARCH_PATHS})
    get_filename_component(folder "${folder}" ABSOLUTE)
    list(APPEND words --search-path "${folder}")
  endforeach()
  foreach(define ${arg_DEFINES})
    list(APPEND words -D${define})
  endforeach()
  foreach(import ${arg_IMPORTS})
    get_filename_component(import "${import}" ABSOLUTE)
    list(APPEND inputs "${import}")
  endforeach()
  foreach(half host enclave)
    string(TOUPPER ${half} side)
    set(target "${arg_${side}}")
    if(NOT target)
      continue()
    endif()
    if(NOT TARGET ${target})
      message(FATAL_ERROR "coffer_add_edl(${file}): there is no target ${target}; add_executable comes first")
    endif()
    # Of its own for each target: two that share one file would both make it.
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/edl/${target}")
    set(which $<IF:$<STREQUAL:${half},host>,--untrusted,--trusted>)
    set(into $<IF:$<STREQUAL:${half},host>,--untrusted-dir,--trusted-dir>)
    add_custom_command(OUTPUT "${folder}/${name}_${half}.cc" "${folder}/${name}_${half}.h" "${folder}/${name}_types.h"
                       COMMAND "${COFFER_COMMAND}" edl "${source}" ${which} ${into} "${folder}" ${words}
                       DEPENDS ${inputs} COMMENT "Generating ${name}_${half} from ${file}" VERBATIM)
    target_sources(${target} PRIVATE "${folder}/${name}_${half}.cc")
    target_include_directories(${target} PRIVATE "${folder}")
  endforeach()
endfunction()
