// What was swept, as text, CSV and a picture: latency against cost.
#pragma once

#include <string>
#include <vector>

#include "console.hpp"
#include "plan_question.hpp"
#include "tsrun/planner/frontier.hpp"

namespace tsrun::cli {

// The frontier of each phase, and the one that the objective takes.
std::string offers_text(const std::vector<Offer>& offers, const Offer& best, Objective objective);
Json offer_json(const Offer& offer);

// Refuses a name that ends in none of .csv, .svg and .html.
void require_picture(const std::string& path);
// Appears under its name when it is whole. An HTML page holds the picture and the table.
void write_pareto(const std::string& path, const PlanQuestion& question, const std::vector<Offer>& offers);

}  // namespace tsrun::cli
