// A chip cannot hold its block of E over x and an addend of all of it.
#include "tsrun/layout/partition.hpp"

using namespace tsrun::literals;
#ifdef TSRUN_WRONG
constexpr auto wrong = "BLE_xy (partialsum-x)"_p;
#else
constexpr auto right = "BLE_y (partialsum-x)"_p;
#endif
