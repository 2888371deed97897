#include "tsrun/program/explain.hpp"

#include <algorithm>

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

std::string partitions(const Program& p, const std::vector<ValueId>& values) {
  std::vector<std::string> words;
  for (const ValueId v : values) {
    const std::string word = to_text(p.value(v).partition);
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return join(words);
}

void put(std::string& line, std::string_view word, std::size_t width) {
  line += word;
  line += ' ';
  if (word.size() < width) line.append(width - word.size(), ' ');
}

std::string line_of(const Program& p, const Step& step, const std::function<std::string(const Step&)>& note) {
  std::string line = "  ";
  put(line, text(name(step.op), step.axes.empty() ? "" : " " + to_text(step.axes)), 18);
  put(line, written(p, step), 14);
  const std::string before = partitions(p, step.in);
  const std::string after = partitions(p, step.out);
  put(line, before.empty() ? after : before == after ? before : before + " -> " + after, 52);
  if (note) line += note(step);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// The first layer stands for all; it sees a window and is rotated where any is, and how many are not is said. What a
// layer sees is the model's, for the step is the same.
std::string layers_in_words(const Program& p) {
  const ModelConfig& c = p.config;
  std::vector<bool> is_rotated(static_cast<std::size_t>(c.layers));
  for (const Step& step : p.steps)
    if (step.op == Op::rotary) is_rotated[static_cast<std::size_t>(step.layer)] = true;
  int global = 0, unrotated = 0;
  for (int layer = 1; layer < c.layers; ++layer) {
    global += c.is_local(0) && !c.is_local(layer) ? 1 : 0;
    unrotated += is_rotated[0] && !is_rotated[static_cast<std::size_t>(layer)] ? 1 : 0;
  }
  std::vector<std::string> others;
  if (global > 0) others.push_back(text(global, " see the whole context"));
  if (unrotated > 0) others.push_back(text(unrotated, " take no rotary step"));
  return text(c.layers == 1 ? "layer 0" : text("each of layers 0 to ", c.layers - 1),
              others.empty() ? "" : text(", but ", join(others, ", ")), "\n");
}

}  // namespace

std::string written(const Program& program, const Step& step) {
  std::vector<std::string> names;
  for (const ValueId v : step.out.empty() ? step.in : step.out) names.push_back(program.value(v).name);
  return join(names, " ");
}

std::string moved_names(const Program& program, const Step& step) {
  std::vector<std::string> names;
  if (step.op == Op::gather_weights) {
    for (const WeightUse& use : step.weights) names.emplace_back(name(use.weight));
  } else {
    for (const ValueId v : moved_to(step)) names.push_back(program.value(v).name);
  }
  return join(names, " ");
}

std::string explain(const Program& p, const std::function<std::string(const Step&)>& note) {
  std::string out =
      text(name(p.shape.phase), " on torus ", to_text(p.torus), ", ", to_text(p.layout), ": B ", p.shape.B(), ", L ",
           p.shape.L(), ", E ", p.sizes.E, ", F ", p.sizes.F, ", H ", p.sizes.heads.padded(), ", V ", p.sizes.V,
           ", cache ", to_text(p.kv_cache), " with ", p.kv_slots, " slots a chip\n");
  int layer = -1;
  for (const Step& step : p.steps) {
    if (step.layer == 0 && layer != 0) out += layers_in_words(p);
    if (step.layer < 0 && layer >= 0) out += "after the layers\n";
    layer = step.layer;
    if (layer <= 0) out += line_of(p, step, note);
  }
  return out;
}

}  // namespace tsrun
