/* needs: -lpthread */
/* 64 threads on one gate: what fits is admitted, and nothing beyond it. */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "check.h"

enum { THREADS = 64, CALLS = 200, FIT = 1000 };

static desk shared;
static unsigned alerts;

static void *work(void *admitted) {
  enclava_request request = ask(&shared, "0.01", 1);
  int i;
  for (i = 0; i < CALLS; i++) {
    enclava_permit *permit;
    enclava_denial *denial;
    enclava_status status = enclava_gate_authorize(shared.gate, &request, &permit, &denial);
    if (status == ENCLAVA_STATUS_OK) {
      OK(enclava_permit_settle(permit, request.estimate, NULL, NULL));
      ++*(int *)admitted;
    } else {
      CHECK(status == ENCLAVA_STATUS_DENIED && enclava_denial_status(denial) == 429);
    }
    enclava_permit_free(permit);
    enclava_denial_free(denial);
    if (i % 50 == 0) {
      enclava_key *key;
      OK(enclava_key_get(shared.gate, enclava_text(shared.id), &key, NULL));
      enclava_key_free(key);
      spent(&shared);
    }
  }
  return NULL;
}

/* Called on one thread alone, and flushed before it is looked at. */
static void on_alert(const enclava_alert *alert, void *count) {
  enclava_alert_info info = enclava_alert_info_init();
  OK(enclava_alert_read(alert, &info));
  CHECK(info.meter == ENCLAVA_METER_DAILY_SPEND && info.threshold == 5000 && info.limit.cost.usd == 10);
  ++*(unsigned *)count;
}

int main(void) {
  pthread_t threads[THREADS];
  int admitted[THREADS] = {0}, total = 0, i;
  enclava_alert *alert;
  shared = desk_open(NULL, "{\"name\": \"k\", \"daily_spend_limit\": 10, \"alert_threshold\": 0.5}");
  OK(enclava_gate_on_alert(shared.gate, on_alert, &alerts));
  for (i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, work, &admitted[i]) == 0);
  }
  for (i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    total += admitted[i];
  }
  CHECK(total == FIT);
  CHECK(spent(&shared).usd == 10 && spent(&shared).pico == 0);
  OK(enclava_gate_flush(shared.gate, NULL));
  CHECK(alerts == 1);
  OK(enclava_gate_take_alert(shared.gate, &alert));
  enclava_alert_free(alert);
  CHECK(enclava_gate_take_alert(shared.gate, &alert) == ENCLAVA_STATUS_NOT_FOUND && alert == NULL);
  desk_close(&shared);
  return 0;
}
