// The test main of tests that run on several ranks.
//
// Every rank runs the same cases. A CHECK that fails on one rank is shown and makes the whole job red; a REQUIRE that
// fails, or an exception, on one rank would leave its peers waiting in the next collective, so it ends the job at once.
// The verdict is the same on every rank. A job of another size than it was registered for, or one in which no case ran,
// is red: a wrong launcher starts single ranks, each of which would pass.
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

std::string who() { return "[rank " + std::to_string(rank) + "/" + std::to_string(ranks) + "] "; }

// Says where a case breaks off, with its INFO and CAPTURE lines, and takes the peers along.
class EndJobOnThrow : public doctest::IReporter {
 public:
  explicit EndJobOnThrow(const doctest::ContextOptions&) {}
  void test_case_start(const doctest::TestCaseData& test) override {
    current_ = test.m_name;
    ++cases_run;
  }
  void test_case_exception(const doctest::TestCaseException& e) override {
    end(std::string("exception: ") + e.error_string.c_str());
  }
  void log_assert(const doctest::AssertData& a) override {
    if (!a.m_failed || (a.m_at & doctest::assertType::is_require) == 0) return;
    const char* const got = a.m_threw ? a.m_exception.c_str() : a.m_decomp.c_str();
    end(std::string(a.m_file) + ":" + std::to_string(a.m_line) + ": REQUIRE( " + a.m_expr + " ) is: " + got);
  }
  void log_message(const doctest::MessageData& m) override {
    if ((m.m_severity & doctest::assertType::is_require) != 0)
      end(std::string(m.m_file) + ":" + std::to_string(m.m_line) + ": " + m.m_string.c_str());
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  void end(const std::string& why) const {
    if (ranks == 1) return;  // no peers; doctest reports it
    std::ostringstream said;
    said << who() << current_ << "\n" << who() << why << "\n";
    for (int i = 0; i < get_num_active_contexts(); ++i) {
      said << who() << "  with ";
      get_active_contexts()[i]->stringify(&said);
      said << "\n";
    }
    std::cerr << said.str() << std::flush;
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  std::string current_;
};

REGISTER_LISTENER("end_job_on_throw", 1, EndJobOnThrow);

bool registered_size() {
  const char* const wanted = std::getenv("TSRUN_TEST_RANKS");
  if (wanted == nullptr || std::atoi(wanted) == ranks) return true;
  if (rank == 0)
    std::cerr << "registered for " << wanted << " ranks, started on " << ranks
              << ": the launcher is not that of the MPI library, or the command line is wrong\n";
  return false;
}

// Rank 0 always, others only if they failed, one after the other.
void print_in_turn(const std::string& output, bool failed) {
  for (int turn = 0; turn < ranks; ++turn) {
    if (turn == rank && (rank == 0 || failed)) std::cout << (ranks > 1 ? who() : "") << output << std::flush;
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

// 0 if every rank is content.
int run(int argc, char** argv) {
  std::ostringstream output;
  doctest::Context context(argc, argv);
  context.setOption("no-colors", true);
  context.setCout(&output);
  const int status = context.run();
  const bool only_asked = context.shouldExit();  // --help, --list-test-cases
  if (cases_run == 0 && !only_asked) output << "no test case ran\n";
  const int failed_here = status != 0 || (cases_run == 0 && !only_asked) ? 1 : 0;
  int failed = 0;
  MPI_Allreduce(&failed_here, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  print_in_turn(output.str(), failed_here != 0);
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  int level = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const int failed = registered_size() ? run(argc, argv) : 1;
  MPI_Finalize();
  return failed;
}
