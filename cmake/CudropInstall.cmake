# What `cmake --install` puts where: the libraries, the headers, the program, a CMake package,
# cudrop.pc, the manual page and the licence. It may be moved afterwards, as a whole.

include(CMakePackageConfigHelpers)

# Three components, which are packages of their own (CudropPackage.cmake): the shared library
# (`library`), what compilers need (`development`), and the program (`program`).
install(TARGETS cudrop_cli COMPONENT program)
install(DIRECTORY include/cudrop TYPE INCLUDE COMPONENT development
        FILES_MATCHING PATTERN "*.h" PATTERN "*.cuh")
install(FILES adapters/dlpack/cudrop_dlpack.h TYPE INCLUDE # beside them: it needs DLPack's header
        COMPONENT development)
install(FILES LICENSE TYPE DOC COMPONENT license)

# The program's manual page, from what its --help prints.
if(NOT CMAKE_CROSSCOMPILING)
  set(manual ${PROJECT_BINARY_DIR}/cudrop.1)
  add_custom_command(OUTPUT ${manual}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:cudrop_cli> -DVERSION=${PROJECT_VERSION}
      -DMANUAL=${manual} -P ${PROJECT_SOURCE_DIR}/cmake/write_manual.cmake
    DEPENDS cudrop_cli cmake/write_manual.cmake VERBATIM)
  add_custom_target(cudrop_manual ALL DEPENDS ${manual})
  install(FILES ${manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
endif()

# ---- the CMake package --------------------------------------------------------------------

# An export a library, so that a package of one alone is whole, and so that the shared one can be
# read where the static one's needs are not met.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/cudrop)
foreach(Kind Shared Static)
  string(TOLOWER ${Kind} kind)
  set_target_properties(cudrop_${kind} PROPERTIES EXPORT_NAME ${kind})
  install(TARGETS cudrop_${kind} EXPORT cudrop_${kind}
          LIBRARY COMPONENT library NAMELINK_COMPONENT development
          ARCHIVE COMPONENT development)
  install(EXPORT cudrop_${kind} NAMESPACE cudrop:: DESTINATION ${package}
          FILE cudrop${Kind}Targets.cmake COMPONENT development)
endforeach()

# The versions that serve one caller are those that have one SONAME.
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
configure_package_config_file(cmake/cudropConfig.cmake.in cudropConfig.cmake
  INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(cudropConfigVersion.cmake COMPATIBILITY ${compatibility})
install(FILES ${PROJECT_BINARY_DIR}/cudropConfig.cmake
  ${PROJECT_BINARY_DIR}/cudropConfigVersion.cmake DESTINATION ${package}
  COMPONENT development)

# ---- pkg-config ---------------------------------------------------------------------------

# Everything from the prefix, and the prefix from where cudrop.pc lies.
set(pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${pkgconfig}
           OUTPUT_VARIABLE CUDROP_PREFIX_FROM_PC)
foreach(folder LIBDIR INCLUDEDIR)
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_${folder} BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
             OUTPUT_VARIABLE CUDROP_${folder})
endforeach()
set(CUDROP_PC_LIBS_PRIVATE "-lm -lpthread")
set(CUDROP_PC_VARIABLES "")
if(CUDROP_CUDA)
  set(CUDROP_PC_VARIABLES "cuda_libdir=${CUDAToolkit_LIBRARY_DIR}\n")
  string(APPEND CUDROP_PC_LIBS_PRIVATE
         " -L\${cuda_libdir} -lcudart_static -ldl -lrt")
endif()
configure_file(cmake/cudrop.pc.in cudrop.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cudrop.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)

if(PROJECT_IS_TOP_LEVEL)
  include(cmake/CudropPackage.cmake)
endif()
