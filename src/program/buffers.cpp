#include "tsrun/program/buffers.hpp"

#include <algorithm>

#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

struct Life {
  std::int64_t first = -1;  // step that writes it first
  std::int64_t last = -1;   // step that uses it last
  std::int64_t elements = 0;
};

std::vector<Life> lives(const Program& p) {
  std::vector<Life> life(p.values.size());
  const auto touch = [&](ValueId id, std::int64_t at) {
    Life& l = life[static_cast<std::size_t>(p.value(id).storage)];
    if (l.first < 0) l.first = at;
    l.last = at;
  };
  for (std::size_t s = 0; s < p.steps.size(); ++s) {
    for (const ValueId v : p.steps[s].in) touch(v, static_cast<std::int64_t>(s));
    for (const ValueId v : p.steps[s].via) touch(v, static_cast<std::int64_t>(s));
    for (const ValueId v : p.steps[s].out) touch(v, static_cast<std::int64_t>(s));
  }
  if (p.result >= 0) touch(p.result, static_cast<std::int64_t>(p.steps.size()));
  for (std::size_t v = 0; v < p.values.size(); ++v) {
    Life& l = life[static_cast<std::size_t>(p.values[v].storage)];
    l.elements = std::max(l.elements, round_up(p.local_elements(static_cast<ValueId>(v)), 16));
  }
  return life;
}

}  // namespace

Buffers plan_buffers(const Program& p) {
  const std::vector<Life> life = lives(p);
  Buffers buffers;
  buffers.offset.resize(p.values.size());
  struct Placed {
    std::int64_t begin, end, last;
  };
  std::vector<Placed> alive;  // by offset
  for (std::size_t v = 0; v < p.values.size(); ++v) {
    if (p.values[v].storage != static_cast<ValueId>(v)) continue;
    const Life& l = life[v];
    std::erase_if(alive, [&l](const Placed& other) { return other.last < l.first; });
    std::int64_t at = 0;  // the first gap that is long enough
    auto where = alive.begin();
    for (; where != alive.end() && where->begin - at < l.elements; ++where) at = where->end;
    alive.insert(where, {at, at + l.elements, l.last});
    buffers.offset[v] = at;
    buffers.elements = std::max(buffers.elements, at + l.elements);
  }
  for (std::size_t v = 0; v < p.values.size(); ++v)
    buffers.offset[v] = buffers.offset[static_cast<std::size_t>(p.values[v].storage)];
  return buffers;
}

std::int64_t alive_in_layers(const Program& p) {
  std::int64_t most = 0;
  const std::vector<Life> life = lives(p);
  for (std::int64_t s = 0; s < std::ssize(p.steps); ++s) {
    if (p.steps[static_cast<std::size_t>(s)].layer < 0) continue;
    std::int64_t alive = 0;
    for (const Life& l : life)
      if (l.first >= 0 && l.first <= s && s <= l.last) alive += l.elements;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace tsrun
