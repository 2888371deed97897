// The mesh has three axes.
#include "tsrun/layout/partition.hpp"

using namespace tsrun::literals;
#ifdef TSRUN_WRONG
constexpr auto wrong = "BLQ_w"_p;
#else
constexpr auto right = "BLQ_z"_p;
#endif
