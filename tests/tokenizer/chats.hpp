// Conversations and what `transformers` writes of them (make_chats.py), and the comparison with what we write.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/tokenizer/chat.hpp"

namespace tsrun::test {

constexpr std::time_t noon = 1893585600;  // 2 January 2030, 12:00 in UTC

inline nlohmann::json read_chats(const std::filesystem::path& path) {
  std::ifstream in(path);
  REQUIRE(in.good());
  return nlohmann::json::parse(in);
}

// A template of the file as a model would carry it.
inline TokenizerData with_template(const nlohmann::json& t) {
  TokenizerData data;
  data.chat_template = t["source"];
  data.tokens = {t.value("bos_token", ""), t.value("eos_token", "")};
  if (t.contains("bos_token")) data.bos = 0;
  if (t.contains("eos_token")) data.eos = 1;
  return data;
}

// Template `name` of the file: each conversation, without and with the beginning of an answer.
inline void compare_chats(const nlohmann::json& file, const std::string& name, const ChatTemplate& chat) {
  CAPTURE(name);
  const nlohmann::json& conversations = file["conversations"];
  REQUIRE(conversations.size() == 10);
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    CAPTURE(i);
    std::vector<ChatMessage> messages;
    for (const auto& m : conversations[i]) messages.push_back({m["role"], m["content"]});
    for (const bool prompt : {false, true}) {
      const nlohmann::json& expected = file["texts"][name][i][prompt ? 1 : 0];
      if (expected.is_null()) CHECK_THROWS_AS(render_chat(chat, messages, prompt, noon), Error);
      else CHECK(render_chat(chat, messages, prompt, noon) == expected.get<std::string>());
    }
  }
}

}  // namespace tsrun::test
