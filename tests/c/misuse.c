/* Short buffers, bytes that are no text, numbers that are none, sizes of another header, permits used twice. */

#include "check.h"

static const char *const SPEC = "{\"name\": \"k\", \"daily_spend_limit\": 10, \"allowed_models\": [\"gpt-4\"]}";

#define INVALID(call) CHECK((call) == ENCLAVA_STATUS_INVALID_VALUE)

static void short_buffers(const desk *desk) {
  char buffer[ENCLAVA_KEY_ID_TEXT];
  size_t len = 7, capacity;
  for (capacity = 0; capacity <= strlen(desk->id); capacity++) {
    memset(buffer, 'x', sizeof buffer);
    CHECK(enclava_key_id(desk->key, buffer, capacity, &len) == ENCLAVA_STATUS_BUFFER_TOO_SMALL);
    CHECK(len == strlen(desk->id));
    CHECK(capacity == 0 ? buffer[0] == 'x' : buffer[0] == '\0');
    CHECK(buffer[capacity == 0 ? 1 : capacity] == 'x');
  }
  OK(enclava_key_id(desk->key, buffer, len + 1, &len));
  CHECK(strcmp(buffer, desk->id) == 0);
}

static void no_text(const desk *desk) {
  const char bytes[] = {'g', 'p', 't', (char)0xff, '4'};
  enclava_str bad;
  enclava_request request = ask(desk, "1", 1);
  enclava_permit *permit;
  enclava_denial *denial;
  enclava_secret *secret;
  enclava_error *error;
  enclava_gate *gate;
  char text[256];
  bad.data = bytes;
  bad.len = sizeof bytes;

  request.model = bad;
  CHECK(enclava_gate_authorize(desk->gate, &request, &permit, &denial) == ENCLAVA_STATUS_NOT_UTF8);
  CHECK(permit == NULL && enclava_denial_status(denial) == 500);
  OK(enclava_denial_cause(denial, text, sizeof text, NULL));
  CHECK(strcmp(text, "model: must be UTF-8") == 0);
  enclava_denial_free(denial);

  /* A secret is bytes: what is no text is no key. */
  request = ask(desk, "1", 1);
  request.secret = bad;
  CHECK(enclava_gate_authorize(desk->gate, &request, &permit, &denial) == ENCLAVA_STATUS_DENIED);
  CHECK(enclava_denial_reason(denial) == ENCLAVA_REASON_MALFORMED_KEY);
  enclava_denial_free(denial);

  CHECK(enclava_gate_open(bad, NULL, &gate, NULL) == ENCLAVA_STATUS_NOT_UTF8 && gate == NULL);
  CHECK(enclava_key_create(desk->gate, bad, NULL, &secret, &error) == ENCLAVA_STATUS_INVALID_RECORD && secret == NULL);
  OK(enclava_error_faults(error, text, sizeof text, NULL));
  CHECK(text[0] == '[' && strstr(text, "\"message\"") != NULL);
  enclava_error_free(error);

  bad.len = SIZE_MAX;
  request.secret = bad;
  INVALID(enclava_gate_authorize(desk->gate, &request, &permit, NULL));
}

static void no_numbers(const desk *desk) {
  const enclava_money odd[] = {{-1, 0}, {0, -1}, {0, 1000000000000}, {10000000000, 0}, {INT64_MAX, INT64_MAX}};
  enclava_usage wrong = {{0, 0}, 0};
  enclava_permit *permit = admit(desk, "1", 1);
  enclava_request request = ask(desk, "1", 1);
  enclava_options options = enclava_options_init();
  enclava_prices *prices;
  enclava_clock *clock;
  enclava_leases *leases;
  enclava_queue *queue;
  enclava_gate *gate;
  enclava_denial *denial;
  enclava_str secret;
  char text[64];
  size_t i;
  for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
    wrong.cost = odd[i];
    INVALID(enclava_permit_settle(permit, wrong, NULL, NULL));
    INVALID(enclava_permit_extend(permit, wrong, NULL));
    INVALID(enclava_permit_progress(permit, wrong));
    INVALID(enclava_gate_record(desk->gate, enclava_text(desk->id), wrong, enclava_text(NULL), NULL, NULL));
    INVALID(enclava_money_format(odd[i], text, sizeof text, NULL));
  }
  /* The hold was not touched by any of it. */
  OK(enclava_permit_release(permit, NULL));
  enclava_permit_free(permit);

  request.secret = enclava_text("nobody-has-this-key");
  CHECK(enclava_gate_authorize(desk->gate, &request, &permit, &denial) == ENCLAVA_STATUS_DENIED);
  INVALID(enclava_denial_body(denial, 2, text, sizeof text, NULL));
  INVALID(enclava_denial_body(denial, -1, text, sizeof text, NULL));
  enclava_denial_free(denial);

  INVALID(enclava_prices_parse(enclava_text("{}"), 3, &prices, NULL));
  INVALID(enclava_key_update(desk->gate, enclava_text(desk->id), enclava_text("{}"), 0, 2, NULL, NULL));
  INVALID(enclava_key_get(desk->gate, enclava_text("no such id!"), NULL, NULL));
  INVALID(enclava_gate_leases(desk->gate, enclava_text("no such id!"), &leases, NULL));
  INVALID(enclava_bearer(NULL, 0, 8, &secret, NULL));
  INVALID(enclava_clock_new(-1, &clock));
  INVALID(enclava_clock_new(INT64_MAX, &clock));
  INVALID(enclava_queue_open(0, 1, &queue));
  INVALID(enclava_queue_open(257, 1, &queue));
  INVALID(enclava_queue_open(1, 0, &queue));
  INVALID(enclava_gate_open(enclava_text("nonsense:"), NULL, &gate, NULL));
  options.hide_state = 2;
  INVALID(enclava_gate_open(enclava_text("memory:"), &options, &gate, NULL));
  options.hide_state = 0;
  options.reserved = 1;
  INVALID(enclava_gate_open(enclava_text("memory:"), &options, &gate, NULL));
  CHECK(gate == NULL && clock == NULL && leases == NULL && queue == NULL && prices == NULL);
}

/* A struct of an older header, of a newer one, and of none. */
static void other_sizes(const desk *desk) {
  struct {
    enclava_request known;
    uint64_t newer;
  } next;
  enclava_permit *permit;
  uint32_t bad[] = {0, 1, 4, 8, sizeof(enclava_request) - 1, 4097, UINT32_MAX};
  size_t i;
  memset(&next, 0, sizeof next);
  next.known = ask(desk, "1", 1);
  next.known.size = sizeof next;
  OK(enclava_gate_authorize(desk->gate, &next.known, &permit, NULL));
  enclava_permit_free(permit);
  next.newer = 1; /* Asks for something that this library does not know. */
  CHECK(enclava_gate_authorize(desk->gate, &next.known, &permit, NULL) == ENCLAVA_STATUS_STRUCT_SIZE);
  CHECK(permit == NULL);
  next.newer = 0;
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    next.known.size = bad[i];
    CHECK(enclava_gate_authorize(desk->gate, &next.known, &permit, NULL) == ENCLAVA_STATUS_STRUCT_SIZE);
  }
  next.known.size = sizeof(enclava_request);
  next.known.reserved = 1;
  INVALID(enclava_gate_authorize(desk->gate, &next.known, &permit, NULL));
}

/* A struct to be filled that is larger than this library knows ends in zeros, and keeps its size. */
static void larger_answers(const desk *desk) {
  struct {
    enclava_balances known;
    uint64_t newer;
  } next;
  memset(&next, 0x7f, sizeof next);
  next.known.size = sizeof next;
  OK(enclava_gate_usage(desk->gate, enclava_text(desk->id), &next.known, NULL));
  CHECK(next.newer == 0 && next.known.size == sizeof next && next.known.daily_spend.limit.cost.usd == 10);
  next.known.size = 4;
  CHECK(enclava_gate_usage(desk->gate, enclava_text(desk->id), &next.known, NULL) == ENCLAVA_STATUS_STRUCT_SIZE);
}

static void used_twice(const desk *desk) {
  enclava_permit *permit = admit(desk, "1", 1);
  enclava_permit_info info = enclava_permit_info_init();
  enclava_settlement *settlement;
  enclava_error *error;
  char id[ENCLAVA_PERMIT_ID_TEXT];
  OK(enclava_permit_settle(permit, usage("0.5", 1), &settlement, &error));
  CHECK(error == NULL);
  enclava_settlement_free(settlement);
  CHECK(enclava_permit_settle(permit, usage("0.7", 1), &settlement, &error) == ENCLAVA_STATUS_ALREADY_SETTLED);
  CHECK(settlement == NULL);
  CHECK(enclava_settlement_usage(enclava_error_settlement(error)).cost.pico == 500000000000);
  enclava_error_free(error);
  CHECK(enclava_permit_release(permit, NULL) == ENCLAVA_STATUS_ALREADY_SETTLED);
  CHECK(enclava_permit_extend(permit, usage("1", 1), NULL) == ENCLAVA_STATUS_CONFLICT);
  enclava_permit_free(permit);

  permit = admit(desk, "1", 1);
  OK(enclava_permit_id(permit, id, sizeof id, NULL));
  OK(enclava_permit_detach(permit));
  CHECK(enclava_permit_detach(permit) == ENCLAVA_STATUS_CONFLICT);
  CHECK(enclava_permit_settle(permit, usage("1", 1), NULL, NULL) == ENCLAVA_STATUS_CONFLICT);
  CHECK(enclava_permit_feed(permit, enclava_text("x")) == ENCLAVA_STATUS_CONFLICT);
  OK(enclava_permit_read(permit, &info));
  enclava_permit_free(permit);
  OK(enclava_gate_settle(desk->gate, enclava_text(id), usage("0.25", 1), NULL, NULL));
  CHECK(enclava_gate_settle(desk->gate, enclava_text(id), usage("0.25", 1), NULL, NULL) == ENCLAVA_STATUS_ALREADY_SETTLED);

  permit = admit(desk, "1", 1);
  CHECK(enclava_permit_seen(permit, &info.estimate) == ENCLAVA_STATUS_NOT_FOUND);
  OK(enclava_permit_feed(permit, enclava_text("data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n")));
  OK(enclava_permit_seen(permit, &info.estimate));
  CHECK(enclava_permit_settle(permit, usage("1", 1), NULL, NULL) == ENCLAVA_STATUS_CONFLICT);
  CHECK(enclava_permit_detach(permit) == ENCLAVA_STATUS_CONFLICT);
  OK(enclava_permit_finish(permit, NULL, NULL));
  CHECK(enclava_permit_finish(permit, NULL, NULL) == ENCLAVA_STATUS_ALREADY_SETTLED);
  CHECK(enclava_permit_settle(permit, usage("1", 1), NULL, NULL) == ENCLAVA_STATUS_ALREADY_SETTLED);
  OK(enclava_permit_id(permit, id, sizeof id, NULL));
  CHECK(enclava_permit_read(permit, &info) == ENCLAVA_STATUS_NOT_FOUND);
  enclava_permit_free(permit);
}

/* One thing given for two: nothing is written over while it is read. */
static void the_same_twice(void) {
  enclava_prices *prices;
  enclava_change change;
  enclava_moved moved;
  OK(enclava_prices_parse(enclava_text("models.gpt-4 = { input = 0.03, output = 0.06, per = \"1k\" }"),
                          ENCLAVA_PRICE_FORMAT_TOML, &prices, NULL));
  OK(enclava_prices_extend(prices, prices));
  CHECK(enclava_prices_count(prices) == 1);
  enclava_prices_free(prices);

  memset(&change, 0, sizeof change);
  memset(&moved, 0, sizeof moved);
  change.meter = ENCLAVA_METER_DAILY_SPEND;
  change.used.low = 5;
  moved.row.used.low = 2;
  OK(enclava_change_carry_out(&change, &moved.row, &moved));
  CHECK(moved.row.used.low == 7 && moved.told == 0);
}

/* What was handed out outlives the gate. */
static void after_the_gate(void) {
  desk desk = desk_open(NULL, SPEC);
  enclava_permit *permit = admit(&desk, "1", 1);
  enclava_request request = ask(&desk, "100", 1);
  enclava_permit *none;
  enclava_denial *denial;
  char text[1024];
  CHECK(enclava_gate_authorize(desk.gate, &request, &none, &denial) == ENCLAVA_STATUS_DENIED);
  enclava_gate_free(desk.gate);
  desk.gate = NULL;
  OK(enclava_permit_settle(permit, usage("0.5", 1), NULL, NULL));
  enclava_permit_free(permit);
  OK(enclava_key_json(desk.key, text, sizeof text, NULL));
  CHECK(strstr(text, enclava_secret_reveal(desk.secret)) == NULL);
  OK(enclava_denial_body(denial, ENCLAVA_DIALECT_ANTHROPIC, text, sizeof text, NULL));
  OK(enclava_denial_headers(denial, text, sizeof text, NULL));
  CHECK(strstr(text, "x-should-retry: false\r\n") != NULL);
  enclava_denial_free(denial);
  desk_close(&desk);
}

int main(void) {
  desk desk = desk_open(NULL, SPEC);
  short_buffers(&desk);
  no_text(&desk);
  no_numbers(&desk);
  other_sizes(&desk);
  larger_answers(&desk);
  used_twice(&desk);
  the_same_twice();
  desk_close(&desk);
  after_the_gate();
  return 0;
}
