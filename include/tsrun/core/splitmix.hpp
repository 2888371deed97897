// SplitMix64, for numbers that look random and are the same on every machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace tsrun {

inline constexpr std::uint64_t splitmix64_step = 0x9e3779b97f4a7c15U;

// Every bit of v changes every bit of the result. A sequence of them: of v, v + splitmix64_step, v + 2 steps ..
constexpr std::uint64_t splitmix64(std::uint64_t v) {
  v += splitmix64_step;
  v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9U;
  v = (v ^ v >> 27) * 0x94d049bb133111ebU;
  return v ^ v >> 31;
}

// Of all bytes in their order, the same on every machine and in every version: texts that differ have different hashes,
// but for one pair in 2^64.
constexpr std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0;
  for (const char byte : bytes) hash = splitmix64(hash ^ static_cast<unsigned char>(byte));
  return hash;
}

}  // namespace tsrun
