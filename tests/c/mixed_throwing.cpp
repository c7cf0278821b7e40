// The file of mixed.cpp that has exceptions.

#define ENCLAVA_EXCEPTIONS
#include <enclava.hpp>

bool throws() {
  try {
    enclava::Gate::open("nonsense:");
    return false;
  } catch (const enclava::Failed &failed) {
    if (failed.error().status() != ENCLAVA_STATUS_INVALID_VALUE) return false;
  }
  enclava::Gate gate = enclava::Gate::open("memory:");
  enclava::NewKey made = gate.create_key(R"({"name": "k", "daily_spend_limit": 10})");
  enclava::Request request;
  request.secret = made.secret.reveal();
  request.estimate.cost = enclava::money("1");
  enclava::Permit permit = gate.authorize(request);
  try {
    permit.extend({enclava::money("11"), 0});
    return false;
  } catch (const enclava::Denied &denied) {
    permit.release();
    return denied.denial().status() == 429 && denied.denial().failure() == ENCLAVA_STATUS_DENIED;
  }
}
