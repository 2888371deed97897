#include "tsrun/core/error.hpp"

#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

std::string one_line(const Complaint& c) {
  std::string line = c.where.empty() ? c.what : text(c.where, ": ", c.what);
  std::string numbers;
  for (const auto& [name, number] : c.numbers) {
    if (!numbers.empty()) numbers += ", ";
    numbers += std::visit([&name = name](const auto& v) { return text(name, " ", v); }, number);
  }
  if (!numbers.empty()) line += text(" (", numbers, ")");
  if (!c.next.empty()) line += text("; ", c.next);
  return line;
}

}  // namespace

Error::Error(Exit exit, Complaint complaint)
    : exit_(exit), complaint_(std::move(complaint)), message_(harmless(one_line(complaint_))) {}

void refuse(Complaint complaint) { throw Error(Exit::request, std::move(complaint)); }
void give_up(Complaint complaint) { throw Error(Exit::goal, std::move(complaint)); }
void broke(Complaint complaint) { throw Error(Exit::broke, std::move(complaint)); }

}  // namespace tsrun
