/*
 * tensor_core.cuh - products of small matrices by a warp, and copies to shared memory while a block
 * goes on. Each function is one instruction of sm_80; a host compiler gets a twin in C, which does
 * what PTX's manual says.
 *
 * The manual's matrices, with g = lane / 4 and t = lane % 4:
 *
 *   left    16 x 16   word 0: row g, columns 2 t and 2 t + 1      word 1: row g + 8
 *                     word 2, 3: the same, 8 columns on
 *   right   16 x 8    word 0: column g, rows 2 t and 2 t + 1      word 1: 8 rows on
 *   sum     16 x 8    at 0, 1: row g, columns 2 t and 2 t + 1     at 2, 3: row g + 8
 */
#ifndef CUDROP_KERNEL_TENSOR_CORE_CUH
#define CUDROP_KERNEL_TENSOR_CORE_CUH

#include "storage.cuh"

struct cudropi_left_t {
  uint32_t word[4];
};
struct cudropi_sum_t {
  float at[4];
};

/* Two elements in a word, as cudropi_f16::get() and the like read a chunk. */
struct cudropi_pair_t {
  uint32_t word[1];
};

/* a and b rounded to Type, a in the lower half. */
template <class Type>
CUDROPI_DEVICE uint32_t cudropi_pack_pair(float a, float b) {
  cudropi_pair_t pair = {};
  Type::set(pair, 0, a, b);
  return pair.word[0];
}

#if defined(__CUDACC__)

CUDROPI_DEVICE uint32_t cudropi_shared_address(const void *at) {
  return (uint32_t)__cvta_generic_to_shared(at);
}

/* sum += left * right, of F16 or BF16. */
CUDROPI_DEVICE void cudropi_multiply(cudropi_f16, cudropi_sum_t &sum,
                                     const cudropi_left_t &left, uint32_t right0,
                                     uint32_t right1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sum.at[0]), "+f"(sum.at[1]), "+f"(sum.at[2]), "+f"(sum.at[3])
      : "r"(left.word[0]), "r"(left.word[1]), "r"(left.word[2]), "r"(left.word[3]),
        "r"(right0), "r"(right1));
}

CUDROPI_DEVICE void cudropi_multiply(cudropi_bf16, cudropi_sum_t &sum,
                                     const cudropi_left_t &left, uint32_t right0,
                                     uint32_t right1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sum.at[0]), "+f"(sum.at[1]), "+f"(sum.at[2]), "+f"(sum.at[3])
      : "r"(left.word[0]), "r"(left.word[1]), "r"(left.word[2]), "r"(left.word[3]),
        "r"(right0), "r"(right1));
}

/* Load four matrices of 8 x 8 from shared memory. Lane 8 m + r passes the address of row r, 16
 * bytes, of matrix m; lane 4 g + t gets the columns 2 t and 2 t + 1 of row g of each. */
CUDROPI_DEVICE void cudropi_load_matrices(const void *row, uint32_t (&word)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3])
               : "r"(cudropi_shared_address(row)));
}

/* The same, but lane 4 g + t gets the rows 2 t and 2 t + 1 of column g. */
CUDROPI_DEVICE void cudropi_load_transposed(const void *row, uint32_t (&word)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3])
               : "r"(cudropi_shared_address(row)));
}

/* Begin to copy 16 bytes, or 4, to shared memory; zeros if there is nothing to copy, and `from` is
 * then not read. */
CUDROPI_DEVICE void cudropi_copy16(void *to, const void *from, bool is_there) {
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(cudropi_shared_address(to)),
      "l"(from), "r"(is_there ? 16 : 0)
      : "memory");
}
CUDROPI_DEVICE void cudropi_copy4(void *to, const void *from, bool is_there) {
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(cudropi_shared_address(to)),
      "l"(from), "r"(is_there ? 4 : 0)
      : "memory");
}

/* The thread's copies since the last call are a batch. */
CUDROPI_DEVICE void cudropi_end_batch() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Wait for the thread's batches but the last `left`. */
template <int left>
CUDROPI_DEVICE void cudropi_await_batches() {
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

/* A kernel with copies begins with this call, which the twins need. */
CUDROPI_DEVICE void cudropi_begin_batches() {}

/* 2^x, within 2 units in the last place; subnormal results are 0. */
CUDROPI_DEVICE float cudropi_exp2(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}

/* Are the halves of `word` at least the upper half of `least`, whose lower half is 0? */
CUDROPI_DEVICE void cudropi_keep_pair(uint32_t word, uint32_t least, bool &low,
                                      bool &high) {
#if __CUDA_ARCH__ >= 900
  __vibmax_u16x2(word, least >> 16 | least, &high, &low);
#else
  low = word << 16 >= least;
  high = word >= least;
#endif
}

#else /* the twins */

#include <vector>

namespace cudropi_twin {

/* What the lanes of each warp show each other. The threads of a launch are one of the CPU. */
inline const void *(&table())[32][32] {
  static thread_local const void *shown[32][32];
  return shown;
}

/* Show an address to the warp. Returns the addresses of all lanes, which are good until part(). */
inline const void *const *meet(const void *mine) {
  const void *(&shown)[32][32] = table();
  shown[threadIdx.x / 32][threadIdx.x % 32] = mine;
  __syncwarp();
  return shown[threadIdx.x / 32];
}
inline void part() {
  __syncwarp();
}

/* A copy is made when it is waited for, not sooner: a wait that is missing shows. */
struct copy_t {
  void *to;
  const void *from;
  std::size_t bytes;
  bool is_there;
};
inline std::vector<std::vector<copy_t> > &batches() {
  static thread_local std::vector<std::vector<copy_t> > of_threads[1024];
  return of_threads[threadIdx.x];
}

inline float element(cudropi_f16, uint32_t word, int half) {
  return cudropi_f16::get(cudropi_pair_t{{word}}, half);
}
inline float element(cudropi_bf16, uint32_t word, int half) {
  return cudropi_bf16::get(cudropi_pair_t{{word}}, half);
}

struct operands_t {
  uint32_t left[4], right[2];
};

}  // namespace cudropi_twin

/* The products are exact; their sum is made in double and rounded once. The hardware aligns and
 * truncates instead, with bits that differ between architectures. */
template <class Type>
static void cudropi_multiply(Type type, cudropi_sum_t &sum, const cudropi_left_t &left,
                             uint32_t right0, uint32_t right1) {
  using cudropi_twin::operands_t;
  const operands_t mine = {{left.word[0], left.word[1], left.word[2], left.word[3]},
                           {right0, right1}};
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const void *const *all = cudropi_twin::meet(&mine);
  for (unsigned e = 0; e < 4; ++e) {
    double total = sum.at[e];
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned of_t = k % 8 / 2, upper = k / 8, half = k % 2;
      const auto *row = static_cast<const operands_t *>(all[4 * g + of_t]);
      const auto *col = static_cast<const operands_t *>(all[4 * (2 * t + e % 2) + of_t]);
      total += static_cast<double>(cudropi_twin::element(
                   type, row->left[e / 2 + 2 * upper], static_cast<int>(half))) *
               cudropi_twin::element(type, col->right[upper], static_cast<int>(half));
    }
    sum.at[e] = static_cast<float>(total);
  }
  cudropi_twin::part();
}

static inline void cudropi_load_matrices(const void *row, uint32_t (&word)[4]) {
  const unsigned lane = threadIdx.x % 32;
  const void *const *all = cudropi_twin::meet(row);
  for (unsigned m = 0; m < 4; ++m)
    std::memcpy(&word[m],
                static_cast<const char *>(all[8 * m + lane / 4]) + 4 * (lane % 4), 4);
  cudropi_twin::part();
}

static inline void cudropi_load_transposed(const void *row, uint32_t (&word)[4]) {
  const unsigned lane = threadIdx.x % 32;
  const void *const *all = cudropi_twin::meet(row);
  for (unsigned m = 0; m < 4; ++m)
    for (unsigned half = 0; half < 2; ++half)
      std::memcpy(
          reinterpret_cast<char *>(&word[m]) + 2 * half,
          static_cast<const char *>(all[8 * m + 2 * (lane % 4) + half]) + 2 * (lane / 4),
          2);
  cudropi_twin::part();
}

static inline void cudropi_begin_batches() {
  cudropi_twin::batches().assign(1, {});
}
static inline void cudropi_copy16(void *to, const void *from, bool is_there) {
  cudropi_twin::batches().back().push_back({to, from, 16, is_there});
}
static inline void cudropi_copy4(void *to, const void *from, bool is_there) {
  cudropi_twin::batches().back().push_back({to, from, 4, is_there});
}
static inline void cudropi_end_batch() {
  cudropi_twin::batches().emplace_back();
}

template <int left>
static void cudropi_await_batches() {
  auto &batches = cudropi_twin::batches();
  while (batches.size() > left + 1u) {
    for (const cudropi_twin::copy_t &copy : batches.front()) {
      if (copy.is_there) {
        std::memcpy(copy.to, copy.from, copy.bytes);
      } else {
        std::memset(copy.to, 0, copy.bytes);
      }
    }
    batches.erase(batches.begin());
  }
}

static inline float cudropi_exp2(float x) {
  return static_cast<float>(std::exp2(static_cast<double>(x)));
}

static inline void cudropi_keep_pair(uint32_t word, uint32_t least, bool &low,
                                     bool &high) {
  low = word << 16 >= least;
  high = word >= least;
}

#endif

#endif /* CUDROP_KERNEL_TENSOR_CORE_CUH */
