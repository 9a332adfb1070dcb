# What `cmake --install` puts where, and the Debian packages that CPack makes of it. Two components: `runtime` is the
# command and what it needs; `development` is what programs of others are built with.
include(CMakePackageConfigHelpers)

set(COFFER_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Coffer)

# --- runtime. The command finds its parts from its own place: <prefix>/bin/coffer, <prefix>/libexec/coffer/*.
install(TARGETS coffer_command RUNTIME DESTINATION bin COMPONENT runtime)
# The EDL compiler under the names that builds of other SDKs look for.
install(TARGETS oeedger8r sgx_edger8r RUNTIME DESTINATION bin COMPONENT development)
install(TARGETS coffer-cell RUNTIME DESTINATION libexec/coffer COMPONENT runtime)
if(TARGET cofferd)
  install(TARGETS cofferd RUNTIME DESTINATION sbin COMPONENT runtime)
  install(FILES ${CMAKE_SOURCE_DIR}/packaging/systemd/coffer.sysusers DESTINATION lib/sysusers.d RENAME coffer.conf
          COMPONENT runtime)
  # The unit names the daemon by its place, which is known when it is installed there.
  install(CODE "set(unit \"${CMAKE_BINARY_DIR}/cofferd.service\")
  configure_file(\"${CMAKE_SOURCE_DIR}/packaging/systemd/cofferd.service.in\" \"\${unit}\" @ONLY)
  file(INSTALL DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\" TYPE FILE FILES \"\${unit}\")"
          COMPONENT runtime)
endif()
# As a file and with its symbols: crash reports are explained with them, and stripping is for programs that run.
install(FILES $<TARGET_FILE:enclave-kernel> DESTINATION libexec/coffer COMPONENT runtime)
install(DIRECTORY ${COFFER_REFERENCE_DIR}/man1 ${COFFER_REFERENCE_DIR}/man8 DESTINATION ${CMAKE_INSTALL_MANDIR}
        COMPONENT runtime)
install(FILES ${COFFER_REFERENCE_DIR}/coffer ${COFFER_REFERENCE_DIR}/cofferd DESTINATION
        ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions COMPONENT runtime)
# Distribution packages and the administrator's own installations have different folders in zsh's search path.
install(CODE [[
  if(CMAKE_INSTALL_PREFIX MATCHES "/usr$")
    set(zsh_folder vendor-completions)
  else()
    set(zsh_folder site-functions)
  endif()]] COMPONENT runtime)
install(CODE "file(INSTALL DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATAROOTDIR}/zsh/\${zsh_folder}\"
  TYPE FILE FILES \"${COFFER_REFERENCE_DIR}/_coffer\" \"${COFFER_REFERENCE_DIR}/_cofferd\")" COMPONENT runtime)
install(FILES ${CMAKE_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/coffer COMPONENT runtime)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/coffer COMPONENT runtime
        FILES_MATCHING PATTERN "*.md" PATTERN "design" EXCLUDE)

# --- development. One archive with everything of Coffer's that coffer_host stands on, so that users link one library and
# no internal name becomes an interface.
function(coffer_closure target archives others)
  get_property(libraries TARGET ${target} PROPERTY INTERFACE_LINK_LIBRARIES)
  foreach(library ${libraries})
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" library "${library}")
    if(library IN_LIST ${archives} OR library IN_LIST ${others} OR library STREQUAL "coffer_hosted")
      continue()
    endif()
    if(TARGET ${library} AND library MATCHES "^coffer_")
      get_target_property(kind ${library} TYPE)
      if(kind STREQUAL "STATIC_LIBRARY")
        list(APPEND ${archives} ${library})
      endif()
      coffer_closure(${library} ${archives} ${others})
    else()
      list(APPEND ${others} ${library})
    endif()
  endforeach()
  set(${archives} ${${archives}} PARENT_SCOPE)
  set(${others} ${${others}} PARENT_SCOPE)
endfunction()

set(coffer_archives coffer_host)
set(coffer_others)
coffer_closure(coffer_host coffer_archives coffer_others)
# What CofferConfig.cmake looks for on the user's machine. A new dependency of the host library goes in both places.
foreach(other ${coffer_others})
  if(NOT other MATCHES "^(OpenSSL::|fmt::|Threads::|nlohmann_json::)|Zydis|^dl$")
    message(FATAL_ERROR "coffer_host now needs ${other}: add it to cmake/CofferConfig.cmake.in and to this list")
  endif()
endforeach()

# coffer_merge(NAME ARCHIVE...): lib/libNAME.a of the archives' members, made by the target NAME_whole.
function(coffer_merge name)
  set(script ${CMAKE_BINARY_DIR}/${name}_whole.mri)
  set(merged ${CMAKE_BINARY_DIR}/lib/lib${name}.a)
  set(lines "create ${merged}\n")
  foreach(archive ${ARGN})
    string(APPEND lines "addlib $<TARGET_FILE:${archive}>\n")
  endforeach()
  string(APPEND lines "save\nend\n")
  file(GENERATE OUTPUT ${script} CONTENT "${lines}")
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  add_custom_command(OUTPUT ${merged} COMMAND ${CMAKE_COMMAND} -E rm -f ${merged} COMMAND ${CMAKE_AR} -M < ${script}
                     DEPENDS ${ARGN} ${script} COMMENT "Merging lib${name}.a" VERBATIM)
  add_custom_target(${name}_whole ALL DEPENDS ${merged})
  install(FILES ${merged} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endfunction()
coffer_merge(coffer_host ${coffer_archives})

# The verifier: Coffer::attest, for programs inside and outside, which need OpenSSL's libcrypto and nothing else.
set(attest_archives coffer_attest)
set(attest_others)
coffer_closure(coffer_attest attest_archives attest_others)
list(REMOVE_ITEM attest_others nlohmann_json::nlohmann_json)  # headers, of its sources only
if(NOT attest_others STREQUAL "OpenSSL::Crypto")
  message(FATAL_ERROR "coffer_attest now needs ${attest_others}: add it to cmake/CofferConfig.cmake.in and here")
endif()
coffer_merge(coffer_attest ${attest_archives})

if(TARGET coffer_enclave)
  install(FILES $<TARGET_FILE:coffer_enclave> DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endif()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/coffer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/CofferConfig.cmake.in ${CMAKE_BINARY_DIR}/CofferConfig.cmake
  INSTALL_DESTINATION ${COFFER_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/CofferConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/CofferConfig.cmake ${CMAKE_BINARY_DIR}/CofferConfigVersion.cmake
              ${CMAKE_SOURCE_DIR}/cmake/CofferAddEnclave.cmake ${CMAKE_SOURCE_DIR}/cmake/CofferAddEdl.cmake
              ${CMAKE_SOURCE_DIR}/cmake/coffer_location.cc.in
        DESTINATION ${COFFER_CMAKE_DIR} COMPONENT development)

# --- Debian packages: `cpack -G DEB` in the build folder.
set(packaged ${CMAKE_BINARY_DIR}/packaging)
file(MAKE_DIRECTORY ${packaged})
file(READ ${CMAKE_SOURCE_DIR}/packaging/copyright copyright_text)
file(WRITE ${packaged}/copyright "${copyright_text}")
configure_file(${CMAKE_SOURCE_DIR}/packaging/changelog.in ${packaged}/changelog @ONLY)
execute_process(COMMAND gzip -9nkf ${packaged}/changelog)
foreach(pair "coffer runtime" "libcoffer-dev development")
  separate_arguments(pair)
  list(GET pair 0 package)
  list(GET pair 1 component)
  install(FILES ${packaged}/copyright ${packaged}/changelog.gz
          DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} COMPONENT ${component})
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGE_NAME coffer)
set(CPACK_PACKAGE_VENDOR "The Coffer authors")
set(CPACK_PACKAGE_CONTACT "The Coffer authors <coffer@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME coffer)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# The maintainer scripts make cofferd's user.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "passwd")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/packaging/debian/postinst;${CMAKE_SOURCE_DIR}/packaging/debian/prerm;${CMAKE_SOURCE_DIR}/packaging/debian/postrm")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "libcoffer-dev, g++, make, gdb")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "confidential computing on any x86-64 machine
 Coffer runs ordinary programs inside SGX enclaves: signed, measured, their
 memory closed to the rest of the machine and their files encrypted for them
 alone. Where the CPU has no SGX, Coffer brings the processor in software.
 .
 This package has the coffer command and what it needs.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcoffer-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "coffer (= ${PROJECT_VERSION}), libssl-dev, libfmt-dev, libzydis-dev, nlohmann-json3-dev, libtinyxml2-9, g++-12")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "confidential computing on any x86-64 machine - development
 Headers, a static library and CMake files for programs that run inside
 enclaves of Coffer, and for programs that load and call such enclaves.")
include(CPack)
