// What convert promises beyond the contract: folders and files give one model, and quantising says what it did.
#include "program.hpp"

using namespace tsrun::test;

namespace {

Json convert(const std::string& in, const std::string& out, const std::string& options = "") {
  return json_of(run("convert " + in + " " + out + " --quiet --json - " + options));
}
Json inspect(const std::string& file) { return json_of(run("inspect " + file + " --verify --json -")); }
Json generated(const std::string& model) {
  const std::string options = " --tokens 1,2,3,4,5 -n 12 --dtype f32 --kv-dtype f32 --quiet --json -";
  return json_of(run("generate -m " + model + options))["sequences"];
}

// The bytes of tensors that are stored as `type`.
std::int64_t bytes_as(const Json& inspected, const std::string& type) {
  std::int64_t sum = 0;
  for (const Json& t : inspected["tensors"])
    if (t["dtype"] == type) sum += t["bytes"].get<std::int64_t>();
  return sum;
}

}  // namespace

TEST_CASE("a Hugging Face folder and a GGUF file of the same weights are the same model") {
  const Folder folder;
  for (const std::string name : {"llama", "cohere"}) {
    const Json from_folder = convert(golden + name, folder / "a.h5");
    const Json from_gguf = convert(golden + name + ".gguf", folder / "b.h5");
    CHECK(from_folder["tensors"] == from_gguf["tensors"]);
    CHECK(generated(folder / "a.h5") == generated(folder / "b.h5"));
    CHECK(inspect(folder / "a.h5")["config"]["name"] == name);
  }
  CHECK(folder.files() == 2);
}

TEST_CASE("matrices are quantised as asked, vectors and both ends with care, and the types are said") {
  const Folder folder;
  const std::string model = folder / "m.h5";
  // Two layers of seven matrices; rows of ffn_out are 44 long, no whole number of groups.
  const Json int8 = convert(golden + "llama", model, "--dtype int8");
  CHECK(int8["types"] == Json{{"BF16->int8", 13}, {"BF16->bf16", 7}});
  CHECK(int8["bytes_out"] == bytes_as(inspect(model), "int8") + bytes_as(inspect(model), "bf16"));
  CHECK(inspect(model)["verified"] == true);
  CHECK(generated(model)[0]["tokens"].size() == 12);
  const Json int4 = convert(golden + "llama", model, "--dtype int4");
  CHECK(int4["types"] == Json{{"BF16->int4", 12}, {"BF16->int8", 1}, {"BF16->bf16", 7}});
  const Json inspected = inspect(model);
  for (const Json& t : inspected["tensors"])
    if (t["name"] == "/embed") CHECK(t["dtype"] == "int8");
  CHECK(generated(model)[0]["tokens"].size() == 12);
  CHECK(convert(golden + "llama", model, "--dtype f32")["types"]["BF16->f32"] == 15);
  CHECK(run("convert " + golden + "llama " + model + " --dtype int3").status == 2);
}

TEST_CASE("a folder that holds no model is refused in one line, and nothing is written") {
  const Folder folder;
  folder.write("config.json", R"({"model_type": "mamba"})");
  const Ended unknown = run("convert " + (folder / ".") + " " + (folder / "m.h5"));
  CHECK(unknown.status == 2);
  REQUIRE(unknown.messages().size() == 1);
  CHECK(unknown.messages()[0].find("mamba") != std::string::npos);
  folder.write("config.json", "{");
  CHECK(run("convert " + (folder / ".") + " " + (folder / "m.h5")).status == 2);
  CHECK(folder.files() == 1);
}
