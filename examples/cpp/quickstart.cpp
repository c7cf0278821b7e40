// The story of one key: made, used within its budget, and settled.
//
//   c++ -std=c++17 quickstart.cpp $(pkg-config --cflags --libs enclava) -o quickstart && ./quickstart

#define ENCLAVA_EXCEPTIONS
#include <enclava.hpp>
#include <iostream>

int main() try {
  enclava::Gate gate = enclava::Gate::open("memory:");
  enclava::NewKey made = gate.create_key(R"({
      "name": "Production App", "allowed_models": ["gpt-4", "gpt-3.5-turbo"], "daily_spend_limit": "50.00",
      "monthly_spend_limit": 1500, "daily_token_limit": 500000, "alert_threshold": 0.8})");

  // For every call: ask, make the call, say what it came to.
  enclava::Request request;
  request.secret = made.secret.reveal();  // en_8f3d...: shown this once; the gate keeps its hash
  request.model = "gpt-4";
  request.estimate = {enclava::money("0.05"), 1500};
  enclava::Permit permit = gate.authorize(request);
  permit.dispatched();
  permit.settle({enclava::money("0.031"), 1234});

  try {
    request.model = "o1";
    static_cast<void>(gate.authorize(request));
    return 1;
  } catch (const enclava::Denied &denied) {
    std::cout << denied.denial().status() << ' ' << denied.denial().body() << '\n';
  }

  enclava_balances balances = gate.usage(made.key.id());
  std::string used = enclava::to_string(balances.daily_spend.used.cost);
  std::cout << made.key.id() << " used $" << used << " and " << balances.daily_tokens.used.tokens << " tokens today\n";
  return used == "0.031" ? 0 : 1;
} catch (const enclava::Failed &failed) {
  std::cerr << failed.what() << '\n';
  return 1;
}
