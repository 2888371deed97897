// tsrun convert: a GGUF file in, a model file out, tensor by tensor.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>

#include "commands.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/store/writer.hpp"

namespace tsrun::cli {
namespace {

constexpr std::int64_t slab_bytes = 16 << 20;

volatile std::sig_atomic_t signal_seen = 0;
void remember_signal(int number) { signal_seen = number; }

// Vectors stay as they are: they are small, and norms are sensitive.
DType target_type(const SourceTensor& t, std::optional<DType> asked) { return asked && !t.spec.is_vector ? *asked : t.type; }

TensorRows read_slab(const ModelSource& source, std::size_t i, std::int64_t first, std::int64_t count, DType type) {
  const SourceTensor& t = source.tensors()[i];
  if (type == t.type && t.exact) return source.read(i, first, count);
  std::vector<float> exact(static_cast<std::size_t>(count * t.spec.columns));
  source.read_f32(i, first, count, exact.data());
  TensorRows rows = TensorRows::zeros(type, count, t.spec.columns);
  for (std::size_t e = 0; e < exact.size(); ++e) {
    if (type == DType::f32) {
      std::memcpy(rows.values.data() + 4 * e, &exact[e], 4);
    } else {
      const std::uint16_t half = f32_to_bf16(exact[e]);
      std::memcpy(rows.values.data() + 2 * e, &half, 2);
    }
  }
  return rows;
}

std::optional<DType> asked_type(const Arguments& a) {
  const std::optional<std::string> word = a.text("dtype");
  if (!word || *word == "auto") return std::nullopt;
  if (*word == "f32") return DType::f32;
  if (*word == "bf16") return DType::bf16;
  const bool later = *word == "int8" || *word == "int4";
  refuse({.what = text("\"", *word, "\" is ", later ? "not built yet" : "not a type"), .where = "--dtype", .next = "choose f32 or bf16, or leave it out to keep what the file has"});
}

struct Totals {
  std::int64_t bytes_in = 0, bytes_out = 0;
  std::map<std::string, std::int64_t> types;    // "Q4_1->int4_min"
  std::map<std::string, std::int64_t> rounded;  // source type -> tensors
};

// False if a signal asked to stop.
bool copy_tensors(const ModelSource& source, ModelWriter& writer, std::optional<DType> asked, const Console& console, Totals& totals) {
  std::int64_t all = 0;
  for (const SourceTensor& t : source.tensors()) all += static_cast<std::int64_t>(t.bytes);
  Progress progress(console.reports(), "convert");
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const SourceTensor& t = source.tensors()[i];
    const DType type = target_type(t, asked);
    writer.begin(t.spec, type);
    const std::int64_t rows = std::max<std::int64_t>(1, slab_bytes / std::max<std::int64_t>(1, t.spec.columns * 4));
    for (std::int64_t first = 0; first < t.spec.rows; first += rows) {
      writer.append(read_slab(source, i, first, std::min(rows, t.spec.rows - first), type));
      if (signal_seen != 0) return false;
    }
    writer.end();
    totals.bytes_in += static_cast<std::int64_t>(t.bytes);
    totals.bytes_out += bytes_of(type, t.spec.rows, t.spec.columns);
    ++totals.types[text(t.source_type, "->", name(type))];
    if (type == DType::bf16 && t.source_type != "BF16") ++totals.rounded[t.source_type];
    progress.at(static_cast<double>(totals.bytes_in) / static_cast<double>(std::max<std::int64_t>(1, all)), human_bytes(static_cast<double>(totals.bytes_in)));
  }
  return true;
}

}  // namespace

po::options_description convert_options() {
  po::options_description o("Convert");
  o.add_options()
    ("in", po::value<std::string>()->value_name("IN.gguf"), "the model to read")
    ("out", po::value<std::string>()->value_name("OUT.h5"), "the model file to write")
    ("dtype", po::value<std::string>()->value_name("TYPE"), "f32 (exact) or bf16; without it, what the file has");
  return o.add(common_options());
}

int run_convert(const Arguments& a, const Console& console) {
  const std::string in = a.required("in", "write tsrun convert IN.gguf OUT.h5"), out = a.required("out", "write tsrun convert IN.gguf OUT.h5");
  const std::optional<DType> asked = asked_type(a);
  std::error_code ignored;
  if (std::filesystem::equivalent(in, out, ignored))
    refuse({.what = "input and output are the same file", .where = out, .next = "choose another output"});
  std::signal(SIGINT, remember_signal);
  std::signal(SIGTERM, remember_signal);

  const auto source = open_source(in);
  if (source->tokenizer().kind == TokenizerKind::none)
    console.warn(text("no tokenizer is kept (", source->tokenizer().reason.empty() ? "the file has none" : source->tokenizer().reason, "); the model will take ids, not text"));
  Totals totals;
  std::int64_t expected = 0;
  for (const SourceTensor& t : source->tensors()) expected += bytes_of(target_type(t, asked), t.spec.rows, t.spec.columns);
  ModelWriter writer(out, source->config(), source->tokenizer(), expected);
  if (!copy_tensors(*source, writer, asked, console, totals)) return 128 + signal_seen;
  writer.commit();

  for (const auto& [type, tensors] : totals.rounded)
    console.warn(text(type, " becomes bf16, which rounds: ", tensors, tensors == 1 ? " tensor" : " tensors"));
  if (console.prints()) {
    for (const auto& [type, tensors] : totals.types) std::cout << type << ": " << tensors << "\n";
    std::cout << text(out, ": ", source->tensors().size(), " tensors, ", human_bytes(static_cast<double>(totals.bytes_in)), " in, ",
                      human_bytes(static_cast<double>(totals.bytes_out)), " out\n");
  }
  Json document = envelope("convert", {});
  document["tensors"] = source->tensors().size();
  document["bytes_in"] = totals.bytes_in;
  document["bytes_out"] = totals.bytes_out;
  document["types"] = totals.types;
  console.write(document);
  return 0;
}

}  // namespace tsrun::cli
