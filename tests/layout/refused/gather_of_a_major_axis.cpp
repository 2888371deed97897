// Gathering x of E_xy would leave the blocks of y in the wrong order: only the minor end can be popped.
#include "tsrun/layout/partition.hpp"

using namespace tsrun;
#ifdef TSRUN_WRONG
constexpr auto wrong = "BLE_xy"_p.all_gather(Axis::x, Dim::E);
#else
constexpr auto right = "BLE_xy"_p.all_gather(Axis::y, Dim::E);
static_assert(right == "BLE_x"_p);
#endif
