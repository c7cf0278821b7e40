/* needs: mixed_throwing.cpp */
// Two source files of one program, one with exceptions and one without: each gets what its own header said.

#include <cstdio>
#include <enclava.hpp>
#include <utility>

/* In the other file. */
bool throws();

static bool returns() {
  auto opened = enclava::Gate::open("memory:");
  if (!opened || enclava::Gate::open("nonsense:")) return false;
  enclava::Gate gate = std::move(opened).value();
  auto made = gate.create_key(R"({"name": "k", "daily_spend_limit": 10})");
  enclava::Request request;
  request.secret = made->secret.reveal();
  request.estimate.cost = *enclava::money("1");
  auto admitted = gate.authorize(request);
  if (!admitted) return false;
  auto denied = admitted->extend({*enclava::money("11"), 0});
  return !denied && denied.error().denial()->status() == 429 && admitted->release();
}

int main() {
  if (returns() && throws()) return 0;
  std::fprintf(stderr, "one file is served by what was made for the other\n");
  return 1;
}
