// A chip multiplies the columns it holds with the rows it holds: they must be the same ones.
#include "tsrun/layout/partition.hpp"

using namespace tsrun;
#ifdef TSRUN_WRONG
constexpr auto wrong = matmul("BLE_y"_p, "E_xF_z"_p);
#else
constexpr auto right = matmul("BLE_x"_p, "E_xF_z"_p);
static_assert(right == "BLF_z (partialsum-x)"_p);
#endif
