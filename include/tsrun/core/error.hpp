// Errors by cause.
//
// A user, a file or the system at fault: throw an `Error` with what is wrong, where, the numbers and the next
// step. It travels to main(), which prints one message from one rank and ends with the exit status.
// Our own mistake: `check(condition, "...")`, which throws std::logic_error and ends with status 1.
#pragma once

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tsrun {

// Exit status of the whole job: the request or an input is wrong, a stated goal cannot be met, or
// something broke while running.
enum class Exit : int { done = 0, broke = 1, request = 2, goal = 3 };

using Number = std::variant<std::int64_t, double, std::string>;
using Numbers = std::vector<std::pair<std::string, Number>>;

// What a person needs to mend it. `where` names the file, option, tensor or rank; `next` is the next step.
struct Complaint {
  std::string what;
  std::string where{};
  Numbers numbers{};
  std::string next{};
};

class Error : public std::exception {
 public:
  Error(Exit exit, Complaint complaint);

  const char* what() const noexcept override { return message_.c_str(); }
  Exit exit() const noexcept { return exit_; }
  const Complaint& complaint() const noexcept { return complaint_; }

 private:
  Exit exit_;
  Complaint complaint_;
  std::string message_;  // one line: what, where, the numbers, what to do; safe on any terminal
};

// The request or an input is wrong (exit 2).
[[noreturn]] void refuse(Complaint complaint);
// A stated goal cannot be met: it does not fit, or is too slow (exit 3).
[[noreturn]] void give_up(Complaint complaint);
// The system failed us while running: a write, a rank, a library (exit 1).
[[noreturn]] void broke(Complaint complaint);

// Our own mistake if it does not hold.
constexpr void check(bool holds, const char* promise) {
  if (!holds) throw std::logic_error(promise);
}

}  // namespace tsrun
