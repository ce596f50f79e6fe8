/* device_array.h - device memory for a test, which the host can read here. */
#ifndef CUDROP_DEVICE_ARRAY_H
#define CUDROP_DEVICE_ARRAY_H

#include <check.h>
#include <cuda_runtime_api.h>

#include <cstddef>

/* n elements that nothing has been written to; freed at the end of the scope. */
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t n) {
    void *memory = nullptr;
    ck_assert_int_eq(cudaMalloc(&memory, n * sizeof(T)), cudaSuccess);
    first_ = static_cast<T *>(memory);
  }
  ~device_array() { cudaFree(first_); }
  device_array(const device_array &) = delete;
  device_array &operator=(const device_array &) = delete;

  T *get() const { return first_; }
  T &operator[](std::size_t k) const { return first_[k]; }

 private:
  T *first_;
};

#endif /* CUDROP_DEVICE_ARRAY_H */
