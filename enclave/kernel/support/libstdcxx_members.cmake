# The one member of libstdc++ that the enclave kernel may be linked with: the red-black tree under std::map and std::set,
# which needs nothing. Defines COFFER_LIBSTDCXX_MEMBERS (paths of objects).
include_guard(GLOBAL)

execute_process(
  COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libstdc++.a
  OUTPUT_VARIABLE libstdcxx_archive
  OUTPUT_STRIP_TRAILING_WHITESPACE)
set(member_folder ${CMAKE_BINARY_DIR}/libstdcxx-members)
file(MAKE_DIRECTORY ${member_folder})
execute_process(
  COMMAND ${CMAKE_AR} x ${libstdcxx_archive} tree.o
  WORKING_DIRECTORY ${member_folder}
  RESULT_VARIABLE failed
  ERROR_VARIABLE complaint)
if(failed)
  message(FATAL_ERROR "${libstdcxx_archive} has no tree.o: install libstdc++-12-dev. ${complaint}")
endif()
set(COFFER_LIBSTDCXX_MEMBERS ${member_folder}/tree.o CACHE INTERNAL "Objects of libstdc++ for the enclave kernel")
