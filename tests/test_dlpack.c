/* test_dlpack.c - DLPack's tensors in and out: adapters/dlpack. */
#include <stdint.h>
#include <string.h>

#include "cudrop_dlpack.h"
#include "suite_context.h"
#include "view.h"

enum { ROWS = 6, COLS = 10, N = ROWS * COLS, PINNED = 3, MANAGED = 13, BOOL = 6 };

static DLDevice device; /* what the context's memory is to DLPack */
static char why[CUDROP_DLPACK_TEXT];
static char memory[16]; /* that is looked at by nobody */

static void open_device(void) {
  open_context();
  device.device_type = suite_backend() == CUDROP_HOST ? kDLCPU : kDLCUDA;
  device.device_id = 0;
}

static DLDevice make_device(int type) {
  const DLDevice made = {.device_type = (DLDeviceType)type};
  return made;
}

/* A 6 x 10 tensor of float at `data`, dense. */
static int64_t sizes[] = {ROWS, COLS};
static DLTensor make_source(void *data) {
  const DLTensor source = {.data = data,
                           .device = device,
                           .ndim = 2,
                           .dtype = {.code = kDLFloat, .bits = 32, .lanes = 1},
                           .shape = sizes};
  return source;
}

/* Fail unless *source is refused so, and the tensor it was to become is as it was. */
static void expect_refused(const DLTensor *source, cudrop_status_t status,
                           const char *text) {
  cudrop_tensor_t tensor, before;
  memset(&tensor, VIEW_POISON, sizeof tensor);
  memcpy(&before, &tensor, sizeof before);
  memset(why, 0, sizeof why);
  const cudrop_status_t got =
      cudrop_from_dlpack(context, source, &tensor, why, sizeof why);
  ck_assert_str_eq(cudrop_status_name(got), cudrop_status_name(status));
  ck_assert_str_eq(why, text);
  ck_assert_mem_eq(&tensor, &before, sizeof before);
}

/* ---- what is taken ------------------------------------------------------------------ */

static cudrop_tensor_t accept(const DLTensor *source) {
  cudrop_tensor_t tensor = {0};
  const cudrop_status_t status =
      cudrop_from_dlpack(context, source, &tensor, why, sizeof why);
  ck_assert_msg(status == CUDROP_OK, "%s", why);
  return tensor;
}

/* Dropout of what a DLTensor says equals dropout of the tensor that is written by hand. */
START_TEST(a_slice_with_strides_and_a_byte_offset_is_dropped_in_its_place) {
  const int64_t shape[] = {3, 4}, stride[] = {2 * COLS, 2};
  int64_t dl_shape[] = {3, 4}, dl_stride[] = {2 * COLS, 2};
  const cudrop_mask_t mask = cudrop_mask(42, 7, 0.4);
  float x[N], by_hand[N], by_dlpack[N];
  void *buffer = NULL;
  for (int e = 0; e < N; ++e) x[e] = (float)(e + 1);
  ck_assert_ok(cudrop_alloc(context, sizeof x, &buffer));

  ck_assert_ok(cudrop_upload(context, buffer, x, sizeof x));
  cudrop_tensor_t slice = cudrop_tensor((float *)buffer + 1, CUDROP_F32, 2, shape);
  memcpy(slice.stride, stride, sizeof stride);
  ck_assert_ok(cudrop_forward(context, &slice, &mask, &slice));
  ck_assert_ok(cudrop_download(context, by_hand, buffer, sizeof x));

  DLTensor source = make_source(buffer);
  source.shape = dl_shape;
  source.strides = dl_stride;
  source.byte_offset = sizeof(float);
  const cudrop_tensor_t tensor = accept(&source);
  ck_assert_ok(cudrop_upload(context, buffer, x, sizeof x));
  ck_assert_ok(cudrop_forward(context, &tensor, &mask, &tensor));
  ck_assert_ok(cudrop_download(context, by_dlpack, buffer, sizeof x));
  ck_assert_mem_eq(by_hand, by_dlpack, sizeof by_hand);
  ck_assert_mem_ne(by_hand, x, sizeof x);
  ck_assert_ok(cudrop_free(context, &buffer));
}
END_TEST

START_TEST(strides_of_null_are_row_major) {
  const DLTensor source = make_source(memory);
  const cudrop_tensor_t want = cudrop_matrix(memory, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t tensor = accept(&source);
  ck_assert_ptr_eq(tensor.data, want.data);
  ck_assert_int_eq(tensor.rank, 2);
  ck_assert_mem_eq(tensor.shape, want.shape, 2 * sizeof(int64_t));
  ck_assert_mem_eq(tensor.stride, want.stride, 2 * sizeof(int64_t));
}
END_TEST

START_TEST(a_scalar_and_an_empty_tensor_are_tensors) {
  DLTensor source = make_source(memory);
  source.ndim = 0;
  source.shape = NULL;
  ck_assert_int_eq(accept(&source).rank, 0);

  int64_t empty[] = {ROWS, 0};
  source = make_source(NULL);
  source.shape = empty;
  source.byte_offset = 64; /* of nothing */
  const cudrop_tensor_t tensor = accept(&source);
  ck_assert_ptr_null(tensor.data);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  ck_assert_ok(cudrop_forward(context, &tensor, &mask, &tensor));
}
END_TEST

static const struct {
  cudrop_dtype_t dtype;
  uint8_t code, bits;
  bool comes_back; /* whether this is what the type becomes on the way out */
} types[] = {
    {CUDROP_F32, kDLFloat, 32, true}, {CUDROP_F16, kDLFloat, 16, true},
    {CUDROP_F64, kDLFloat, 64, true}, {CUDROP_BF16, kDLBfloat, 16, true},
    {CUDROP_U8, kDLUInt, 8, true},    {CUDROP_U8, BOOL, 8, false},
    {CUDROP_I32, kDLInt, 32, true},   {CUDROP_F8E4M3, 10, 8, true},
    {CUDROP_F8E5M2, 12, 8, true},     {CUDROP_I64, kDLInt, 64, true},
};

START_TEST(every_type_goes_in_and_comes_out) {
  DLTensor target, source = make_source(memory);
  source.dtype.code = types[_i].code;
  source.dtype.bits = types[_i].bits;
  cudrop_tensor_t tensor = accept(&source);
  ck_assert_int_eq(tensor.dtype, types[_i].dtype);
  memset(&target, VIEW_POISON, sizeof target);
  ck_assert_int_eq(cudrop_to_dlpack(&tensor, device, &target, NULL, 0), CUDROP_OK);
  if (types[_i].comes_back) ck_assert_int_eq(target.dtype.code, types[_i].code);
  ck_assert_int_eq(target.dtype.bits, types[_i].bits);
  ck_assert_int_eq(target.dtype.lanes, 1);
}
END_TEST

START_TEST(a_round_trip_changes_nothing) {
  const int64_t shape[] = {2, 3, 4}, stride[] = {40, -2, 0};
  cudrop_tensor_t tensor = cudrop_tensor(memory, CUDROP_BF16, 3, shape);
  memcpy(tensor.stride, stride, sizeof stride);
  DLTensor target;
  memset(&target, VIEW_POISON, sizeof target);
  ck_assert_int_eq(cudrop_to_dlpack(&tensor, device, &target, why, sizeof why),
                   CUDROP_OK);
  ck_assert_ptr_eq(target.data, memory);
  ck_assert_int_eq(target.device.device_type, device.device_type);
  ck_assert_int_eq(target.device.device_id, 0);
  ck_assert_int_eq(target.ndim, 3);
  ck_assert_uint_eq(target.byte_offset, 0);
  ck_assert_mem_eq(target.shape, shape, sizeof shape);
  ck_assert_mem_eq(target.strides, stride, sizeof stride);
  const cudrop_tensor_t back = accept(&target);
  ck_assert_mem_eq(&back, &tensor, sizeof back);
}
END_TEST

START_TEST(pinned_and_managed_memory_is_within_reach_of_both_backends) {
  DLTensor source = make_source(memory);
  source.device = make_device(PINNED);
  ck_assert_ptr_eq(accept(&source).data, memory);
  source.device = make_device(MANAGED);
  ck_assert_ptr_eq(accept(&source).data, memory);
}
END_TEST

/* ---- what is refused ---------------------------------------------------------------- */

START_TEST(memory_of_another_side_is_refused) {
  DLTensor source = make_source(memory);
  const bool on_host = suite_backend() == CUDROP_HOST;
  source.device = make_device(on_host ? kDLCUDA : kDLCPU);
  expect_refused(&source, CUDROP_ERROR_WRONG_MEMORY,
                 on_host ? "cudrop_from_dlpack: source has device_type = 2, which a host "
                           "context cannot reach"
                         : "cudrop_from_dlpack: source has device_type = 1, which a CUDA "
                           "context cannot reach");
  source.device = make_device(kDLROCM);
  expect_refused(&source, CUDROP_ERROR_WRONG_MEMORY,
                 on_host
                     ? "cudrop_from_dlpack: source has device_type = 10, which a host "
                       "context cannot reach"
                     : "cudrop_from_dlpack: source has device_type = 10, which a CUDA "
                       "context cannot reach");
}
END_TEST

START_TEST(types_that_cudrop_lacks_are_refused) {
  DLTensor source = make_source(memory);
  source.dtype.lanes = 4;
  expect_refused(&source, CUDROP_ERROR_DTYPE,
                 "cudrop_from_dlpack: source has lanes = 4, which is not 1");
  source.dtype.lanes = 0;
  expect_refused(&source, CUDROP_ERROR_DTYPE,
                 "cudrop_from_dlpack: source has lanes = 0, which is not 1");
  source.dtype.lanes = 1;
  source.dtype.code = kDLInt;
  source.dtype.bits = 16;
  expect_refused(
      &source, CUDROP_ERROR_DTYPE,
      "cudrop_from_dlpack: source has code = 0, bits = 16, which is no type of cudrop's");
  source.dtype.code = kDLComplex;
  expect_refused(
      &source, CUDROP_ERROR_DTYPE,
      "cudrop_from_dlpack: source has code = 5, bits = 16, which is no type of cudrop's");
}
END_TEST

START_TEST(shapes_that_are_none_are_refused) {
  int64_t negative[] = {ROWS, -1};
  DLTensor source = make_source(memory);
  source.ndim = 9;
  expect_refused(&source, CUDROP_ERROR_INVALID_ARGUMENT,
                 "cudrop_from_dlpack: source has ndim = 9, outside [0, 8]");
  source.ndim = -1;
  expect_refused(&source, CUDROP_ERROR_INVALID_ARGUMENT,
                 "cudrop_from_dlpack: source has ndim = -1, outside [0, 8]");
  source = make_source(memory);
  source.shape = NULL;
  expect_refused(&source, CUDROP_ERROR_NULL_POINTER,
                 "cudrop_from_dlpack: source has a shape that is NULL");
  source.shape = negative;
  expect_refused(&source, CUDROP_ERROR_INVALID_ARGUMENT,
                 "cudrop_from_dlpack: source has shape[1] = -1, which is negative");
}
END_TEST

START_TEST(data_that_is_nowhere_is_refused) {
  DLTensor source = make_source(NULL);
  source.byte_offset = 4096;
  expect_refused(&source, CUDROP_ERROR_NULL_POINTER,
                 "cudrop_from_dlpack: source has data that is NULL");
  source = make_source(memory);
  source.byte_offset = UINT64_MAX;
  expect_refused(
      &source, CUDROP_ERROR_OVERFLOW,
      "cudrop_from_dlpack: source has byte_offset = 18446744073709551615, beyond any "
      "memory");
}
END_TEST

START_TEST(arguments_of_null_are_refused) {
  cudrop_tensor_t tensor = cudrop_vector(memory, CUDROP_F32, 1);
  DLTensor source = make_source(memory);
  expect_refused(NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_from_dlpack: source is NULL");
  ck_assert_int_eq(cudrop_from_dlpack(NULL, &source, &tensor, why, sizeof why),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_str_eq(why, "cudrop_from_dlpack: context is NULL");
  ck_assert_int_eq(cudrop_from_dlpack(context, &source, NULL, why, sizeof why),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_str_eq(why, "cudrop_from_dlpack: tensor is NULL");
  ck_assert_int_eq(cudrop_to_dlpack(NULL, device, &source, why, sizeof why),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_str_eq(why, "cudrop_to_dlpack: tensor is NULL");
  ck_assert_int_eq(cudrop_to_dlpack(&tensor, device, NULL, why, sizeof why),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_str_eq(why, "cudrop_to_dlpack: target is NULL");
  ck_assert_int_eq(cudrop_to_dlpack(&tensor, device, NULL, NULL, 0),
                   CUDROP_ERROR_NULL_POINTER); /* nobody wants to know why */
}
END_TEST

START_TEST(what_cannot_go_out_is_refused) {
  DLTensor target, before;
  memset(&target, VIEW_POISON, sizeof target);
  memcpy(&before, &target, sizeof before);
  cudrop_tensor_t tensor = cudrop_vector(memory, CUDROP_F32, 1);
  ck_assert_int_eq(
      cudrop_to_dlpack(&tensor, make_device(kDLMetal), &target, why, sizeof why),
      CUDROP_ERROR_WRONG_MEMORY);
  ck_assert_str_eq(why,
                   "cudrop_to_dlpack: device_type = 8, which is no memory of cudrop's");
  tensor.rank = 9;
  ck_assert_int_eq(cudrop_to_dlpack(&tensor, device, &target, why, sizeof why),
                   CUDROP_ERROR_INVALID_ARGUMENT);
  ck_assert_str_eq(why, "cudrop_to_dlpack: tensor has rank = 9, outside [0, 8]");
  tensor.rank = 1;
  tensor.dtype = (cudrop_dtype_t)0;
  ck_assert_int_eq(cudrop_to_dlpack(&tensor, device, &target, why, sizeof why),
                   CUDROP_ERROR_DTYPE);
  ck_assert_str_eq(why, "cudrop_to_dlpack: tensor has dtype = 0, which is no type");
  ck_assert_mem_eq(&target, &before, sizeof before);
}
END_TEST

START_TEST(a_short_text_is_cut_and_ended) {
  char text[10];
  memset(text, VIEW_POISON, sizeof text);
  ck_assert_int_eq(cudrop_from_dlpack(context, NULL, NULL, text, 9),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_str_eq(text, "cudrop_f");
  ck_assert_uint_eq((uint8_t)text[9], VIEW_POISON);
}
END_TEST

static TCase *dlpack_case(void) {
  TCase *tests = suite_case("dlpack", 60);
  tcase_add_checked_fixture(tests, open_device, close_context);
  tcase_add_test(tests, a_slice_with_strides_and_a_byte_offset_is_dropped_in_its_place);
  tcase_add_test(tests, strides_of_null_are_row_major);
  tcase_add_test(tests, a_scalar_and_an_empty_tensor_are_tensors);
  tcase_add_loop_test(tests, every_type_goes_in_and_comes_out, 0,
                      sizeof types / sizeof types[0]);
  tcase_add_test(tests, a_round_trip_changes_nothing);
  tcase_add_test(tests, pinned_and_managed_memory_is_within_reach_of_both_backends);
  tcase_add_test(tests, memory_of_another_side_is_refused);
  tcase_add_test(tests, types_that_cudrop_lacks_are_refused);
  tcase_add_test(tests, shapes_that_are_none_are_refused);
  tcase_add_test(tests, data_that_is_nowhere_is_refused);
  tcase_add_test(tests, arguments_of_null_are_refused);
  tcase_add_test(tests, what_cannot_go_out_is_refused);
  tcase_add_test(tests, a_short_text_is_cut_and_ended);
  return tests;
}

SUITE_MAIN("dlpack", dlpack_case())
