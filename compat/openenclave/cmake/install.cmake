# Where Open Enclave's users look for things; component `development`.
include(CMakePackageConfigHelpers)

set(OE_API_LEVEL 0.19.0)  # of the public API that the headers have
# Allocations that the library of the trusted side counts (enclave/memory.cc).
set(OE_WRAP_OPTIONS)
foreach(function malloc calloc realloc free memalign aligned_alloc posix_memalign)
  list(APPEND OE_WRAP_OPTIONS LINKER:--wrap=${function})
endforeach()
string(REPLACE "LINKER:" "-Wl," OE_WRAP_FLAGS "${OE_WRAP_OPTIONS}")
string(REPLACE ";" " " OE_WRAP_FLAGS "${OE_WRAP_FLAGS}")

set(oe_libraries ${CMAKE_INSTALL_LIBDIR}/openenclave)
install(DIRECTORY ${oe_include}/openenclave DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES $<TARGET_FILE:coffer_oehost> DESTINATION ${oe_libraries}/host COMPONENT development)
install(FILES $<TARGET_FILE:coffer_oeenclave> DESTINATION ${oe_libraries}/enclave COMPONENT development)
# Under the name that Makefiles search for.
install(FILES $<TARGET_OBJECTS:coffer_oeseal> DESTINATION ${oe_libraries}/enclave/objects-Release/oeseal_gcmaes
        RENAME seal_gcmaes.c.o COMPONENT development)
install(TARGETS oesign RUNTIME DESTINATION bin COMPONENT development)

set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
foreach(compiler gcc g++ clang clang++)
  foreach(side host enclave)
    configure_file(cmake/oe${side}.pc.in ${generated}/oe${side}-${compiler}.pc @ONLY)
    install(FILES ${generated}/oe${side}-${compiler}.pc DESTINATION share/pkgconfig COMPONENT development)
  endforeach()
endforeach()
configure_file(cmake/openenclaverc.in ${generated}/openenclaverc @ONLY)
install(FILES ${generated}/openenclaverc DESTINATION share/openenclave COMPONENT development)
configure_package_config_file(cmake/OpenEnclaveConfig.cmake.in ${generated}/OpenEnclaveConfig.cmake
  INSTALL_DESTINATION ${oe_libraries}/cmake PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${generated}/OpenEnclaveConfigVersion.cmake VERSION ${OE_API_LEVEL}
                                 COMPATIBILITY AnyNewerVersion)
install(FILES ${generated}/OpenEnclaveConfig.cmake ${generated}/OpenEnclaveConfigVersion.cmake
        DESTINATION ${oe_libraries}/cmake COMPONENT development)
