# What the programs under examples/ need and the library does not: BLAS::BLAS with a CBLAS, whose
# header is in CBLAS_INCLUDE_DIR, and ZLIB::ZLIB. CUDROP_HAVE_CBLAS and ZLIB_FOUND say whether
# they are there.
include(CheckSymbolExists)

macro(cudrop_find_cblas)
  find_package(BLAS QUIET)
  find_package(ZLIB QUIET)
  find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas cblas)
  if(BLAS_FOUND AND CBLAS_INCLUDE_DIR)
    set(CMAKE_REQUIRED_INCLUDES ${CBLAS_INCLUDE_DIR})
    set(CMAKE_REQUIRED_LIBRARIES BLAS::BLAS)
    check_symbol_exists(cblas_sgemm cblas.h CUDROP_HAVE_CBLAS)
    unset(CMAKE_REQUIRED_INCLUDES)
    unset(CMAKE_REQUIRED_LIBRARIES)
  endif()
endmacro()
