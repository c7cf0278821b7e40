/* needs: ../../examples/c/memory_ledger.c -lpthread */
/* A gate over a ledger written in C: it holds its limits, says when the ledger is silent, and frees it once. */

#include "../../examples/c/memory_ledger.h"
#include "check.h"

static enclava_ledger_vtable counting;
static int freed;

static void on_release(void *data) {
  freed++;
  memory_ledger_table().release(data);
}

int main(void) {
  memory_ledger *ledger = memory_ledger_new();
  enclava_options options = enclava_options_init();
  enclava_request request;
  enclava_permit *permit, *other;
  enclava_denial *denial;
  enclava_gate *gate;
  enclava_clock *clock;
  desk desk;
  char field[64];
  enclava_error *error;

  counting = memory_ledger_table();
  counting.release = on_release;
  options.ledger = &counting;
  options.ledger_data = ledger;

  /* A table with a hole in it opens nothing, and frees nothing. */
  counting.due = NULL;
  CHECK(enclava_gate_open(enclava_text("memory:"), &options, &gate, &error) == ENCLAVA_STATUS_NULL_ARGUMENT);
  OK(enclava_error_field(error, field, sizeof field, NULL));
  CHECK(gate == NULL && freed == 0 && strcmp(field, "ledger.due") == 0);
  enclava_error_free(error);
  counting.due = memory_ledger_table().due;
  CHECK(enclava_gate_open(enclava_text("nonsense:"), &options, &gate, NULL) == ENCLAVA_STATUS_INVALID_VALUE);
  CHECK(gate == NULL && freed == 0);

  OK(enclava_clock_new(INT64_C(1795435200000000), &clock));
  options.clock = clock;
  options.hold_seconds = 60;
  desk = desk_open(&options, "{\"name\": \"k\", \"daily_spend_limit\": 10}");
  permit = admit(&desk, "6", 1);
  request = ask(&desk, "6", 1);
  CHECK(enclava_gate_authorize(desk.gate, &request, &other, &denial) == ENCLAVA_STATUS_DENIED);
  CHECK(enclava_denial_is_transient(denial) == 1 && enclava_denial_resets_at(denial) > 0);
  enclava_denial_free(denial);

  memory_ledger_silence(ledger, 1);
  CHECK(enclava_permit_settle(permit, usage("6", 1), NULL, NULL) == ENCLAVA_STATUS_LEDGER);
  CHECK(enclava_gate_authorize(desk.gate, &request, &other, &denial) == ENCLAVA_STATUS_DENIED);
  CHECK(enclava_denial_status(denial) == 503);
  enclava_denial_free(denial);
  memory_ledger_silence(ledger, 0);
  OK(enclava_permit_settle(permit, usage("6", 1), NULL, NULL));
  enclava_permit_free(permit);
  CHECK(spent(&desk).usd == 6);

  /* Nobody settles: the estimate is charged when the hold lapses. */
  permit = admit(&desk, "4", 1);
  OK(enclava_permit_detach(permit));
  enclava_permit_free(permit);
  OK(enclava_clock_advance(clock, 61000));
  CHECK(spent(&desk).usd == 10);

  OK(enclava_key_delete(desk.gate, enclava_text(desk.id), NULL));
  desk_close(&desk);
  CHECK(freed == 1);
  enclava_clock_free(clock);
  return 0;
}
