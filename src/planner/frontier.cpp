#include "tsrun/planner/frontier.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace tsrun {
namespace {

struct Place {
  int chips;
  std::int64_t batch;
};

Question at(Question question, const Place& place) {
  if (question.choices.tori.empty() || question.choices.tori[0].size() != place.chips)
    question.choices.tori = tori_of(place.chips);
  for (Work& work : question.works) work.batch = place.batch;
  return question;
}

std::vector<Offer> offers_at(const Question& question, const Place& place, WalkLoads& walks) {
  const Question here = at(question, place);
  const Answer answer = decide(here, walks);
  std::vector<Offer> found;
  for (const PhaseAnswer& phase : answer.phases) {
    const Candidate* const c = phase.chosen();
    if (c == nullptr) continue;
    const Work& work = phase.contest.work;
    found.push_back({place.chips, work, *c, cost_per_token(work, *c),
                     mfu(static_cast<double>(here.choices.config.parameters()), work.tokens_in_pass(), c->time_s(),
                         place.chips, here.choices.chips[c->chip])});
  }
  return found;
}

bool beats(const Offer& a, const Offer& b) {
  return a.work.phase == b.work.phase && a.time_s() <= b.time_s() && a.cost <= b.cost &&
         (a.time_s() < b.time_s() || a.cost < b.cost);
}

}  // namespace

std::vector<Offer> offers(const Question& question, const std::vector<int>& chips,
                          const std::vector<std::int64_t>& batches, int threads) {
  std::vector<Place> places;
  for (const int n : chips)
    for (const std::int64_t batch : batches) places.push_back({n, batch});
  std::vector<std::vector<Offer>> of(places.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    WalkLoads walks;
    for (std::size_t i = next++; i < places.size(); i = next++) of[i] = offers_at(question, places[i], walks);
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();

  std::vector<Offer> all;
  for (std::vector<Offer>& some : of)
    for (Offer& offer : some) all.push_back(std::move(offer));
  for (Offer& offer : all)
    offer.is_best = std::none_of(all.begin(), all.end(), [&](const Offer& other) { return beats(other, offer); });
  return all;
}

}  // namespace tsrun
