// An axis cuts a tensor once: BLE_xx asks chip x for two blocks of E.
#include "tsrun/layout/partition.hpp"

using namespace tsrun::literals;
#ifdef TSRUN_WRONG
constexpr auto wrong = "BLE_xx"_p;
#else
constexpr auto right = "BLE_xy"_p;
#endif
