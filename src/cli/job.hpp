// A job on the torus: the model file, the mesh and the plan, agreed on by all ranks before anything is loaded.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "auto_plan.hpp"
#include "console.hpp"
#include "tsrun/engine/engine.hpp"
#include "tsrun/mesh/mesh.hpp"
#include "tsrun/store/model_file.hpp"
#include "tsrun/tokenizer/chat.hpp"
#include "tsrun/tokenizer/tokenizer.hpp"

namespace tsrun::cli {

using Ids = std::vector<std::int32_t>;

class Job {
 public:
  // Opens the model on every rank and sets up the mesh. Refuses (exit 2), on all ranks alike, files that are not the
  // same model.
  Job(const Arguments& arguments, const MpiSession& session);
  // The same for a model that `open` gives.
  Job(const Arguments& arguments, const MpiSession& session, const std::function<std::unique_ptr<ModelFile>()>& open);

  const ModelFile& file() const { return *file_; }
  const ModelConfig& config() const { return file_->config(); }
  const Mesh& mesh() const { return *mesh_; }
  JobFacts facts() const;

  // What rank 0 makes becomes everyone's; what it refuses, everyone refuses.
  std::vector<Ids> from_rank_0(const char* phase, const std::function<std::vector<Ids>()>& make) const;
  std::string text_from_rank_0(const char* phase, const std::function<std::string()>& make) const;

  // The plan for this work: what the options leave open, the types too, is chosen by the planner, or taken from the
  // plan that a results file recorded (results_header.hpp; null: none; the same on every rank). From here on the mesh is
  // the plan's.
  Plan plan(const Arguments& arguments, const RunWork& work, const Json& recorded = {});
  // The ways that are predicted to be fastest, each with both phases in its layout.
  std::vector<Plan> fastest(const Arguments& arguments, const Plan& plan, const RunWork& work, std::size_t count) const;
  // Why, and what was predicted.
  const Decision& decision() const { return decision_; }

  // Refuses an empty list and ids outside the vocabulary, naming the first.
  void validate_ids(const Ids& ids, const std::string& where) const;
  // Refuses a longest prompt that with the new tokens is longer than the model's context or --ctx-size, naming `where`,
  // or that limit.
  void validate_length(const Arguments& arguments, const RunWork& work, const std::string& where = {}) const;
  // Ids of a text, by the model's tokenizer; refuses where there is none.
  Ids encode(const std::string& text, const std::string& where) const;
  // Ids of a conversation up to where the model's answer begins, by its template, which writes BOS where it wants one;
  // refuses where there is none.
  Ids encode(const std::vector<ChatMessage>& conversation, const std::string& where) const;
  const Tokenizer& tokenizer() const;
  bool has_tokenizer() const { return file_->tokenizer().kind != TokenizerKind::none; }

 private:
  RankRoom room() const;  // of this host

  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Mesh> mesh_;
  std::optional<Torus> asked_;  // with --mesh
  Decision decision_;
  mutable std::unique_ptr<Tokenizer> tokenizer_;  // built when first asked for
  mutable std::unique_ptr<ChatTemplate> chat_;    // likewise
  int threads_ = 1, numa_domains_ = 1;
};

}  // namespace tsrun::cli
