# What stays uninstrumented in a sanitized build (the cell, the enclave kernel, programs that run inside enclaves) is the
# same in every build: with COFFER_PARTS_FROM, the folder of a configured build of this tree, such files are taken from
# there, brought up to date, and not built again. scripts/build sets it where build/release is configured.
set(COFFER_PARTS_FROM "" CACHE PATH "Build folder that a sanitized build takes its uninstrumented programs from")
if(COFFER_PARTS_FROM AND NOT COFFER_SANITIZE)
  message(FATAL_ERROR "COFFER_PARTS_FROM is for sanitized builds; COFFER_SANITIZE is empty")
endif()
if(COFFER_PARTS_FROM AND NOT EXISTS ${COFFER_PARTS_FROM}/build.ninja)
  message(FATAL_ERROR "COFFER_PARTS_FROM: ${COFFER_PARTS_FROM} is not a configured build; run scripts/build first, "
                      "or leave COFFER_PARTS_FROM empty")
endif()

# coffer_borrow(TARGET FILE [NOT_A_PROGRAM]): FILE of the build folder is that of the other build, made there by the target
# TARGET; here TARGET is an imported executable. NOT_A_PROGRAM makes it a target that others can only depend on.
function(coffer_borrow target file)
  cmake_parse_arguments(arg "NOT_A_PROGRAM" "" "" ${ARGN})
  get_filename_component(folder ${CMAKE_BINARY_DIR}/${file} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  file(CREATE_LINK ${COFFER_PARTS_FROM}/${file} ${CMAKE_BINARY_DIR}/${file} SYMBOLIC)
  if(arg_NOT_A_PROGRAM)
    add_custom_target(${target})
  else()
    add_executable(${target} IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${CMAKE_BINARY_DIR}/${file})
  endif()
  add_dependencies(${target} coffer_borrowed)
  set_property(GLOBAL APPEND PROPERTY COFFER_BORROWED ${target})
endfunction()

# After everything that borrows: one target, since two builds at once in one folder would break each other.
function(coffer_borrow_all)
  if(COFFER_PARTS_FROM)
    get_property(targets GLOBAL PROPERTY COFFER_BORROWED)
    add_custom_target(coffer_borrowed COMMAND ${CMAKE_COMMAND} --build ${COFFER_PARTS_FROM} --target ${targets}
                      COMMENT "Bringing parts up to date in ${COFFER_PARTS_FROM}" USES_TERMINAL VERBATIM)
  endif()
endfunction()
