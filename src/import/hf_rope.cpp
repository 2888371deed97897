// Rotary facts of a config.json: rope_theta and rope_scaling, or both in rope_parameters as newer files have it, there
// perhaps once for each kind of layer.
#include <cmath>

#include "hf_family.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

std::optional<double> first_of(std::initializer_list<std::optional<double>> all) {
  for (const auto& one : all)
    if (one) return one;
  return std::nullopt;
}
std::optional<double> real_of(const std::optional<HfConfig>& object, std::string_view key) {
  return object ? object->real(key) : std::nullopt;
}

class RopeReader {
 public:
  RopeReader(const HfConfig& file, const HfFamily& family, ModelConfig& config)
      : file_(file), family_(family), c_(config) {
    parameters_ = file.object("rope_parameters");
    if (parameters_ && (parameters_->has("full_attention") || parameters_->has("sliding_attention"))) {
      local_ = parameters_->object("sliding_attention");
      parameters_ = parameters_->object("full_attention");
    }
    scaling_ = file.object("rope_scaling");
    if (!scaling_) scaling_ = parameters_;
  }

  void read() {
    read_base();
    read_width();
    if (scaling_) read_scaling();
  }

 private:
  void read_base();
  void read_width();
  void read_scaling();
  void read_yarn();

  const HfConfig& file_;
  const HfFamily& family_;
  ModelConfig& c_;
  std::optional<HfConfig> parameters_, local_, scaling_;
};

void RopeReader::read_base() {
  const std::string_view key = family_.keys.rope_base;
  const auto base = first_of({real_of(parameters_, "rope_theta"), file_.real("rope_theta"), file_.real(key)});
  c_.rope_base = base || c_.rope_base != 0 ? base.value_or(c_.rope_base) : file_.required_real(key);
  if (c_.rope_local_base == 0) return;
  const auto local_base = first_of({real_of(local_, "rope_theta"), file_.real("rope_local_base_freq")});
  c_.rope_local_base = local_base.value_or(c_.rope_local_base);
  if (local_ && local_->string("rope_type").value_or("default") != "default")
    local_->unsupported("scaled positions in its local layers", "rope_type");
}

void RopeReader::read_width() {
  const double share = first_of({real_of(parameters_, "partial_rotary_factor"), file_.real("partial_rotary_factor"),
                                 file_.real(family_.keys.rope_share)}).value_or(family_.rope_share);
  if (!(share > 0 && share <= 1))
    file_.contradiction("the share of a head that is rotated is not one of 0 to 1", {{"share", share}});
  c_.rope_dims = static_cast<std::int64_t>(share * static_cast<double>(c_.Q));
  if (c_.rope_dims % 2 != 0)
    file_.contradiction("the rotated part of a head is of odd width",
                        {{"head width", c_.Q}, {"rotated", c_.rope_dims}});
}

void RopeReader::read_scaling() {
  const char* const key = scaling_->has("rope_type") ? "rope_type" : "type";
  const std::string type = scaling_->string(key).value_or("default");
  if (type == "default") return;
  // Phi-3's first files say yarn and mean LongRoPE.
  const bool is_known = type == "linear" || type == "llama3" || (type == "yarn" && family_.model_type != "phi3");
  if (!is_known || !from_word(type, c_.rope_scaling))
    scaling_->unsupported(text("the rotary scaling \"", printable(type), "\""), key);
  c_.rope_factor = scaling_->required_real("factor");
  if (c_.rope_scaling == RopeScaling::llama3) {
    c_.rope_low_freq_factor = scaling_->required_real("low_freq_factor");
    c_.rope_high_freq_factor = scaling_->required_real("high_freq_factor");
    c_.rope_original_context = scaling_->required_integer("original_max_position_embeddings");
  }
  if (c_.rope_scaling == RopeScaling::yarn) read_yarn();
}

// Peng et al. 2023, "YaRN", section 3.4; the attention factor is 0.1 ln(factor) + 1 unless the file says otherwise.
void RopeReader::read_yarn() {
  c_.rope_original_context = scaling_->integer("original_max_position_embeddings").value_or(c_.context);
  c_.rope_beta_fast = scaling_->real("beta_fast").value_or(32);
  c_.rope_beta_slow = scaling_->real("beta_slow").value_or(1);
  if (!scaling_->boolean("truncate").value_or(true))
    scaling_->unsupported("YaRN scaling between whole pairs", "truncate");
  const auto magnitude = [this](double weight) {
    return c_.rope_factor <= 1 ? 1 : 0.1 * weight * std::log(c_.rope_factor) + 1;
  };
  const double all = scaling_->real("mscale_all_dim").value_or(0), own = scaling_->real("mscale").value_or(0);
  c_.rope_attention_factor = scaling_->real("attention_factor")
                                 .value_or(all != 0 && own != 0 ? magnitude(own) / magnitude(all) : magnitude(1));
}

}  // namespace

void read_rope(const HfConfig& file, const HfFamily& family, ModelConfig& config) {
  RopeReader(file, family, config).read();
}

}  // namespace tsrun
