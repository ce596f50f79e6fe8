# The tests of what is in examples/ and of bench/peers; a part of CMakeLists.txt.

# SCRIPT.sh with arguments, which ends with 77 where it cannot run; a NAME that ends in _gpu is
# for a GPU.
function(cudrop_script_test name script)
  add_test(NAME ${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${script}.sh ${ARGN})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
  if(name MATCHES "_gpu$")
    set_tests_properties(${name} PROPERTIES LABELS gpu RUN_SERIAL ON)
  endif()
endfunction()

if(TARGET mlp_fashion)
  cudrop_test(test_mlp_gradient LIBRARIES mlp_double)
  cudrop_test(test_mlp_maths LIBRARIES mlp_float)
  cudrop_test(test_mlp_samples LIBRARIES mlp_double)
  foreach(name check_mlp_fashion check_mlp_resume)
    cudrop_script_test(${name} ${name} $<TARGET_FILE:mlp_fashion> host)
  endforeach()
  if(CUDROP_CUDA AND TARGET CUDA::cublas)
    cudrop_test(test_mlp_backends GPU_ONLY LIBRARIES mlp_float)
    cudrop_gpu_test(test_mlp_backends)
    cudrop_gpu_test(test_mlp_maths)
    foreach(name check_mlp_fashion check_mlp_resume)
      cudrop_script_test(${name}_gpu ${name} $<TARGET_FILE:mlp_fashion> cuda)
    endforeach()
  endif()
else()
  foreach(name test_mlp_gradient test_mlp_maths test_mlp_samples check_mlp_fashion check_mlp_resume)
    cudrop_skip_test(${name} "${no_network}")
  endforeach()
endif()

if(TARGET engine)
  cudrop_test(test_bad_engine LIBRARIES engine_static)
  cudrop_test(test_engine LIBRARIES engine_static)
  cudrop_test(test_network LIBRARIES network)
  cudrop_script_test(check_onnx check_onnx $<TARGET_FILE:onnx_dropout>)
  cudrop_script_test(check_engine check_engine $<TARGET_FILE:engine>
    $<TARGET_FILE:mlp_fashion> host)
  if(CUDROP_CUDA AND TARGET CUDA::cublas)
    cudrop_gpu_test(test_bad_engine)
    cudrop_gpu_test(test_engine)
    cudrop_script_test(check_onnx_gpu check_onnx $<TARGET_FILE:onnx_dropout> --backend cuda)
    cudrop_script_test(check_engine_gpu check_engine $<TARGET_FILE:engine>
      $<TARGET_FILE:mlp_fashion> cuda)
  endif()
else()
  foreach(name test_bad_engine test_engine test_network check_onnx check_engine)
    cudrop_skip_test(${name} "${no_network}")
  endforeach()
endif()

if(TARGET gpt)
  cudrop_test(test_gpt_gradient SOURCES support/gpt_reference.c LIBRARIES gpt_alone)
  foreach(name check_gpt check_gpt_resume)
    add_test(NAME ${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh $<TARGET_FILE:gpt> host)
    set_tests_properties(${name} PROPERTIES TIMEOUT 600)
  endforeach()
  # GPT-2's smallest, of 2.6 GB: every way to drop takes two steps.
  add_test(NAME check_gpt_124M COMMAND gpt --backend host --measure --model 124M --batch 1
    --length 64 --steps 1)
  set_tests_properties(check_gpt_124M PROPERTIES TIMEOUT 1800 LABELS slow
    PASS_REGULAR_EXPRESSION "\nfused .*\nseparate +fused .*\nseparate +separate .*\n\
separate +bytes .*\nseparate +bits ")
  if(CUDROP_CUDA AND TARGET CUDA::cublas)
    cudrop_test(test_gpt_backends GPU_ONLY LIBRARIES gpt_alone)
    cudrop_gpu_test(test_gpt_backends)
    foreach(name check_gpt check_gpt_resume)
      cudrop_script_test(${name}_gpu ${name} $<TARGET_FILE:gpt> cuda)
    endforeach()
  endif()
else()
  foreach(name test_gpt_gradient check_gpt check_gpt_resume)
    cudrop_skip_test(${name} "${no_network}")
  endforeach()
endif()

# On ranks of Open MPI, which asks root twice whether that is meant, and which does not give back
# all of its memory.
if(TARGET gpt_mpi)
  add_executable(test_gpt_parallel test_gpt_parallel.c)
  cudrop_compile(test_gpt_parallel)
  target_link_libraries(test_gpt_parallel PRIVATE cudrop_test_support gpt_ranks)
  foreach(ranks 1 2 4)
    add_test(NAME test_gpt_parallel_${ranks} COMMAND ${MPIEXEC_EXECUTABLE} -n ${ranks}
      --oversubscribe $<TARGET_FILE:test_gpt_parallel>)
    list(APPEND mpi_tests test_gpt_parallel_${ranks})
  endforeach()
  add_test(NAME check_gpt_mpi COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check_gpt_mpi.sh
    $<TARGET_FILE:gpt> $<TARGET_FILE:gpt_mpi> ${MPIEXEC_EXECUTABLE})
  set_tests_properties(${mpi_tests} check_gpt_mpi PROPERTIES TIMEOUT 600 RUN_SERIAL ON
    ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;CK_FORK=no;\
OPENBLAS_NUM_THREADS=1;ASAN_OPTIONS=detect_leaks=0")
else()
  cudrop_skip_test(test_gpt_parallel "${no_ranks}")
  cudrop_skip_test(check_gpt_mpi "${no_ranks}")
endif()

if(TARGET plain_loop)
  cudrop_script_test(check_peers check_peers ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
endif()

if(TARGET shared_masks)
  add_test(NAME check_shared COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check_output.sh
    $<TARGET_FILE:shared_masks> ${CMAKE_CURRENT_SOURCE_DIR}/data/shared.txt)
endif()

if(TARGET choosing)
  cudrop_test(test_choosing LIBRARIES choosing)
endif()

if(TARGET recipes)
  cudrop_test(test_recipes LIBRARIES recipes)
  cudrop_test(test_recipe_onnxruntime LIBRARIES recipe_onnxruntime)
  if(TARGET cudrop_onnxruntime AND NOT CUDROP_SANITIZE)
    add_test(NAME check_onnxruntime COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check_onnxruntime.py
      $<TARGET_FILE:cudrop_onnxruntime> $<TARGET_FILE:cudrop_cli>)
    set_tests_properties(check_onnxruntime PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
  else()
    cudrop_skip_test(check_onnxruntime "no header of ONNX Runtime, or sanitizers")
  endif()
  # llm.c is C++.
  enable_language(CXX)
  set(llmc_in_cpp ${CMAKE_CURRENT_BINARY_DIR}/llmc_in_cpp.cpp)
  file(CONFIGURE OUTPUT ${llmc_in_cpp} CONTENT "#include \"llmc.c\"\n")
  add_library(recipes_in_cpp OBJECT ${llmc_in_cpp})
  target_compile_options(recipes_in_cpp PRIVATE -Wall -Wpedantic -Werror)
  target_include_directories(recipes_in_cpp PRIVATE ../include ../examples/recipes)
endif()

# The book's numbers, on the backend that the arguments name.
function(cudrop_book_test name program)
  cudrop_script_test(${name} check_book $<TARGET_FILE:${program}>
    ${CMAKE_CURRENT_SOURCE_DIR}/data/book.txt ${ARGN})
endfunction()

if(TARGET book)
  cudrop_book_test(check_book book --backend host)
  if(CUDROP_CUDA)
    cudrop_book_test(check_book_gpu book --backend cuda)
  endif()
endif()

# The command lines of all that is here, and of the scripts.
foreach(target cudrop_cli mlp_fashion gpt engine onnx_dropout book shared_masks)
  if(TARGET ${target})
    get_target_property(output ${target} OUTPUT_NAME)
    if(NOT output)
      set(output ${target})
    endif()
    list(APPEND programs ${output}=$<TARGET_FILE:${target}>)
  endif()
endforeach()
if(NOT CUDROP_SANITIZE) # in which two hundred starts of a program take minutes
  cudrop_script_test(check_options check_options ${PROJECT_SOURCE_DIR} ${programs})
endif()
cudrop_script_test(check_scripts check_scripts ${PROJECT_SOURCE_DIR})
