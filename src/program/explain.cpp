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
    if (step.layer == 0 && layer != 0)
      out += p.config.layers == 1 ? "layer 0\n" : text("each of layers 0 to ", p.config.layers - 1, "\n");
    if (step.layer < 0 && layer >= 0) out += "after the layers\n";
    layer = step.layer;
    if (layer <= 0) out += line_of(p, step, note);
  }
  return out;
}

}  // namespace tsrun
