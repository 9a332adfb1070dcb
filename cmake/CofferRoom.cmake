# Building blocks for the rooms. A room is a folder: its sources, and beside each its unit test.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

find_program(COFFER_CCACHE ccache)
if(COFFER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${COFFER_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${COFFER_CCACHE})
endif()

# For code whose speed nobody feels: what is all templates compiles a third faster so.
set(COFFER_COMPILE_FAST $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-O1>)

set(COFFER_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
                    -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror)

# What every hosted target links: include root, warnings, sanitizers.
add_library(coffer_hosted INTERFACE)
target_include_directories(coffer_hosted INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_options(coffer_hosted INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${COFFER_WARNINGS}>)
if(COFFER_SANITIZE)
  target_compile_options(coffer_hosted INTERFACE -fsanitize=${COFFER_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  # GCC's warnings that follow values misread what the sanitizers insert; the other builds have them.
  target_compile_options(coffer_hosted INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-array-bounds;-Wno-restrict>)
  target_link_options(coffer_hosted INTERFACE -fsanitize=${COFFER_SANITIZE})
endif()

# coffer_sources(OUT DIR...): every .cc of the folders but tests, fuzz targets and main.cc.
function(coffer_sources out)
  set(found)
  foreach(folder ${ARGN})
    file(GLOB here CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc)
    list(FILTER here EXCLUDE REGEX "(_test|_fuzz|/main)\\.cc$")
    list(APPEND found ${here})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# coffer_library(NAME FOLDERS a b LIBRARIES x y): a static library of the folders' sources.
function(coffer_library name)
  cmake_parse_arguments(arg "" "" "FOLDERS;SOURCES;LIBRARIES" ${ARGN})
  coffer_sources(sources ${arg_FOLDERS})
  add_library(${name} STATIC ${sources} ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_LIBRARIES} coffer_hosted)
endfunction()

# coffer_tests(NAME FOLDERS a b LIBRARIES x y): one test program of the folders' *_test.cc, known to CTest.
function(coffer_tests name)
  cmake_parse_arguments(arg "" "" "FOLDERS;LIBRARIES" ${ARGN})
  if(NOT COFFER_TESTS)
    return()
  endif()
  set(tests)
  foreach(folder ${arg_FOLDERS})
    file(GLOB here CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.cc)
    list(APPEND tests ${here})
  endforeach()
  if(NOT tests)
    return()
  endif()
  add_executable(${name} ${tests})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} GTest::gtest_main GTest::gmock coffer_hosted)
  target_compile_options(${name} PRIVATE ${COFFER_COMPILE_FAST})
  target_compile_definitions(${name} PRIVATE COFFER_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                                             COFFER_BUILD_DIR="${CMAKE_BINARY_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
endfunction()
