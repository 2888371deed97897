// Expects a refusal (exit 2) whose one line names every given word.
#pragma once

#include <doctest/doctest.h>

#include <concepts>
#include <initializer_list>
#include <string>

#include "gguf_image.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/import/source.hpp"

namespace tsrun::test {

inline std::unique_ptr<ModelSource> open_image(const GgufImage& image) {
  return open_source(bytes_in_memory(image.bytes(), "test.gguf"));
}

template <std::invocable Act>
void expect_refusal(Act&& act, std::initializer_list<std::string> words) {
  try {
    act();
    FAIL_CHECK("accepted what should be refused");
  } catch (const Error& error) {
    const std::string message = error.what();
    CAPTURE(message);
    CHECK(error.exit() == Exit::request);
    CHECK(message.find("test.") != std::string::npos);  // the name of the file
    CHECK_FALSE(error.complaint().next.empty());
    for (const std::string& word : words) {
      CAPTURE(word);
      CHECK(message.find(word) != std::string::npos);
    }
  }
}
inline void expect_refusal(const GgufImage& image, std::initializer_list<std::string> words) {
  expect_refusal([&] { open_image(image); }, words);
}

}  // namespace tsrun::test
