// The same over two dimensions, where each of them alone would be good.
#include "tsrun/layout/partition.hpp"

using namespace tsrun::literals;
#ifdef TSRUN_WRONG
constexpr auto wrong = "B_xLE_xyz"_p;
#else
constexpr auto right = "B_xLE_zy"_p;
#endif
