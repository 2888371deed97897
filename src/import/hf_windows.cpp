// Sliding windows: how wide, and which layers have one.
//
// layer_types names each layer; older files give a number n, every n-th layer seeing everything, or max_window_layers.
#include <algorithm>

#include "hf_family.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// Which layers see everything.
std::vector<bool> full_layers(const HfConfig& file, const HfFamily& family, const ModelConfig& c) {
  std::vector<bool> out;
  if (c.layers > 10000) return out;  // which validate() refuses
  if (const auto types = file.strings("layer_types")) {
    for (const std::string& type : *types) {
      if (type != "full_attention" && type != "sliding_attention")
        file.unsupported(text("layers of the kind ", printable(type)), "layer_types");
      out.push_back(type == "full_attention");
    }
    if (std::ssize(out) != c.layers)
      file.contradiction("layer_types has not as many entries as there are layers",
                         {{"layers", c.layers}, {"layer_types", static_cast<std::int64_t>(std::ssize(out))}});
    return out;
  }
  if (family.windows == Windows::if_used) {
    const std::int64_t first = file.integer("max_window_layers").value_or(28);
    for (std::int64_t i = 0; i < c.layers; ++i) out.push_back(i < first);
  } else {
    const std::int64_t every = file.integer("sliding_window_pattern").value_or(6);
    if (every < 1) file.contradiction("sliding_window_pattern is not positive", {{"sliding_window_pattern", every}});
    for (std::int64_t i = 0; i < c.layers; ++i) out.push_back((i + 1) % every == 0);
  }
  return out;
}

}  // namespace

void read_windows(const HfConfig& file, const HfFamily& family, ModelConfig& c) {
  std::int64_t window = file.states("sliding_window") ? file.integer("sliding_window").value_or(0) : family.window;
  if (window < 0) file.contradiction("the sliding window is negative", {{"sliding_window", window}});
  const bool is_used = family.windows != Windows::if_used || file.boolean("use_sliding_window").value_or(false);
  if (family.windows == Windows::none || !is_used) window = 0;
  if (window > 0 && family.windows != Windows::all) {
    const std::vector<bool> full = full_layers(file, family, c);
    if (std::find(full.begin(), full.end(), false) == full.end())
      window = 0;  // no layer has one
    else
      c.full_every = every_nth(full, file, "an irregular pattern of sliding windows", "layer_types");
  } else if (family.facts.rope_local_base != 0) {
    file.unsupported("local layers without a window", "sliding_window");
  }
  if (window == 0) c.rope_local_base = 0;
  // A window that no position can leave changes nothing, unless its layers differ in something else.
  if (window >= c.context && c.rope_local_base == 0) window = c.full_every = 0;
  c.window = window;
}

}  // namespace tsrun
