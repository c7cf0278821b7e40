// The C++ header with results instead of exceptions: what moves, what is freed, and what cannot be overlooked.

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <enclava.hpp>
#include <thread>
#include <type_traits>

#define CHECK(what)                                                       \
  do {                                                                    \
    if (!(what)) {                                                        \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);     \
      std::exit(1);                                                       \
    }                                                                     \
  } while (0)

using enclava::Denial;
using enclava::Gate;
using enclava::Permit;
using enclava::Request;

static_assert(!std::is_copy_constructible_v<Permit> && std::is_nothrow_move_constructible_v<Permit>);
static_assert(!std::is_copy_constructible_v<enclava::Secret> && std::is_move_assignable_v<enclava::Secret>);
static_assert(sizeof(Permit) == sizeof(void *) && sizeof(enclava::Key) == sizeof(void *));

static enclava::Usage usage(const char *cost, std::uint64_t tokens) { return {*enclava::money(cost), tokens}; }

static void one_call(const Gate &gate, const enclava::NewKey &made) {
  Request request;
  request.secret = made.secret.reveal();
  request.model = "gpt-4";
  request.estimate = usage("1", 10);
  auto admitted = gate.authorize(request);
  CHECK(admitted);
  Permit permit = std::move(admitted).value();
  CHECK(permit.model() == "gpt-4");
  CHECK(permit.dispatched() == ENCLAVA_STATUS_OK);
  Permit moved = std::move(permit);
  CHECK(permit.dispatched() == ENCLAVA_STATUS_NULL_ARGUMENT);
  CHECK(permit.id().empty());
  CHECK(permit.settle(usage("1", 1)).error().status() == ENCLAVA_STATUS_NULL_ARGUMENT);
  auto settled = moved.settle(usage("8", 1));
  CHECK(settled && enclava::to_string(settled->usage().cost) == "8.00");
  CHECK(settled->alerts().size() == 1 && settled->alerts()[0].info.meter == ENCLAVA_METER_DAILY_SPEND);
  CHECK(settled->alerts()[0].key_id == made.key.id());
  CHECK(settled->alerts()[0].id.find(made.key.id() + ":daily_spend:") == 0);
  auto again = moved.settle(usage("8", 1));
  CHECK(!again && again.error().status() == ENCLAVA_STATUS_ALREADY_SETTLED && again.error().first()->cost.usd == 8);

  request.model = "o1";
  auto denied = gate.authorize(request);
  CHECK(!denied);
  Denial denial = std::move(denied).error();
  CHECK(denial.status() == 403 && denial.reason() == ENCLAVA_REASON_MODEL_NOT_ALLOWED);
  CHECK(denial.headers().size() == 2 && denial.headers()[0].second == "application/json");
  CHECK(denial.body().find("Model not allowed") != std::string::npos && denial.cause().empty());
  request.model = "gpt-4";
  Permit small = std::move(gate.authorize(request)).value();
  auto extended = small.extend(usage("9", 0));
  CHECK(!extended && extended.error().status() == ENCLAVA_STATUS_DENIED);
  auto refused = extended.error().denial();
  CHECK(refused && refused->status() == 429 && refused->reason() == ENCLAVA_REASON_DAILY_SPEND_EXCEEDED);
  extended = small.extend(usage("0", 0));
  CHECK(extended && !refused->body().empty());
  CHECK(small.release() && !small.extend(usage("0", 0)).error().denial());
  request.model = "o1";
  auto decision = gate.check(request);
  CHECK(decision && !*decision);
  CHECK(decision->explain().find("FAIL") != std::string::npos);
}

static void keys(Gate &gate, const enclava::NewKey &made) {
  const std::string id = made.key.id();
  CHECK(gate.keys()->size() == 1 && gate.keys()->front() == id);
  CHECK(gate.allowed_models(made.secret.reveal(), {"o1", "gpt-4"})->at(0) == "gpt-4");
  CHECK(gate.update_key(id, R"({"daily_spend_limit": 99})").error().status() == ENCLAVA_STATUS_CONFLICT);
  CHECK(gate.update_key(id, R"({"daily_spend_limit": 99})", made.key.revision(), ENCLAVA_UPDATE_WIDEN));
  auto bad = gate.create_key(R"({"nmae": "x"})");
  CHECK(!bad && bad.error().faults().find("/nmae") != std::string::npos && !bad.error().message().empty());
  auto rotated = gate.rotate_key(id, std::chrono::seconds(60));
  CHECK(rotated && gate.verify(rotated->secret.reveal()) && gate.verify(made.secret.reveal()));
  CHECK(gate.disable_key(id) && !gate.verify(made.secret.reveal()) && gate.enable_key(id));
  CHECK(gate.take_event().value().find("key_created") != std::string::npos);
  CHECK(gate.take_alert().has_value() && !gate.take_alert().has_value());
  CHECK(gate.record(id, usage("0.5", 0), "r1") && !gate.record(id, usage("0.5", 0), "r1"));
  CHECK(gate.usage(id)->daily_spend.used.cost.pico == 500000000000);
  CHECK(gate.refresh() && gate.flush() && gate.stats().find("\"settled\":1") != std::string::npos);
}

static void loop_until(const enclava::Queue &queue, const int &done, int wanted) {
  while (done < wanted) {
    pollfd ready = {queue.descriptor(), POLLIN, 0};
    CHECK(poll(&ready, 1, -1) == 1);
    queue.run();
  }
}

static void off_the_loop(const Gate &gate, const enclava::NewKey &made) {
  auto opened = enclava::Queue::open(2, 8);
  CHECK(opened);
  enclava::Queue queue = std::move(opened).value();
  int done = 0;
  Request request;
  request.secret = made.secret.reveal();
  request.model = "gpt-4";
  for (int i = 0; i < 7; i++) {
    CHECK(queue.submit([&] { return gate.authorize(request); },
                       [&](enclava::Result<Permit, Denial> admitted) { done += bool(admitted); }) == ENCLAVA_STATUS_OK);
  }
  CHECK(queue.submit([] {}, [&] { done++; }) == ENCLAVA_STATUS_OK);
  CHECK(queue.submit([] {}, [] {}) == ENCLAVA_STATUS_BUSY);
  loop_until(queue, done, 8);
  /* Another in its place: what the first did not tell is never told, and both are waited for. */
  CHECK(queue.submit([&] { return gate.authorize(request); },
                     [](enclava::Result<Permit, Denial>) { std::abort(); }) == ENCLAVA_STATUS_OK);
  auto other = enclava::Queue::open(1, 8);
  CHECK(other && other->submit([] {}, [&] { done++; }) == ENCLAVA_STATUS_OK);
  queue = std::move(other).value();
  CHECK(other->submit([] {}, [] {}) == ENCLAVA_STATUS_NULL_ARGUMENT);
  loop_until(queue, done, 9);
  /* What nobody is told of any more goes, and its permit with it. */
  CHECK(queue.submit([&] { return gate.authorize(request); },
                     [](enclava::Result<Permit, Denial>) { std::abort(); }) == ENCLAVA_STATUS_OK);
}

static std::pair<Gate, Permit> listened(const char *cost, enclava::AlertCallback callback) {
  Gate gate = std::move(Gate::open("memory:")).value();
  auto made = gate.create_key(R"({"name": "k", "daily_spend_limit": 10, "alert_threshold": 0.5})");
  CHECK(made && gate.on_alert(std::move(callback)) == ENCLAVA_STATUS_OK);
  Request request;
  request.secret = made->secret.reveal();
  request.estimate = usage(cost, 1);
  Permit permit = std::move(gate.authorize(request)).value();
  return {std::move(gate), std::move(permit)};
}

/* A callback is called as long as its gate is there, and goes no earlier. */
static void callbacks() {
  int told = 0;
  {
    auto [gate, permit] = listened("6", [&told](const enclava::Alert &) { return ++told > 0; });
    { Gate gone = std::move(gate); }
    CHECK(gate.on_alert([](const enclava::Alert &) { return true; }) == ENCLAVA_STATUS_NULL_ARGUMENT);
    CHECK(permit.settle(usage("6", 1))->alerts().size() == 1);
  }
  CHECK(told == 0);

  auto kept = std::make_shared<int>(7);
  auto [gate, permit] = listened("6", [&told, kept](const enclava::Alert &) {
    std::weak_ptr<int> mine = kept;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    told += !mine.expired();
    return true;
  });
  kept.reset();
  CHECK(permit.settle(usage("6", 1)));
  gate = std::move(Gate::open("memory:")).value();
  CHECK(told == 1 && gate.keys()->empty());
  /* None is not taken, and leaves the one before. */
  CHECK(gate.on_alert(nullptr) == ENCLAVA_STATUS_NULL_ARGUMENT);
  CHECK(gate.on_alert(enclava::AlertCallback()) == ENCLAVA_STATUS_NULL_ARGUMENT);
}

/* How many alerts wait in the file until somebody is told, once this callback was called with one. */
static std::string left_by(const std::string &url, enclava::AlertCallback callback) {
  Gate gate = std::move(Gate::open(url)).value();
  auto made = gate.create_key(R"({"name": "k", "daily_spend_limit": 10, "alert_threshold": 0.5})");
  CHECK(made && gate.on_alert(std::move(callback)) == ENCLAVA_STATUS_OK);
  CHECK(gate.record(made->key.id(), usage("6", 1)) && gate.flush());
  const std::string json = enclava::doctor(url)->json;
  const std::size_t start = json.find("\"alerts\":");
  CHECK(start != std::string::npos);
  return json.substr(start, json.find(',', start) - start);
}

/* One that says no or throws has told nobody, and the program goes on. */
static void callbacks_that_fail() {
  char folder[] = "/tmp/enclava-XXXXXX";
  CHECK(mkdtemp(folder) != nullptr);
  const std::string file = std::string(folder) + "/keys.db", url = "sqlite:///" + file;
  CHECK(left_by(url, [](const enclava::Alert &) { return true; }) == "\"alerts\":0");
  CHECK(left_by(url, [](const enclava::Alert &) { return false; }) == "\"alerts\":1");
  CHECK(left_by(url, [](const enclava::Alert &) -> bool { throw 7; }) == "\"alerts\":2");
  for (const char *end : {"", "-wal", "-shm"}) std::remove((file + end).c_str());
  rmdir(folder);
}

static void databases() {
  CHECK(enclava::backup("memory:", "copy.db").error().status() == ENCLAVA_STATUS_INVALID_VALUE);
  CHECK(enclava::doctor("memory:").error().status() == ENCLAVA_STATUS_INVALID_VALUE);
}

int main() {
  CHECK(enclava::money("-1").error().status() == ENCLAVA_STATUS_INVALID_VALUE);
  CHECK(!Gate::open("nonsense:"));
  auto opened = Gate::open("memory:");
  CHECK(opened);
  Gate gate = std::move(opened).value();
  int told = 0;
  CHECK(gate.on_alert([&](const enclava::Alert &alert) {
    told += !alert.key_name.empty();
    return true;
  }) == ENCLAVA_STATUS_OK);
  auto made = gate.create_key(
      R"({"name": "Production App", "allowed_models": ["gpt-4"], "daily_spend_limit": 10, "alert_threshold": 0.8})");
  CHECK(made);
  one_call(gate, *made);
  CHECK(gate.flush() && told == 1);
  keys(gate, *made);
  off_the_loop(gate, *made);
  CHECK(gate.history(made->key.id(), 30)->empty());
  CHECK(gate.leases(made->key.id())->empty());
  CHECK(gate.leases("no key").error().status() == ENCLAVA_STATUS_INVALID_VALUE);
  callbacks();
  callbacks_that_fail();
  databases();
  CHECK(gate.delete_key(made->key.id()));
  return 0;
}
