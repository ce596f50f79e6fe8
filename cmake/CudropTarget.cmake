# How the project's own targets are compiled and linked.

# -ffast-math and its parts, whoever asks for them (CFLAGS, a project around this one), are taken
# back: checks of NaN would vanish. To take back is surer than to look for such options, for a
# compiler takes the last of two and `-fno-fast-math` is the opposite of all parts, while clang has
# no macro for most of them; csrc/core/arithmetic.h stops builds without these flags. Linked with
# -Ofast or a part of -ffast-math, gcc's crtfastmath.o flushes subnormal numbers in the program.
function(cudrop_refuse_fast_math target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-fast-math>
    $<$<COMPILE_LANG_AND_ID:C,Clang,AppleClang,IntelLLVM>:-fdenormal-fp-math=ieee>
    $<$<COMPILE_LANG_AND_ID:CXX,Clang,AppleClang,IntelLLVM>:-fdenormal-fp-math=ieee>
    # Behind -fno-fast-math, which in clang allows contraction.
    $<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off>)
  target_link_options(${target} PRIVATE
    $<$<LINK_LANGUAGE:C,CXX>:-O2;-fno-fast-math;-fno-unsafe-math-optimizations>)
endfunction()

# Strict C11, every warning, and arithmetic that rounds where the source says so.
function(cudrop_compile target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
    CXX_STANDARD 11 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow
      -Wstrict-prototypes -Wmissing-prototypes>)
  cudrop_refuse_fast_math(${target})
  if(CUDROP_SANITIZE)
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${CUDROP_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  endif()
endfunction()

# The vectors of the host backend. With -O3 gcc 12 spills more of them.
function(cudrop_compile_vectors target)
  target_compile_definitions(${target} PRIVATE CUDROP_WITH_VECTORS)
  foreach(path "sse2 -msse2" "avx2 -mavx2;-mf16c;-mpopcnt"
      "avx512 -mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mf16c;-mpopcnt")
    string(REGEX MATCH "^[^ ]*" name "${path}")
    string(REGEX REPLACE "^[^ ]* " "" flags "${path}")
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/csrc/host/vector_${name}.c APPEND PROPERTY
      COMPILE_OPTIONS ${flags} -O2 -Wno-psabi)
    if(NOT name STREQUAL sse2)
      set_property(SOURCE ${PROJECT_SOURCE_DIR}/csrc/host/rows_${name}.c APPEND PROPERTY
        COMPILE_OPTIONS ${flags} -mfma -O3 -fno-math-errno -fno-trapping-math)
    endif()
  endforeach()
endfunction()

# The CUDA backend: its C files and the kernels, in which nothing rounds otherwise than in
# the source, and no warning passes. The host's side of a kernel has neither
# exceptions nor statics that threads could race for (nvcc makes one for <<< >>>, which is not
# used), so that the library needs no C++ runtime.
function(cudrop_compile_cuda target)
  target_compile_definitions(${target} PRIVATE CUDROP_WITH_CUDA)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/kernels)
  target_include_directories(${target} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  set_target_properties(${target} PROPERTIES
    CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_VISIBILITY_PRESET hidden)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false -ftz=false -prec-div=true -prec-sqrt=true
    --compress-mode=size --Werror=all-warnings
    -Xcompiler=-Wall,-fno-fast-math,-ffp-contract=off,-fno-exceptions,-fno-threadsafe-statics>)
endfunction()

# CUB, apart from the caller's CUDA errors and from a C++ runtime (kernels/sort). Some of its
# versions do not compile with -fno-exceptions; none of them throws here.
function(cudrop_compile_cub)
  include(CheckCompilerFlag)
  check_compiler_flag(CUDA -Xcompiler=-fno-gnu-unique CUDROP_HAS_NO_GNU_UNIQUE)
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/kernels/sort/cub.cu APPEND PROPERTY COMPILE_OPTIONS
    -Xcompiler=-fexceptions,-fno-rtti,-include,${PROJECT_SOURCE_DIR}/kernels/sort/redirect.h
    $<$<BOOL:${CUDROP_HAS_NO_GNU_UNIQUE}>:-Xcompiler=-fno-gnu-unique>)
endfunction()

function(cudrop_link target)
  cudrop_refuse_fast_math(${target})
  if(CUDROP_SANITIZE)
    target_link_options(${target} PUBLIC -fsanitize=${CUDROP_SANITIZE})
  endif()
endfunction()

# Where the installed program finds the library: beside it, so that both may be moved; or, if only
# one of their folders is an absolute path, or the library's lies elsewhere, in that very folder.
function(cudrop_find_from_program result)
  set(folder ${CMAKE_INSTALL_FULL_LIBDIR})
  cmake_path(IS_ABSOLUTE CMAKE_INSTALL_BINDIR bin_is_fixed)
  cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR lib_is_fixed)
  cmake_path(IS_PREFIX CMAKE_INSTALL_PREFIX "${folder}" NORMALIZE is_inside)
  if(is_inside AND bin_is_fixed STREQUAL lib_is_fixed)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY "${CMAKE_INSTALL_FULL_BINDIR}")
    set(folder "$ORIGIN/${folder}")
  endif()
  set(${result} "${folder}" PARENT_SCOPE)
endfunction()

# Write `output` in the build folder: the C file that defines `const char name[]` as the
# text of `file`.
function(cudrop_embed name file output)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${output} CONTENT
       "extern const char @name@[];\nconst char @name@[] = {@bytes@0};\n" @ONLY)
endfunction()

# What git calls the commit that is built, with "-dirty" behind it if files differ from it. The
# project is configured again after a commit.
function(cudrop_describe_commit result)
  set(commit "${CUDROP_COMMIT}")
  find_package(Git QUIET)
  if(NOT commit AND Git_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE commit ERROR_QUIET
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --git-path logs/HEAD
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE log ERROR_QUIET
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    get_filename_component(log "${log}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
    if(commit AND EXISTS "${log}")
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
    endif()
  endif()
  if(NOT commit)
    set(commit unknown)
  endif()
  set(${result} "${commit}" PARENT_SCOPE)
endfunction()
