/* needs: -lpthread */
/* Nobody calls back once a gate was freed, whatever lives on of it: what the callback was given may go with the gate. */

#define _POSIX_C_SOURCE 200809L

#include <semaphore.h>
#include <time.h>

#include "check.h"

static const char *const SPEC =
    "{\"name\": \"k\", \"daily_spend_limit\": 10, \"daily_token_limit\": 10, \"alert_threshold\": 0.5}";

/* What the callback is given: freed as soon as the gate was. */
typedef struct listener {
  unsigned calls;
  int is_gone;
} listener;

/* Slow, so that a gate is freed while it runs. */
static int32_t on_alert(const enclava_alert *alert, void *data) {
  const struct timespec moment = {0, 20000000};
  listener *told = data;
  CHECK(alert != NULL && !told->is_gone);
  nanosleep(&moment, NULL);
  CHECK(!told->is_gone);
  told->calls++;
  return 0;
}

static desk desk_listened(listener **told) {
  desk desk = desk_open(NULL, SPEC);
  *told = calloc(1, sizeof **told);
  CHECK(*told != NULL);
  OK(enclava_gate_on_alert(desk.gate, on_alert, *told));
  return desk;
}

/* Frees the gate when so many alerts were crossed, and at once what its callback was given. */
static void free_gate(desk *desk, listener *told, unsigned calls) {
  enclava_gate_free(desk->gate);
  desk->gate = NULL;
  CHECK(told->calls == calls);
  told->is_gone = 1;
  free(told);
}

static void crossed(enclava_settlement *settlement) {
  CHECK(enclava_settlement_alert(settlement, 0) != NULL);
  enclava_settlement_free(settlement);
}

/* The last of the gate goes with the permit, and waits for whatever is still told. */
static void a_permit_is_left(void) {
  enclava_settlement *settlement;
  listener *told;
  desk desk = desk_listened(&told);
  enclava_permit *permit = admit(&desk, "6", 1);
  free_gate(&desk, told, 0);
  OK(enclava_permit_settle(permit, usage("6", 1), &settlement, NULL));
  crossed(settlement);
  enclava_permit_free(permit);
  desk_close(&desk);
}

static void a_stream_is_left(void) {
  const char *const answer = "data: {\"usage\": {\"prompt_tokens\": 5, \"completion_tokens\": 1}}\n\ndata: [DONE]\n\n";
  enclava_settlement *settlement;
  listener *told;
  desk desk = desk_listened(&told);
  enclava_permit *permit = admit(&desk, "1", 6);
  OK(enclava_permit_feed(permit, enclava_text(answer)));
  free_gate(&desk, told, 0);
  OK(enclava_permit_finish(permit, &settlement, NULL));
  crossed(settlement);
  enclava_permit_free(permit);
  desk_close(&desk);
}

/* What was crossed before is told before the gate is gone. */
static void alerts_wait(void) {
  enclava_settlement *settlement;
  listener *told;
  desk desk = desk_listened(&told);
  enclava_permit *left = admit(&desk, "1", 1), *permit = admit(&desk, "6", 6);
  OK(enclava_permit_settle(permit, usage("6", 6), &settlement, NULL));
  crossed(settlement);
  enclava_permit_free(permit);
  free_gate(&desk, told, 2);
  enclava_permit_free(left);
  desk_close(&desk);
}

static sem_t freed;

static void until_freed(void *data) {
  CHECK(data == NULL && sem_wait(&freed) == 0);
}

static void on_waited(enclava_answer *answer, void *data) {
  CHECK(enclava_answer_settlement(answer) == NULL && data == NULL);
}

static void on_recorded(enclava_answer *answer, void *data) {
  CHECK(enclava_settlement_alert(enclava_answer_settlement(answer), 0) != NULL && data == NULL);
}

/* A call that was submitted is made when its gate was freed. */
static void a_call_is_left(void) {
  listener *told;
  desk desk = desk_listened(&told);
  enclava_queue *queue;
  OK(enclava_queue_open(1, 2, &queue));
  OK(enclava_queue_submit(queue, until_freed, on_waited, NULL));
  OK(enclava_gate_record_submit(desk.gate, enclava_text(desk.id), usage("6", 1), enclava_text(NULL), queue, on_recorded, NULL));
  free_gate(&desk, told, 0);
  CHECK(sem_post(&freed) == 0);
  enclava_queue_free(queue);
  desk_close(&desk);
}

static int32_t on_alert_free(const enclava_alert *alert, void *data) {
  desk *desk = data;
  CHECK(alert != NULL);
  OK(enclava_gate_flush(desk->gate, NULL));
  enclava_gate_free(desk->gate);
  desk->gate = NULL;
  CHECK(sem_post(&freed) == 0);
  return 0;
}

/* What a callback must not do: it does not wait for itself. */
static void the_callback_frees_it(void) {
  desk desk = desk_open(NULL, SPEC);
  enclava_permit *left = admit(&desk, "1", 1), *permit = admit(&desk, "6", 1);
  OK(enclava_gate_on_alert(desk.gate, on_alert_free, &desk));
  OK(enclava_permit_settle(permit, usage("6", 1), NULL, NULL));
  enclava_permit_free(permit);
  CHECK(sem_wait(&freed) == 0);
  enclava_permit_free(left);
  desk_close(&desk);
}

int main(void) {
  CHECK(sem_init(&freed, 0, 0) == 0);
  a_permit_is_left();
  a_stream_is_left();
  alerts_wait();
  a_call_is_left();
  the_callback_frees_it();
  return 0;
}
