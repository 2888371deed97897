// tsrun convert: a GGUF file or a Hugging Face folder in, a model file out, tensor by tensor.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>

#include "commands.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/kernels/team.hpp"
#include "tsrun/store/writer.hpp"

namespace tsrun::cli {
namespace {

constexpr std::int64_t slab_bytes = 16 << 20;

volatile std::sig_atomic_t signal_seen = 0;
void remember_signal(int number) { signal_seen = number; }

DType target_type(const SourceTensor& t, std::optional<DType> asked) {
  return asked ? converted_type(t.spec, t.type, *asked) : t.type;
}

TensorRows read_slab(const ModelSource& source, std::size_t i, std::int64_t first, std::int64_t count, DType type) {
  const SourceTensor& t = source.tensors()[i];
  if (type == t.type && t.exact) return source.read(i, first, count);
  const std::int64_t columns = t.spec.columns;
  std::vector<float> exact(static_cast<std::size_t>(count * columns));
  source.read_f32(i, first, count, exact.data());
  if (is_grouped(type) && !std::all_of(exact.begin(), exact.end(), [](float v) { return std::isfinite(v); }))
    refuse({.what = text("the tensor ", t.source_name, " has values that are not finite numbers"), .where = "--dtype",
            .next = text("convert without --dtype ", name(type))});
  TensorRows rows = TensorRows::zeros(type, count, columns);
  share_out(count, is_grouped(type), [&](std::int64_t row) { encode_row(exact.data() + row * columns, rows, row); });
  return rows;
}

struct Totals {
  std::int64_t bytes_in = 0, bytes_out = 0;
  std::map<std::string, std::int64_t> types;    // "Q4_1->int4"
  std::map<std::string, std::int64_t> rounded;  // source type -> tensors that became bf16 unasked
};

// False if a signal asked to stop.
bool copy_tensors(const ModelSource& source, ModelWriter& writer, std::optional<DType> asked, const Console& console,
                  Totals& totals) {
  std::int64_t all = 0;
  for (const SourceTensor& t : source.tensors()) all += static_cast<std::int64_t>(t.bytes);
  Progress progress(console.reports(), "convert");
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const SourceTensor& t = source.tensors()[i];
    const DType type = target_type(t, asked);
    writer.begin(t.spec, type);
    const std::int64_t step = std::max<std::int64_t>(1, slab_bytes / (t.spec.columns * 4));
    for (std::int64_t first = 0; first < t.spec.rows; first += step) {
      const std::int64_t rows = std::min(step, t.spec.rows - first);
      writer.append(read_slab(source, i, first, rows, type));
      if (signal_seen != 0) return false;
      const double share = static_cast<double>(first + rows) / static_cast<double>(t.spec.rows);
      const double done = static_cast<double>(totals.bytes_in) + static_cast<double>(t.bytes) * share;
      progress.at(done / static_cast<double>(all), human_bytes(done));
    }
    writer.end();
    totals.bytes_in += static_cast<std::int64_t>(t.bytes);
    totals.bytes_out += bytes_of(type, t.spec.rows, t.spec.columns);
    // With minimum or without, it is what --dtype int4 asks for; inspect tells them apart.
    ++totals.types[text(t.source_type, "->", name(type == DType::int4_min ? DType::int4 : type))];
    if (type == DType::bf16 && asked != DType::bf16 && t.source_type != "BF16") ++totals.rounded[t.source_type];
  }
  return true;
}

}  // namespace

po::options_description convert_options() {
  po::options_description o("Convert");
  o.add_options()
    ("in", po::value<std::string>()->value_name("IN"), "the model to read: a GGUF file or a Hugging Face folder")
    ("out", po::value<std::string>()->value_name("OUT.h5"), "the model file to write")
    ("dtype", po::value<std::string>()->value_name("TYPE"),
     "of the matrices: auto (what the file has), f32 (exact), bf16, int8, int4");
  return o.add(common_options());
}

int run_convert(const Arguments& a, const Console& console) {
  constexpr const char* usage = "write tsrun convert IN OUT.h5";
  const std::string in = a.required("in", usage), out = a.required("out", usage);
  const std::optional<DType> asked = weights_option(a);
  std::error_code ignored;
  if (std::filesystem::equivalent(in, out, ignored))
    refuse({.what = "input and output are the same file", .where = out, .next = "choose another output"});
  std::signal(SIGINT, remember_signal);
  std::signal(SIGTERM, remember_signal);

  const auto source = open_source(in);
  for (const std::string& note : source->notes()) console.warn(note);
  if (const std::string& reason = source->tokenizer().reason; source->tokenizer().kind == TokenizerKind::none)
    console.warn(text("no tokenizer is kept (", reason.empty() ? "the file has none" : reason,
                      "); the model will take ids, not text"));
  Totals totals;
  std::int64_t expected = 0;
  for (const SourceTensor& t : source->tensors())
    expected += bytes_of(target_type(t, asked), t.spec.rows, t.spec.columns);
  ModelWriter writer(out, source->config(), source->tokenizer(), expected);
  if (!copy_tensors(*source, writer, asked, console, totals))
    throw Error(static_cast<Exit>(128 + signal_seen),
                {.what = "stopped by a signal, and nothing is written",
                 .where = out,
                 .numbers = {{"signal", std::int64_t{signal_seen}}},
                 .next = "begin again"});
  writer.commit();

  for (const auto& [type, tensors] : totals.rounded)
    console.warn(text(type, " becomes bf16, which rounds: ", tensors, tensors == 1 ? " tensor" : " tensors"));
  if (console.prints()) {
    for (const auto& [type, tensors] : totals.types) std::cout << type << ": " << tensors << "\n";
    std::cout << text(out, ": ", source->tensors().size(), " tensors, ",
                      human_bytes(static_cast<double>(totals.bytes_in)), " in, ",
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
