// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/line_map.h"

#include <algorithm>
#include <atomic>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sallyport {

namespace detail {

namespace {

// The bits of 64 octets.
struct Block {
  std::uint64_t control;
  std::uint64_t colon;
  std::uint64_t blank;
};

void put(const Block& block, LineBits& out) {
  *out.control++ = block.control;
  *out.colon++ = block.colon;
  *out.blank++ = block.blank;
}

// The last block, of which `used` octets are text.
void put_last(const Block& block, std::size_t used, LineBits out) {
  const std::uint64_t behind = ~std::uint64_t{0} << used;
  put({block.control | behind, block.colon | behind, block.blank | behind}, out);
}

Block one_by_one(const char* text, std::size_t size) {
  Block block{};
  for (std::size_t i = 0; i < size; ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (code < 0x20 && code != '\t') block.control |= bit;
    if (code == ':') block.colon |= bit;
    if (code == ' ' || code == '\t') block.blank |= bit;
  }
  return block;
}

void map_portable(const char* text, std::size_t size, LineBits out) {
  for (; size >= 64; size -= 64, text += 64) put(one_by_one(text, 64), out);
  put_last(one_by_one(text, size), size, out);
}

bool always() {
  return true;
}

#if defined(__x86_64__)

Block block_sse2(const char* text) {
  const __m128i limit = _mm_set1_epi8(0x1f);
  Block block{};
  for (unsigned i = 0; i < 64; i += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i));
    const __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v);
    const auto add = [i](std::uint64_t& to, __m128i octets) {
      to |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(octets))} << i;
    };
    add(block.control, _mm_andnot_si128(tab, low));
    add(block.colon, _mm_cmpeq_epi8(v, _mm_set1_epi8(':')));
    add(block.blank, _mm_or_si128(tab, _mm_cmpeq_epi8(v, _mm_set1_epi8(' '))));
  }
  return block;
}

void map_sse2(const char* text, std::size_t size, LineBits out) {
  for (; size >= 64; size -= 64, text += 64) put(block_sse2(text), out);
  char last[64] = {};
  std::copy_n(text, size, last);
  put_last(block_sse2(last), size, out);
}

#define SALLYPORT_AVX2 __attribute__((target("avx2")))

SALLYPORT_AVX2 inline std::uint64_t mask_of(__m256i low, __m256i high) {
  return std::uint64_t{static_cast<unsigned>(_mm256_movemask_epi8(low))} |
         std::uint64_t{static_cast<unsigned>(_mm256_movemask_epi8(high))} << 32;
}

SALLYPORT_AVX2 inline Block block_avx2(const char* text) {
  const __m256i limit = _mm256_set1_epi8(0x1f);
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32));
  const __m256i tab = _mm256_set1_epi8('\t');
  const __m256i tab_a = _mm256_cmpeq_epi8(a, tab);
  const __m256i tab_b = _mm256_cmpeq_epi8(b, tab);
  const __m256i low_a = _mm256_cmpeq_epi8(_mm256_min_epu8(a, limit), a);
  const __m256i low_b = _mm256_cmpeq_epi8(_mm256_min_epu8(b, limit), b);
  const __m256i colon = _mm256_set1_epi8(':');
  const __m256i space = _mm256_set1_epi8(' ');
  return {mask_of(_mm256_andnot_si256(tab_a, low_a), _mm256_andnot_si256(tab_b, low_b)),
          mask_of(_mm256_cmpeq_epi8(a, colon), _mm256_cmpeq_epi8(b, colon)),
          mask_of(_mm256_or_si256(tab_a, _mm256_cmpeq_epi8(a, space)),
                  _mm256_or_si256(tab_b, _mm256_cmpeq_epi8(b, space)))};
}

SALLYPORT_AVX2 void map_avx2(const char* text, std::size_t size, LineBits out) {
  for (; size >= 64; size -= 64, text += 64) put(block_avx2(text), out);
  char last[64] = {};
  std::copy_n(text, size, last);
  put_last(block_avx2(last), size, out);
}

#define SALLYPORT_AVX512 __attribute__((target("avx512bw,avx512vl")))

SALLYPORT_AVX512 inline Block block_avx512(__m512i v) {
  const std::uint64_t tab = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t'));
  return {_mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)) & ~tab,
          _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(':')),
          _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(' ')) | tab};
}

SALLYPORT_AVX512 void map_avx512(const char* text, std::size_t size, LineBits out) {
  for (; size >= 64; size -= 64, text += 64) put(block_avx512(_mm512_loadu_si512(text)), out);
  const __mmask64 used = ~(~std::uint64_t{0} << size);  // what is masked out is not read
  put_last(block_avx512(_mm512_maskz_loadu_epi8(used, text)), size, out);
}

#undef SALLYPORT_AVX2
#undef SALLYPORT_AVX512

bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0;
}

// VBMI2 came with the processors whose clock does not fall when 512 bits are used now and then.
bool has_fast_avx512() {
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512vbmi2") != 0;
}

constexpr std::array kKernels{LineKernel{"avx512", has_fast_avx512, map_avx512},
                              LineKernel{"avx2", has_avx2, map_avx2}, LineKernel{"sse2", always, map_sse2},
                              LineKernel{"portable", always, map_portable}};

#else

constexpr std::array kKernels{LineKernel{"portable", always, map_portable}};

#endif

void choose_and_map(const char* text, std::size_t size, LineBits out);

constinit std::atomic<MapLines> chosen{&choose_and_map};

// The first call of each thread that comes before the choice is made; all choose the same.
void choose_and_map(const char* text, std::size_t size, LineBits out) {
  const auto found =
      std::ranges::find_if(kKernels, [](const LineKernel& kernel) { return kernel.runs_here(); });
  chosen.store(found->map, std::memory_order_relaxed);
  found->map(text, size, out);
}

}  // namespace

std::span<const LineKernel> line_kernels() {
  return kKernels;
}

void map_lines(const char* text, std::size_t size, LineBits out) {
  chosen.load(std::memory_order_relaxed)(text, size, out);
}

}  // namespace detail

void LineMap::map_up_to(std::size_t block) {
  while (mapped_ <= block) {
    const std::size_t begin = mapped_ * 64;
    const std::size_t left = text_.size() - begin;
    detail::map_lines(text_.data() + begin, std::min(left, kChunkBytes),
                      {control_.data() + mapped_, colon_.data() + mapped_, blank_.data() + mapped_});
    mapped_ += left < kChunkBytes ? left / 64 + 1 : kChunkBytes / 64;
  }
}

}  // namespace sallyport
