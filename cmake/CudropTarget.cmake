# How the project's own targets are compiled and linked.

# Strict C11, every warning, and arithmetic that rounds where the source says so.
function(cudrop_compile target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
    CXX_STANDARD 11 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow
      -Wstrict-prototypes -Wmissing-prototypes -ffp-contract=off>)
  if(CUDROP_SANITIZE)
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${CUDROP_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  endif()
endfunction()

function(cudrop_link target)
  if(CUDROP_SANITIZE)
    target_link_options(${target} PUBLIC -fsanitize=${CUDROP_SANITIZE})
  endif()
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
