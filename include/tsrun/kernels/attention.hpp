// Causal attention of new tokens over one layer's cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "tsrun/core/cache_type.hpp"
#include "tsrun/kernels/expected_rows.hpp"
#include "tsrun/kernels/pages.hpp"

namespace tsrun {

// One layer of a chip's cache: keys and values of every slot sequence and key/value head, in f32, bf16 or int8 (an f16
// scale for each 32 numbers of a head). Keys are rotated. Positions that all sequences share may be kept once, in a
// layer of one sequence before theirs.
//
// A head's keys lie in panels of 16 positions (the last may have fewer), in which the head's width runs slowest, so
// that a query meets 16 keys at once; of int8, the scales of 32 numbers follow them. Its values lie one after the
// other.
class KvLayer {
 public:
  static constexpr std::int64_t key_panel = 16;

  KvLayer(DType type, std::int64_t sequences, std::int64_t slots, std::int64_t positions, std::int64_t Q);
  // The positions before those of every sequence. Nothing has been stored yet.
  void share(std::shared_ptr<const KvLayer> prefix) { prefix_ = std::move(prefix); }
  const KvLayer* prefix() const { return prefix_.get(); }
  std::int64_t shared() const { return prefix_ ? prefix_->positions_ : 0; }  // positions

  // Writes one head's key and value (Q numbers each) of one position, counted from the beginning of the text.
  void store(std::int64_t sequence, std::int64_t slot, std::int64_t position, const float* key, const float* value);
  // The panel of keys that begins at this own position, a multiple of 16, and its positions.
  const std::byte* keys(std::int64_t sequence, std::int64_t slot, std::int64_t first) const;
  std::int64_t panel_positions(std::int64_t first) const { return std::min(key_panel, positions_ - first); }
  const std::byte* values(std::int64_t sequence, std::int64_t slot, std::int64_t first) const;
  // The first own positions of one head, keys then values: what a cache of the same type takes over. Whole panels of keys
  // go as they lie, then keys one after the other.
  std::int64_t bytes_of(std::int64_t positions) const { return 2 * positions * cached_bytes(type_, Q_); }
  void copy_out(std::int64_t sequence, std::int64_t slot, std::int64_t positions, std::byte* to) const;
  void copy_in(std::int64_t sequence, std::int64_t slot, std::int64_t positions, const std::byte* from);
  DType type() const { return type_; }
  std::int64_t positions() const { return positions_; }  // of each sequence, the shared ones not counted

 private:
  std::int64_t head_at(std::int64_t sequence, std::int64_t slot) const {
    return (sequence * slots_ + slot) * positions_ * cached_bytes(type_, Q_);
  }
  // One key's bytes between its own order, numbers then scales, and its place in a panel; and many keys'.
  template <class Move>
  void each_piece_of_key(std::int64_t position, Move move) const;
  template <class Move>
  void each_piece_of_keys(std::int64_t positions, Move move) const;
  DType type_;
  std::int64_t slots_, positions_, Q_;
  Pages keys_, values_;
  std::shared_ptr<const KvLayer> prefix_;
};

struct AttentionRow {
  std::int64_t sequence = 0;    // of the cache
  std::int64_t new_tokens = 0;  // already in the cache
  std::int64_t context = 0;     // positions before them
};

struct AttentionShape {
  std::int64_t L = 1;      // tokens of a row in q and out, new ones first
  std::int64_t heads = 1;  // query heads of this chip
  std::int64_t Q = 1;
  float scale = 1;           // of the scores
  std::int64_t window = 0;   // positions that a token sees, its own counted; 0: all before it
  Rows expected = Rows::few;
};

// out[row][l][h] = softmax(q[row][l][h] . keys * scale) values over positions 0 .. context + l of slot slot_of[h], or
// the last `window` of them; 0 for l >= new_tokens. slot_of ascends. A token's result depends on its own query, on the
// keys before it and on `expected` alone. Where an instruction multiplies bf16, queries, and the shares that they give to
// positions, are rounded to that, unless the cache is f32.
void attention(const AttentionShape& shape, std::span<const AttentionRow> rows, std::span<const int> slot_of,
               const float* q, const KvLayer& cache, float* out);

}  // namespace tsrun
