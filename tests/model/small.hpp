// A small model that is valid, for tests that then change one fact of it.
#pragma once

#include "tsrun/model/config.hpp"

namespace tsrun::test {

inline ModelConfig small_model() {
  ModelConfig c;
  c.name = "small";
  c.layers = 2;
  c.E = 24;
  c.F = 40;
  c.H = 6;
  c.K = 3;
  c.Q = 8;
  c.V = 50;
  c.context = 64;
  c.rope_dims = 8;
  return c;
}

}  // namespace tsrun::test
