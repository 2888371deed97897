// Errors by cause: the exit status, and one line with everything a person needs.
#include "tsrun/core/error.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace tsrun;

namespace {

template <class Throw>
Error caught(Throw&& throw_it) {
  try {
    throw_it({.what = "heads cannot be cut",
              .where = "--mesh",
              .numbers = {{"heads", std::int64_t{9}}, {"Y", 2.5}, {"axis", "y"}},
              .next = "choose Y 3"});
  } catch (const Error& error) {
    return error;
  }
  FAIL("nothing thrown");
  return {Exit::done, {}};
}

}  // namespace

TEST_CASE("the cause decides the exit status") {
  CHECK(caught(refuse).exit() == Exit::request);
  CHECK(caught(give_up).exit() == Exit::goal);
  CHECK(caught(broke).exit() == Exit::broke);
  CHECK(static_cast<int>(Exit::done) == 0);
  CHECK(static_cast<int>(Exit::broke) == 1);
  CHECK(static_cast<int>(Exit::request) == 2);
  CHECK(static_cast<int>(Exit::goal) == 3);
}

TEST_CASE("the message is one line: where, what, the numbers, the next step; parts that are empty leave nothing") {
  CHECK(std::string(caught(refuse).what()) == "--mesh: heads cannot be cut (heads 9, Y 2.5, axis y); choose Y 3");
  CHECK(caught(refuse).complaint().next == "choose Y 3");
  CHECK(std::string(Error(Exit::request, {.what = "it is wrong"}).what()) == "it is wrong");
  CHECK(std::string(Error(Exit::request, {.what = "it is wrong", .where = "a\n\x1b[2J"}).what()) ==
        "a\\x0a\\x1b[2J: it is wrong");
}

TEST_CASE("our own mistake is a logic error with the promise that was broken") {
  CHECK_NOTHROW(check(true, "holds"));
  CHECK_THROWS_WITH_AS(check(false, "a promise"), "a promise", std::logic_error);
}
