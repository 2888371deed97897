// A model file gives back what was written, at every edge, and comes into being whole or not at all.

#include <sys/stat.h>

#include "models.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/store/crc32c.hpp"
#include "tsrun/store/seal.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

TEST_CASE("crc32c is the Castagnoli CRC, and goes on where it stopped") {
  CHECK(crc32c(as_bytes("123456789")) == 0xE3069283U);
  CHECK(crc32c({}) == 0);
  CHECK(crc32c(as_bytes("56789"), crc32c(as_bytes("1234"))) == 0xE3069283U);
  CHECK(crc32c(as_bytes(std::string(32, '\0'))) == 0x8A9136AAU);  // RFC 3720, B.4
}

TEST_CASE("a seal is read as it was written, and not with a bit flipped") {
  const Seal seal{1000, {{10, 20}, {30, 5}, {990, 10}}, 77, seal_version};
  std::vector<std::byte> bytes = encode_seal(seal);
  const auto footer = std::span(bytes).last<seal_footer_bytes>();
  REQUIRE(seal_size(footer, 1000 + bytes.size()) == bytes.size());
  CHECK(!seal_size(footer, 999 + bytes.size()));
  const auto decoded = decode_seal(bytes);
  REQUIRE(decoded);
  CHECK(decoded->body == 1000);
  CHECK(decoded->outside == 77);
  REQUIRE(decoded->data.size() == 3);
  CHECK(decoded->data[2].offset == 990);
  const std::vector<Extent> outside = outside_of(seal);
  REQUIRE(outside.size() == 2);
  CHECK(outside[1].offset == 35);
  CHECK(outside[1].end() == 990);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    CHECK(!decode_seal(bytes));
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST_CASE("a whole model comes back, with each tensor in a type of its own") {
  const Folder folder;
  write_model(folder / "serial", serial_config(), bpe_tokenizer());
  CHECK(is_unharmed(ModelFile(folder / "serial"), serial_config(), bpe_tokenizer()));
  write_model(folder / "parallel", parallel_config(), bytes_tokenizer());
  CHECK(is_unharmed(ModelFile(folder / "parallel"), parallel_config(), bytes_tokenizer()));
  CHECK(folder.files() == 2);

  const ModelFile file(folder / "serial");
  CHECK(file.path() == folder / "serial");
  CHECK(file.tensor(Weight::attn_k, 1).spec.path == "/layers/1/attn_k");
  CHECK(file.tensor(Weight::embed, -1).spec.rows == 37);
  CHECK_THROWS_AS(file.tensor(Weight::unembed, -1), std::logic_error);
  std::int64_t bytes = 0;
  for (const StoredTensor& t : file.tensors()) bytes += t.bytes();
  std::int64_t last = 0;
  file.verify([&](std::int64_t done, std::int64_t all) {
    CHECK(done > last);
    CHECK(all == bytes);
    last = done;
  });
  CHECK(last == bytes);
}

TEST_CASE("a tokenizer that says why it is none comes back") {
  const Folder folder;
  TokenizerData none;
  none.reason = "SentencePiece is not read yet";
  write_model(folder / "m", parallel_config(), none);
  CHECK(ModelFile(folder / "m").tokenizer() == none);
}

TEST_CASE("every type, matrix and vector, comes back row by row") {
  const Folder folder;
  const ModelConfig config = embedding_config(11, 64);
  for (const DType type : all_types) {
    CAPTURE(name(type));
    {
      ModelWriter writer(folder / "m", config, {});
      for (const TensorSpec& spec : tensors_of(config))
        write_tensor(writer, spec, is_grouped(type) && spec.columns % 32 != 0 ? DType::f16 : type, 4);
      writer.commit();
    }
    const ModelFile file(folder / "m");
    for (const StoredTensor& t : file.tensors()) {
      const TensorRows all = tensor_of(t.spec, t.type);
      for (std::int64_t first = 0; first <= t.spec.rows; ++first)
        for (std::int64_t count = 0; first + count <= t.spec.rows; ++count)
          REQUIRE(same(read_rows(file, t, first, count), slice(all, first, count)));
    }
  }
}

TEST_CASE("rows come back at every edge of a span, and the spans of a tensor are its bytes, once") {
  const Folder folder;
  // f32 rows of 4 KiB: 1024 fill a span. Rows of 4100 bytes lie across the edges. Also scales in several spans.
  struct Case {
    std::int64_t rows, columns;
    DType type;
  };
  for (const Case& c : std::vector<Case>{{1023, 1024, DType::f32},
                                         {1024, 1024, DType::f32},
                                         {1025, 1024, DType::f32},
                                         {2047, 1024, DType::f32},
                                         {2048, 1024, DType::f32},
                                         {2049, 1024, DType::f32},
                                         {1279, 1024, DType::f32},  // 1 MiB behind the first span, but for a row
                                         {1280, 1024, DType::f32},
                                         {2100, 1025, DType::f32},
                                         {9000, 1024, DType::int4_min},
                                         {66000, 1024, DType::int8}}) {
    CAPTURE(c.rows);
    CAPTURE(c.columns);
    const ModelConfig config = embedding_config(c.rows, c.columns);
    {
      ModelWriter writer(folder / "m", config, {});
      for (const TensorSpec& spec : tensors_of(config))
        write_tensor(writer, spec, spec.weight == Weight::embed ? c.type : DType::f32, 777);
      writer.commit();
    }
    const ModelFile file(folder / "m");
    const StoredTensor& t = file.tensor(Weight::embed, -1);
    const TensorRows all = tensor_of(t.spec, t.type);
    const std::int64_t row_bytes = all.value_bytes_per_row();
    for (std::int64_t edge = 0; edge <= c.rows * row_bytes + span_bytes; edge += span_bytes)
      for (std::int64_t first = edge / row_bytes - 2; first <= edge / row_bytes + 2; ++first)
        for (const std::int64_t count : {std::int64_t{1}, std::int64_t{3}, c.rows / 2, c.rows - first})
          if (first >= 0 && count >= 0 && first + count <= c.rows)
            REQUIRE(same(read_rows(file, t, first, count), slice(all, first, count)));
    const std::int64_t before = file.bytes_read();
    std::vector<std::byte> bytes, whole;
    for (const TensorSpan& span : spans_of(t)) {
      const std::int64_t part_bytes = t.spec.rows * t.row_bytes(span.part);
      CHECK((span.bytes == span_bytes || span.begin + span.bytes == part_bytes));
      CHECK((span.bytes >= 1 << 20 || span.bytes == part_bytes));
      CHECK(span.bytes < longest_span);
      bytes.resize(static_cast<std::size_t>(span.bytes));
      file.read_span(span, bytes);
      whole.insert(whole.end(), bytes.begin(), bytes.end());
    }
    CHECK(file.bytes_read() - before == t.bytes());
    std::vector<std::byte> expected = all.values;
    for (const auto* const beside : {&all.scale, &all.minimum}) {
      const auto stored = std::as_bytes(std::span(*beside));
      expected.insert(expected.end(), stored.begin(), stored.end());
    }
    CHECK(whole == expected);
    file.verify({});
  }
}

TEST_CASE("the same model gives the same bytes, in slabs of any size") {
  const Folder folder;
  write_model(folder / "a", serial_config(), bpe_tokenizer());
  {
    ModelWriter writer(folder / "b", serial_config(), bpe_tokenizer());
    std::size_t position = 0;
    for (const TensorSpec& spec : tensors_of(serial_config()))
      write_tensor(writer, spec, type_for(spec, position++), 1000);
    writer.commit();
  }
  CHECK(bytes_of_file(folder / "a") == bytes_of_file(folder / "b"));
}

TEST_CASE("a target is replaced at commit and not before, and nothing else is left") {
  const Folder folder;
  const std::string path = folder / "m";
  put_file(path, "what was there");
  {
    ModelWriter writer(path, parallel_config(), {});
    write_tensor(writer, tensors_of(parallel_config())[0], DType::f32, 9);
    CHECK(folder.files() == 2);
  }
  CHECK(folder.files() == 1);
  CHECK(bytes_of_file(path) == "what was there");
  write_model(path, parallel_config(), {});
  CHECK(folder.files() == 1);
  ModelFile(path).verify({});
}

TEST_CASE("a model with a tensor missing gets no name") {
  const Folder folder;
  ModelWriter writer(folder / "m", parallel_config(), {});
  for (const TensorSpec& spec : tensors_of(parallel_config()))
    if (spec.path != "/layers/1/attn_v") write_tensor(writer, spec, DType::f32, 9);
  const std::string message = message_of(Exit::request, [&] { writer.commit(); });
  CHECK(holds(message, "/layers/1/attn_v"));
  CHECK(holds(message, "missing 1"));
  CHECK(folder.files() == 0);
}

TEST_CASE("a tensor that is not the model's, or not whole, is our own mistake") {
  const Folder folder;
  const std::vector<TensorSpec> specs = tensors_of(parallel_config());
  ModelWriter writer(folder / "m", parallel_config(), {});
  write_tensor(writer, specs[0], DType::f32, 9);
  CHECK_THROWS_AS(writer.begin(specs[0], DType::f32), std::logic_error);
  writer.begin(specs[2], DType::f32);
  CHECK_THROWS_AS(writer.end(), std::logic_error);
  CHECK_THROWS_AS(writer.append(TensorRows::zeros(DType::f16, 1, specs[2].columns)), std::logic_error);
  CHECK_THROWS_AS(writer.append(TensorRows::zeros(DType::f32, specs[2].rows + 1, specs[2].columns)), std::logic_error);
  CHECK_THROWS_AS(writer.commit(), std::logic_error);
}

TEST_CASE("a place where no file can be made is refused before anything is written") {
  const Folder folder;
  const auto write_to = [](const std::string& path) {
    return message_of(Exit::request, [&] { ModelWriter(path, parallel_config(), {}); });
  };
  CHECK(holds(write_to(folder / "nowhere/m"), folder / "nowhere"));
  CHECK(holds(write_to(folder.path()), "this is a folder"));
  CHECK(holds(write_to("/dev/null"), "is not a file"));
  ModelConfig absurd = parallel_config();
  absurd.H = 0;
  CHECK(holds(message_of(Exit::request, [&] { ModelWriter(folder / "m", absurd, {}); }), "size H"));
  CHECK(folder.files() == 0);
}
