// The test main of tests that run on several ranks.
//
// Every rank runs the same cases. A CHECK that fails on one rank is shown and makes the whole job red; a REQUIRE that
// fails, or an exception, on one rank would leave its peers waiting in the next collective, so it ends the job at once.
// The verdict is the same on every rank, and a job of another size than it was registered for, or one in which no case
// ran, is red: a wrong launcher starts single ranks, each of which would pass.
#define DOCTEST_CONFIG_IMPLEMENT
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS  // else the abort of one rank is reported by all others as their failure
#include <doctest/doctest.h>
#include <mpi.h>

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

namespace {

int rank = 0, ranks = 1, cases_run = 0;

struct EndJobOnThrow : doctest::IReporter {
  explicit EndJobOnThrow(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& test) override {
    current_ = test.m_name;
    ++cases_run;
  }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException& e) override { end(e.error_string.c_str()); }
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& assertion) override {
    if (!assertion.m_failed || (assertion.m_at & doctest::assertType::is_require) == 0) return;
    end((std::string(assertion.m_file) + ":" + std::to_string(assertion.m_line) + ": REQUIRE( " + assertion.m_expr + " )").c_str());
  }
  void log_message(const doctest::MessageData& message) override {
    if ((message.m_severity & doctest::assertType::is_require) != 0) end(message.m_string.c_str());
  }
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  void end(const char* why) const {
    if (ranks == 1) return;
    std::cerr << "[rank " << rank << "/" << ranks << "] " << current_ << ": " << why << std::endl;
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  std::string current_;
};

REGISTER_LISTENER("end_job_on_throw", 1, EndJobOnThrow);

bool right_size() {
  const char* const wanted = std::getenv("TSRUN_TEST_RANKS");
  if (wanted == nullptr || std::atoi(wanted) == ranks) return true;
  std::cerr << "registered for " << wanted << " ranks, started on " << ranks << "\n";
  return false;
}

// Rank 0 always, others only if they failed, one after the other.
void print_in_turn(const std::string& output, bool failed) {
  for (int turn = 0; turn < ranks; ++turn) {
    if (turn == rank && (rank == 0 || failed)) std::cout << (ranks > 1 ? "[rank " + std::to_string(rank) + "] " : "") << output << std::flush;
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

}  // namespace

int main(int argc, char** argv) {
  int level = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  std::ostringstream output;
  doctest::Context context(argc, argv);
  context.setOption("no-colors", true);
  context.setCout(&output);
  const int failed_here = context.run() != 0 || cases_run == 0 || !right_size() ? 1 : 0;
  int failed = 0;
  MPI_Allreduce(&failed_here, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  print_in_turn(output.str(), failed_here != 0);
  MPI_Finalize();
  return failed;
}
