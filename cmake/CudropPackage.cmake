# What cpack makes, for script/package: Debian packages of the library, of what compilers need and of
# the program, and one archive of it all.

set(CPACK_PACKAGE_NAME cudrop)
set(CPACK_PACKAGE_VENDOR "the cudrop authors")
set(CPACK_PACKAGE_CONTACT "the cudrop authors <cudrop@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)

# ---- Debian -------------------------------------------------------------------------------

# The library's package has the SONAME's version in its name, so that two may be installed.
set(names_library libcudrop${CUDROP_SOVERSION})
set(names_development libcudrop-dev)
set(names_program cudrop)
set(same "libcudrop${CUDROP_SOVERSION} (= ${PROJECT_VERSION})")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}) # of the program's library
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY "=")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${same}, libc6-dev")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "${same}")
if(CUDROP_CUDA) # the static library is linked with the toolkit's runtime
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "nvidia-cuda-toolkit")
endif()
foreach(component library development program)
  string(TOUPPER ${component} COMPONENT)
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME ${names_${component}})
  install(FILES LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${names_${component}}
          COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

# The archive has everything in one, and the licence once.
set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)
if(NOT CPACK_COMPONENTS_ALL)
  set(CPACK_COMPONENTS_ALL library development program)
endif()
include(CPack)
