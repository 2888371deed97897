#include "text_habits.hpp"

#include <algorithm>
#include <iterator>

#include "common_patterns.hpp"

namespace tsrun {
namespace {

constexpr const char* gpt2 = gpt2_pattern;
constexpr const char* each_digit = digit_pattern;
constexpr const char* three_digits = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                                     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* one_digit = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                                  R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* seed = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                             R"( ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Words are cut where small letters are followed by capital ones.
constexpr const char* tekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
                               R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
                               R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* gpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* viking = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

constexpr const char* chinese_and_korean = R"([\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+)";
constexpr TextStep::Matches together = TextStep::Matches::together;

struct Named {
  std::string_view name;
  TextHabits habits;
};
const Named all[] = {
    {"gpt-2", {{{.text = gpt2}}}},
    {"default", {{{.text = gpt2}}}},
    {"a.x-4.0", {{{.text = gpt2}}}},
    {"mellum", {{{.text = gpt2}}}},
    {"trillion", {{{.text = gpt2}}}},
    {"olmo", {{{.text = gpt2}}, true}},  // GPT-NeoX and Pythia too
    {"smollm", {{{.text = each_digit}, {.text = gpt2}}}},
    {"starcoder", {{{.text = each_digit}, {.text = gpt2}}}},
    {"refact", {{{.text = each_digit}, {.text = gpt2}}}},
    {"minerva-7b", {{{.text = each_digit}, {.text = gpt2}}}},
    {"command-r", {{{.text = each_digit}, {.text = gpt2}}, true, false, true}},
    {"viking", {{{.text = viking}, {.text = each_digit}}}},
    {"falcon",
     {{{.text = punctuation_pattern, .matches = together}, {.text = gpt2}, {.kind = TextStep::Kind::letters},
       {.text = each_digit, .matches = together}, {.text = "[0-9][0-9][0-9]"}}}},
    {"deepseek-coder",
     {{{.text = R"([\r\n])"}, {.text = R"(\s?\p{L}+)"}, {.text = R"(\s?\p{P}+)"}, {.text = chinese_and_korean},
       {.text = each_digit}}}},
    {"qwen2", {{{.text = one_digit}}, true}},
    {"deepseek-r1-qwen", {{{.text = one_digit}}, true}},
    {"megrez", {{{.text = one_digit}}}},
    {"kormo", {{{.text = one_digit}}}},
    {"seed-coder", {{{.text = seed}}}},
    {"dbrx", {{{.text = three_digits}}}},  // OLMo 2 and Phi-4 too
    {"smaug-bpe", {{{.text = three_digits}}}},  // SmolLM3 too
    {"llama-bpe", {{{.text = three_digits}}, false, true, true}},
    {"llama3", {{{.text = three_digits}}, false, true, true}},
    {"llama-v3", {{{.text = three_digits}}, false, true, true}},
    {"falcon3", {{{.text = three_digits}}, false, true, true}},
    {"midm-2.0", {{{.text = three_digits}}, false, true, true}},
    {"tekken", {{{.text = tekken}}, false, true, true}},
    {"gpt-4o", {{{.text = gpt4o}}}},  // Phi-4-mini too
};

}  // namespace

const TextHabits* text_habits_of(std::string_view pre) {
  const auto* const found = std::find_if(std::begin(all), std::end(all), [pre](const Named& n) { return n.name == pre; });
  return found == std::end(all) ? nullptr : &found->habits;
}

}  // namespace tsrun
