// The rows between products and attention against plain loops in double.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "huge_page_choice.hpp"
#include "random_floats.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/pages.hpp"
#include "tsrun/kernels/rows.hpp"
#include "tsrun/kernels/threads.hpp"

using namespace tsrun;
using tsrun::test::random_floats;

namespace {

double exact(Activation activation, double v) {
  switch (activation) {
    case Activation::silu: return v / (1 + std::exp(-v));
    case Activation::gelu: return v / 2 * std::erfc(-v / std::sqrt(2.0));
    case Activation::gelu_tanh: return v / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
    case Activation::relu: return std::max(v, 0.0);
  }
  return 0;
}

}  // namespace

TEST_CASE("activations are those of the formulas, gated or not, small and large, whatever the length and the place") {
  for (const Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu})
    for (const std::int64_t count : {1, 3, 4, 7, 15, 16, 17, 31, 33, 70, 5000}) {
      std::vector<float> v = random_floats(count, 3), gate = random_floats(count, 4);
      for (std::size_t i = 0; i < v.size(); ++i) {
        v[i] *= i % 3 == 0 ? 1.0F : i % 3 == 1 ? 20.0F : 1e-3F;
        gate[i] *= i % 2 == 0 ? 1.0F : 100.0F;
      }
      std::vector<float> plain = v, gated = v, alone = {v.back()};
      activate(activation, nullptr, plain.data(), count);
      activate(activation, gate.data(), gated.data(), count);
      activate(activation, nullptr, alone.data(), 1);
      for (std::size_t i = 0; i < v.size(); ++i) {
        CAPTURE(v[i]);
        CAPTURE(gate[i]);
        const double x = v[i], g = gate[i];
        CHECK(std::abs(plain[i] - exact(activation, x)) <= 3e-7 * std::abs(x));
        CHECK(std::abs(gated[i] - exact(activation, g) * x) <= 3e-7 * std::abs(g * x));
      }
      CHECK(alone[0] == plain.back());
    }
  float special[] = {std::nanf(""), 1e30F, -1e4F};
  for (const Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh, Activation::relu}) {
    float out[3];
    std::copy_n(special, 3, out);
    activate(activation, nullptr, out, 3);
    CHECK(std::isnan(out[0]));
    CHECK(out[1] == 1e30F);
    CHECK(out[2] == 0);
  }
}

TEST_CASE("sums of rows, and of their squares, are those in double") {
  for (const std::int64_t width : {1, 5, 15, 16, 17, 63, 64, 65, 130, 2048}) {
    const std::int64_t rows = 5;
    const auto x = random_floats(rows * width, 11);
    std::vector<float> sums(rows), squares(rows), last(1);
    row_sums(x.data(), rows, width, sums.data());
    row_square_sums(x.data(), rows, width, squares.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0, square = 0, size = 0;
      for (std::int64_t i = 0; i < width; ++i) {
        const double v = x[static_cast<std::size_t>(r * width + i)];
        sum += v, size += std::abs(v), square += v * v;
      }
      CHECK(std::abs(sums[static_cast<std::size_t>(r)] - sum) <= 1e-6 * size);
      CHECK(squares[static_cast<std::size_t>(r)] == doctest::Approx(square).epsilon(1e-6));
    }
    row_square_sums(x.data() + (rows - 1) * width, 1, width, last.data());
    CHECK(last[0] == squares.back());
  }
}

TEST_CASE("the best id of the vocabulary is real, and the smallest of equals") {
  const float logits[] = {1, 7, 7, 3, 99};
  const Best best = best_of(logits, {10, 5, 14});  // id 14 is padding
  CHECK(best.id == 11);
  CHECK(best.logit == 7);
  CHECK(best_of(logits, {20, 5, 14}).logit < -1e30F);
}

TEST_CASE("the likeliest ids of a part of the vocabulary are real, in order, and of equals the smallest come first") {
  const float logits[] = {1, 7, -2, 7, 3, 7, 99};
  const VocabularyPart part{(1 << 25) + 1, 7, (1 << 25) + 7};  // the last id is padding; no float has all of these
  const auto taken = [&](std::size_t count) {
    std::vector<Best> out(count);
    likeliest_of(logits, part, out);
    return out;
  };
  const auto id = [&](std::int64_t i) { return static_cast<std::int32_t>(part.first + i); };
  CHECK(taken(1) == std::vector<Best>{{7, id(1)}});
  CHECK(taken(2) == std::vector<Best>{{7, id(1)}, {7, id(3)}});
  CHECK(taken(4) == std::vector<Best>{{7, id(1)}, {7, id(3)}, {7, id(5)}, {3, id(4)}});
  const std::vector<Best> all = taken(7);
  CHECK(all[5] == Best{-2, id(2)});
  CHECK(all[6].logit < -1e30F);
  CHECK(all[6].id == part.V);
  for (const Best& b : [&] {
         std::vector<Best> none(3);
         likeliest_of(logits, {part.V + 2, 7, part.V}, none);
         return none;
       }()) {
    CHECK(b.logit < -1e30F);
    CHECK(b.id >= part.V);
  }
}

TEST_CASE("the likeliest ids are the first of all sorted, however many are taken and however many are equal") {
  auto logits = random_floats(500, 3);
  for (float& v : logits) v = std::round(4 * v);  // many equals
  std::vector<Best> sorted;
  for (std::size_t i = 0; i < logits.size(); ++i) sorted.push_back({logits[i], static_cast<std::int32_t>(i)});
  std::sort(sorted.begin(), sorted.end(), likelier);
  for (const std::size_t count : {1, 2, 7, 64, 499, 500}) {
    std::vector<Best> out(count);
    likeliest_of(logits.data(), {0, 500, 500}, out);
    CHECK(std::equal(out.begin(), out.end(), sorted.begin()));
  }
}

TEST_CASE("a log-probability is put together from parts of the vocabulary") {
  const auto logits = random_floats(12, 10);
  for (std::int32_t target = 0; target < 10; ++target) {
    double sum = 0;
    for (std::size_t i = 0; i < 10; ++i) sum += std::exp(static_cast<double>(logits[i]));
    std::vector<SoftmaxStats> parts;
    for (std::int64_t first = 0; first < 16; first += 4)
      parts.push_back(softmax_stats(logits.data() + (first < 12 ? first : 0), {first, 4, 10}, target));
    CHECK(log_probability(parts) == doctest::Approx(logits[static_cast<std::size_t>(target)] - std::log(sum)).epsilon(1e-6));
  }
}

TEST_CASE("memory that is taken is all there, from its first byte to its last, and 0") {
  const std::int64_t page = sysconf(_SC_PAGESIZE);
  for (const std::int64_t bytes : {std::int64_t{0}, std::int64_t{1}, page + 1, (std::int64_t{5} << 20) + 3}) {
    Pages pages(bytes);
    pages.take();
    std::vector<unsigned char> resident(static_cast<std::size_t>(ceil_div(bytes, page)));
    if (bytes > 0) REQUIRE(mincore(pages.data(), static_cast<std::size_t>(bytes), resident.data()) == 0);
    CHECK(std::all_of(resident.begin(), resident.end(), [](unsigned char r) { return (r & 1) != 0; }));
    CHECK(std::all_of(pages.data(), pages.data() + bytes, [](std::byte b) { return b == std::byte{}; }));
    std::fill_n(pages.data(), bytes, std::byte{1});
  }
}

TEST_CASE("pages are taken huge while these come quickly, and rarely where they do not") {
  const auto huge_of = [](int pages, int threads, const auto& is_quick) {
    HugePageChoice choice;
    int huge = 0;
    for (int page = 0; page < pages; page += threads) {  // threads begin together and end together
      int together = 0;
      for (int t = 0; t < threads; ++t) together += choice.next_is_huge();
      for (int t = 0; t < together; ++t) choice.took_huge(is_quick(page));
      huge += together;
    }
    return huge;
  };
  for (const int threads : {1, 2, 16, 64}) {
    CAPTURE(threads);
    CHECK(huge_of(6400, threads, [](int) { return true; }) == 6400);
    CHECK(huge_of(6400, threads, [](int page) { return page >= 128; }) >= 6400 - 128 - 64);
    const int attempts = huge_of(6400, threads, [](int) { return false; });
    CHECK(attempts >= 6400 / (64 + threads));
    CHECK(attempts <= (6400 / 64 + 7) * threads);
  }
  CHECK(huge_of(6400, 1, [](int page) { return page % 4 == 3; }) > 640);  // now and then a quick one: goes on trying
}

TEST_CASE("NUMA domains are counted that have a core this process may run on") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("tsrun_numa_" + std::to_string(getpid()));
  cpu_set_t mine;
  REQUIRE(sched_getaffinity(0, sizeof mine, &mine) == 0);
  int first = 0;
  while (!CPU_ISSET(first, &mine)) ++first;
  const auto node = [&](const char* name, const std::string& cores) {
    fs::create_directories(folder / name);
    std::ofstream(folder / name / "cpulist") << cores << "\n";
  };
  CHECK(numa_domains((folder / "absent").string()) == 1);
  node("node0", std::to_string(first));
  node("node1", "1000-1007,1012");
  node("node2", "");  // memory without cores
  CHECK(numa_domains(folder.string()) == 1);
  node("node3", "900," + std::to_string(first) + "-" + std::to_string(first + 3));
  CHECK(numa_domains(folder.string()) == 2);
  fs::remove_all(folder);
}

TEST_CASE("cores that ranks share are shared out, those that a launcher gave each its own are kept") {
  const auto share = [](const std::vector<Cores>& of_ranks, std::size_t rank, const std::vector<Cores>& to_share = {}) {
    const CoreShare s = share_of_cores(of_ranks, rank, to_share);
    return std::pair(s.cores, s.threads);
  };
  const Cores all = {0, 4, 1, 5, 2, 6, 3, 7}, low = {0, 1, 2, 3}, high = {4, 5, 6, 7};
  CHECK(share({all}, 0) == std::pair(all, 8));
  CHECK(share({all, all, all}, 1) == std::pair(all, 2));
  CHECK(share({low, high}, 1) == std::pair(high, 4));
  CHECK(share({low, low, high, high}, 2) == std::pair(high, 2));  // bound to sockets, several ranks each
  CHECK(share(std::vector<Cores>(20, all), 19) == std::pair(all, 1));
  const std::vector<Cores> whole = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};
  CHECK(share({{0}}, 0, whole) == std::pair(all, 8));
  CHECK(share({{0}, {1}}, 1, whole) == std::pair(Cores{2, 6, 3, 7}, 4));
  CHECK(share({{0}, {1}, {2}}, 0, whole) == std::pair(Cores{0, 4}, 2));
  CHECK(share({{0}, {1}, {2}}, 2, whole) == std::pair(Cores{2, 6, 3, 7}, 4));
  CHECK(share(std::vector<Cores>(5, all), 4, whole) == std::pair(all, 1));
}

TEST_CASE("a rank runs where it is told") {
  const Cores all = cores_of();
  REQUIRE_FALSE(all.empty());
  std::thread([&] {  // which alone is bound
    run_on({all.back()});
    CHECK(cores_of() == Cores{all.back()});
  }).join();
  CHECK(cores_of() == all);
}
