/* needs: -lpthread */
/* 64 threads on one gate: what fits is admitted, and nothing beyond it. */

#define _POSIX_C_SOURCE 200809L

#include "crowd.h"

enum { THREADS = 64, CALLS = 200, FIT = 1000 };

static desk shared;
static unsigned alerts;

static void work(int *admitted) {
  int i;
  for (i = 0; i < CALLS; i++) {
    *admitted += spend_a_cent(&shared);
    if (i % 50 == 0) {
      enclava_key *key;
      OK(enclava_key_get(shared.gate, enclava_text(shared.id), &key, NULL));
      enclava_key_free(key);
      spent(&shared);
    }
  }
}

/* Called on one thread alone, and flushed before it is looked at. */
static int32_t on_alert(const enclava_alert *alert, void *count) {
  enclava_alert_info info = enclava_alert_info_init();
  OK(enclava_alert_read(alert, &info));
  CHECK(info.meter == ENCLAVA_METER_DAILY_SPEND && info.threshold == 5000 && info.limit.cost.usd == 10);
  ++*(unsigned *)count;
  return 0;
}

int main(void) {
  enclava_alert *alert;
  shared = desk_open(NULL, "{\"name\": \"k\", \"daily_spend_limit\": 10, \"alert_threshold\": 0.5}");
  OK(enclava_gate_on_alert(shared.gate, on_alert, &alerts));
  CHECK(at_once(THREADS, work) == FIT);
  CHECK(spent(&shared).usd == 10 && spent(&shared).pico == 0);
  OK(enclava_gate_flush(shared.gate, NULL));
  CHECK(alerts == 1);
  OK(enclava_gate_take_alert(shared.gate, &alert));
  enclava_alert_free(alert);
  CHECK(enclava_gate_take_alert(shared.gate, &alert) == ENCLAVA_STATUS_NOT_FOUND && alert == NULL);
  desk_close(&shared);
  return 0;
}
