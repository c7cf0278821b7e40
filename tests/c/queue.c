/* An event loop that never blocks: calls are submitted, and their answers told on the loop's own thread. */

#define _POSIX_C_SOURCE 200809L

#include <poll.h>

#include "check.h"

enum { CALLS = 32 };

static desk shared;
static enclava_queue *queue;
static int admitted, denied, settled, told;
static enclava_permit *kept;

static void loop_until(const int *counter, int wanted) {
  struct pollfd ready = {0, POLLIN, 0};
  ready.fd = enclava_queue_descriptor(queue);
  while (*counter < wanted) {
    CHECK(poll(&ready, 1, -1) == 1);
    OK(enclava_queue_run(queue, NULL));
  }
}

static int is_readable(void) {
  struct pollfd ready = {0, POLLIN, 0};
  ready.fd = enclava_queue_descriptor(queue);
  return poll(&ready, 1, 0);
}

static void on_settled(enclava_answer *answer, void *data) {
  OK(enclava_answer_status(answer));
  CHECK(data == &shared && enclava_settlement_usage(enclava_answer_settlement(answer)).cost.usd == 1);
  settled++;
}

static void on_admitted(enclava_answer *answer, void *data) {
  enclava_permit *permit;
  if (enclava_answer_take_permit(answer, &permit) == ENCLAVA_STATUS_OK) {
    OK(enclava_answer_status(answer));
    CHECK(enclava_answer_denial(answer) == NULL && enclava_answer_settlement(answer) == NULL);
    OK(enclava_permit_settle_submit(&permit, usage("1", 1), queue, on_settled, data));
    CHECK(permit == NULL);
    CHECK(enclava_answer_take_permit(answer, &permit) == ENCLAVA_STATUS_NOT_FOUND && permit == NULL);
    admitted++;
  } else {
    CHECK(enclava_answer_status(answer) == ENCLAVA_STATUS_DENIED);
    CHECK(enclava_denial_reason(enclava_answer_denial(answer)) == ENCLAVA_REASON_DAILY_SPEND_EXCEEDED);
    CHECK(enclava_answer_error(answer) == NULL);
    denied++;
  }
}

/* What is admitted is settled from the callback, and a full queue says so. */
static void requests(void) {
  int i;
  size_t count = 7;
  CHECK(is_readable() == 0);
  OK(enclava_queue_run(queue, &count));
  CHECK(count == 0);
  for (i = 0; i < CALLS; i++) {
    /* What is lent is copied: the request and its texts may go at once. */
    char model[] = "gpt-4", secret[64];
    enclava_request request = ask(&shared, "1", 1);
    strcpy(secret, enclava_secret_reveal(shared.secret));
    request.secret = enclava_text(secret);
    request.model = enclava_text(model);
    OK(enclava_gate_authorize_submit(shared.gate, &request, queue, on_admitted, &shared));
    memset(secret, 0, sizeof secret);
    memset(model, 0, sizeof model);
    memset(&request, 0, sizeof request);
  }
  CHECK(enclava_gate_flush_submit(shared.gate, queue, on_settled, NULL) == ENCLAVA_STATUS_BUSY);
  loop_until(&denied, CALLS - 10);
  loop_until(&settled, 10);
  CHECK(is_readable() == 0);
  CHECK(admitted == 10 && denied == CALLS - 10 && spent(&shared).usd == 10);
}

static void on_told(enclava_answer *answer, void *data) {
  (void)data;
  OK(enclava_answer_status(answer));
  told++;
}

/* The client went away meanwhile: nobody takes the permit. */
static void on_nobody(enclava_answer *answer, void *data) {
  (void)data;
  OK(enclava_answer_status(answer));
  told++;
}

static void on_kept(enclava_answer *answer, void *status) {
  CHECK(enclava_answer_status(answer) == *(enclava_status *)status);
  OK(enclava_answer_take_permit(answer, &kept));
  told++;
}

static enclava_permit *submitted(const char *cost) {
  enclava_status ok = ENCLAVA_STATUS_OK;
  enclava_request request = ask(&shared, cost, 1);
  OK(enclava_gate_authorize_submit(shared.gate, &request, queue, on_kept, &ok));
  loop_until(&told, told + 1);
  return kept;
}

static int64_t held(void) {
  enclava_balances balances = enclava_balances_init();
  OK(enclava_gate_flush_submit(shared.gate, queue, on_told, NULL));
  loop_until(&told, told + 1);
  OK(enclava_gate_usage(shared.gate, enclava_text(shared.id), &balances, NULL));
  return balances.daily_spend.held.cost.usd;
}

/* A permit is nobody else's while its call is under way, and comes back where that did not end it. */
static void permits(void) {
  enclava_status denied_now = ENCLAVA_STATUS_DENIED, ok = ENCLAVA_STATUS_OK, invalid = ENCLAVA_STATUS_INVALID_VALUE;
  enclava_usage broken = {{-1, 0}, 0};
  enclava_request request;
  enclava_permit *permit;
  enclava_error *error;
  OK(enclava_key_update(shared.gate, enclava_text(shared.id), enclava_text("{\"daily_spend_limit\": 20}"), 0,
                        ENCLAVA_UPDATE_WIDEN, NULL, NULL));
  permit = submitted("1");
  OK(enclava_permit_extend_submit(&permit, usage("2", 0), queue, on_kept, &ok));
  CHECK(permit == NULL);
  CHECK(enclava_permit_dispatched(permit) == ENCLAVA_STATUS_NULL_ARGUMENT);
  CHECK(enclava_permit_release_submit(&permit, queue, on_told, NULL) == ENCLAVA_STATUS_NULL_ARGUMENT);
  loop_until(&told, told + 1);
  OK(enclava_permit_extend_submit(&kept, usage("90", 0), queue, on_kept, &denied_now));
  loop_until(&told, told + 1);
  OK(enclava_permit_settle_submit(&kept, broken, queue, on_kept, &invalid));
  loop_until(&told, told + 1);
  CHECK(held() == 3);
  OK(enclava_permit_release_submit(&kept, queue, on_told, NULL));
  CHECK(kept == NULL);
  loop_until(&told, told + 1);
  CHECK(held() == 0);

  /* Given up before it came to anything, by either way; and by one that a stream was followed with. */
  request = ask(&shared, "4", 1);
  OK(enclava_gate_authorize_submit(shared.gate, &request, queue, on_nobody, NULL));
  loop_until(&told, told + 1);
  permit = submitted("4");
  OK(enclava_permit_free_submit(&permit, queue));
  CHECK(permit == NULL);
  OK(enclava_permit_free_submit(&permit, queue));
  while (held() != 0) {}
  permit = submitted("4");
  OK(enclava_permit_feed(permit, enclava_text("data: {\"choices\": []}\n\ndata: [DONE]\n\n")));
  settled = 0;
  OK(enclava_permit_finish_submit(&permit, queue, on_told, NULL));
  loop_until(&told, told + 1);
  CHECK(held() == 0);

  /* Detached, it is ended by its id alone: the call that came too late gives it back, and freeing it changes nothing. */
  permit = submitted("1");
  {
    enclava_status conflict = ENCLAVA_STATUS_CONFLICT;
    char id[ENCLAVA_PERMIT_ID_TEXT];
    OK(enclava_permit_id(permit, id, sizeof id, NULL));
    OK(enclava_permit_detach(permit));
    OK(enclava_permit_settle_submit(&permit, usage("1", 1), queue, on_kept, &conflict));
    loop_until(&told, told + 1);
    OK(enclava_permit_free_submit(&kept, queue));
    CHECK(held() == 1);
    OK(enclava_gate_settle_submit(shared.gate, enclava_text(id), usage("1", 1), queue, on_settled, &shared));
    loop_until(&settled, 1);
    CHECK(enclava_gate_release(shared.gate, enclava_text(id), &error) == ENCLAVA_STATUS_ALREADY_SETTLED);
    enclava_error_free(error);
  }
}

static void on_made(enclava_answer *answer, void *id) {
  OK(enclava_answer_status(answer));
  CHECK(strncmp(enclava_secret_reveal(enclava_answer_secret(answer)), "en_", 3) == 0);
  OK(enclava_key_id(enclava_answer_key(answer), id, ENCLAVA_KEY_ID_TEXT, NULL));
  told++;
}

static void on_key(enclava_answer *answer, void *revision) {
  OK(enclava_answer_status(answer));
  CHECK(enclava_answer_secret(answer) == NULL);
  CHECK(enclava_key_revision(enclava_answer_key(answer)) == *(uint64_t *)revision);
  told++;
}

static void on_faults(enclava_answer *answer, void *text) {
  char faults[512];
  CHECK(enclava_answer_status(answer) == ENCLAVA_STATUS_INVALID_RECORD && enclava_answer_key(answer) == NULL);
  OK(enclava_error_faults(enclava_answer_error(answer), faults, sizeof faults, NULL));
  CHECK(strstr(faults, text) != NULL);
  told++;
}

static void on_usage(enclava_answer *answer, void *data) {
  enclava_balances balances = enclava_balances_init();
  OK(enclava_answer_balances(answer, &balances));
  CHECK(balances.daily_spend.used.cost.usd == 2 && data == NULL);
  told++;
}

static void on_decided(enclava_answer *answer, void *data) {
  enclava_balances balances = enclava_balances_init();
  CHECK(enclava_decision_verdict(enclava_answer_decision(answer)) == ENCLAVA_VERDICT_ADMIT && data == NULL);
  CHECK(enclava_answer_balances(answer, &balances) == ENCLAVA_STATUS_NOT_FOUND);
  told++;
}

static void on_verified(enclava_answer *answer, void *data) {
  CHECK(enclava_answer_status(answer) == ENCLAVA_STATUS_DENIED && data == NULL);
  CHECK(enclava_denial_reason(enclava_answer_denial(answer)) == ENCLAVA_REASON_MALFORMED_KEY);
  told++;
}

/* "o1" is none of the key's models; more were not asked for. */
static void on_allowed(enclava_answer *answer, void *data) {
  OK(enclava_answer_status(answer));
  CHECK(enclava_answer_allowed(answer, 0) == 0 && enclava_answer_allowed(answer, 1) == 1);
  CHECK(enclava_answer_allowed(answer, 2) == 0 && enclava_answer_alert(answer) == NULL && data == NULL);
  told++;
}

static void on_denied(enclava_answer *answer, void *data) {
  CHECK(enclava_answer_status(answer) == ENCLAVA_STATUS_DENIED && enclava_answer_allowed(answer, 1) == 0 && data == NULL);
  CHECK(enclava_denial_reason(enclava_answer_denial(answer)) == ENCLAVA_REASON_MISSING_KEY);
  told++;
}

static void on_alert(enclava_answer *answer, void *id) {
  char key[ENCLAVA_KEY_ID_TEXT];
  OK(enclava_answer_status(answer));
  OK(enclava_alert_key_id(enclava_answer_alert(answer), key, sizeof key, NULL));
  CHECK(strcmp(key, id) == 0);
  told++;
}

static void on_history(enclava_answer *answer, void *data) {
  CHECK(enclava_answer_history(answer) != NULL && enclava_history_count(enclava_answer_history(answer)) == 0);
  CHECK(data == NULL);
  told++;
}

static void on_keys(enclava_answer *answer, void *count) {
  const enclava_key_page *page = enclava_answer_keys(answer);
  OK(enclava_answer_status(answer));
  CHECK(page != NULL && enclava_key_page_count(page) == *(size_t *)count && enclava_answer_key(answer) == NULL);
  told++;
}

static void on_leases(enclava_answer *answer, void *data) {
  CHECK(enclava_answer_leases(answer) != NULL && enclava_leases_count(enclava_answer_leases(answer)) == 0);
  CHECK(enclava_answer_history(answer) == NULL && data == NULL);
  told++;
}

static void on_gone(enclava_answer *answer, void *data) {
  CHECK(enclava_answer_status(answer) == ENCLAVA_STATUS_NOT_FOUND && data == NULL);
  CHECK(enclava_error_status(enclava_answer_error(answer)) == ENCLAVA_STATUS_NOT_FOUND);
  told++;
}

static void keys(void) {
  char made[ENCLAVA_KEY_ID_TEXT];
  uint64_t revision;
  size_t count;
  enclava_key_page *page;
  enclava_str id, models[2];
  enclava_request request = ask(&shared, "1", 1);
#define MADE(call) OK(call); loop_until(&told, told + 1)
  MADE(enclava_key_create_submit(shared.gate, enclava_text("{\"name\": \"n\"}"), queue, on_made, made));
  id = enclava_text(made);
  MADE(enclava_key_create_submit(shared.gate, enclava_text("{\"nmae\": 1}"), queue, on_faults, "/nmae"));
  MADE(enclava_key_import_submit(shared.gate, enclava_text("{\"name\": 1}"), queue, on_faults, "/name"));
  MADE(enclava_key_rotate_submit(shared.gate, id, 60, queue, on_made, made));
  revision = 3;
  MADE(enclava_key_update_submit(shared.gate, id, enclava_text("{\"daily_spend_limit\": 3, \"alert_threshold\": 0.5}"), 2, 0,
                                 queue, on_key, &revision));
  MADE(enclava_key_get_submit(shared.gate, id, queue, on_key, &revision));
  MADE(enclava_key_get_submit(shared.gate, enclava_text("nobody"), queue, on_gone, NULL));
  OK(enclava_key_list(shared.gate, enclava_text(NULL), 9, &page, NULL));
  count = enclava_key_page_count(page);
  enclava_key_page_free(page);
  CHECK(count > 1);
  MADE(enclava_key_list_submit(shared.gate, enclava_text(NULL), 9, queue, on_keys, &count));
  count = 1;
  MADE(enclava_key_list_submit(shared.gate, enclava_text(NULL), 1, queue, on_keys, &count));
  revision = 4;
  MADE(enclava_key_disable_submit(shared.gate, id, queue, on_key, &revision));
  revision = 5;
  MADE(enclava_key_enable_submit(shared.gate, id, queue, on_key, &revision));
  MADE(enclava_gate_record_submit(shared.gate, id, usage("2", 0), enclava_text(NULL), queue, on_told, NULL));
  MADE(enclava_gate_take_alert_submit(shared.gate, queue, on_alert, made));
  MADE(enclava_gate_take_alert_submit(shared.gate, queue, on_gone, NULL));
  MADE(enclava_gate_usage_submit(shared.gate, id, queue, on_usage, NULL));
  MADE(enclava_gate_history_submit(shared.gate, id, 9, queue, on_history, NULL));
  MADE(enclava_gate_leases_submit(shared.gate, id, queue, on_leases, NULL));
  MADE(enclava_gate_check_submit(shared.gate, &request, queue, on_decided, NULL));
  MADE(enclava_gate_verify_submit(shared.gate, enclava_text("x"), queue, on_verified, NULL));
  OK(enclava_key_update(shared.gate, enclava_text(shared.id), enclava_text("{\"allowed_models\": [\"gpt-4\"]}"), 0, 0, NULL,
                        NULL));
  models[0] = enclava_text("o1");
  models[1] = request.model;
  MADE(enclava_gate_allowed_models_submit(shared.gate, request.secret, models, 2, queue, on_allowed, NULL));
  MADE(enclava_gate_allowed_models_submit(shared.gate, enclava_text(NULL), models, 2, queue, on_denied, NULL));
  MADE(enclava_gate_refresh_submit(shared.gate, queue, on_told, NULL));
  revision = 6;
  MADE(enclava_key_revoke_submit(shared.gate, id, queue, on_key, &revision));
  MADE(enclava_key_delete_submit(shared.gate, id, queue, on_told, NULL));
  MADE(enclava_key_delete_submit(shared.gate, id, queue, on_gone, NULL));
}

static void work(void *job) { *(int *)job = 1; }

static void on_last(enclava_answer *answer, void *data) {
  OK(enclava_answer_status(answer));
  CHECK(enclava_gate_flush_submit(shared.gate, queue, on_told, data) == ENCLAVA_STATUS_CONFLICT);
  told++;
}

int main(void) {
  enclava_request request;
  int worked = 0, i;
  shared = desk_open(NULL, "{\"name\": \"k\", \"daily_spend_limit\": 10}");
  OK(enclava_queue_open(3, CALLS, &queue));
  requests();
  permits();
  keys();

  OK(enclava_queue_submit(queue, work, on_told, &worked));
  loop_until(&told, told + 1);
  CHECK(worked == 1);
  CHECK(enclava_queue_submit(queue, NULL, on_told, &worked) == ENCLAVA_STATUS_NULL_ARGUMENT);
  CHECK(enclava_queue_submit(queue, work, NULL, &worked) == ENCLAVA_STATUS_NULL_ARGUMENT);
  request = ask(&shared, "1", 1);
  request.size = 7;
  CHECK(enclava_gate_authorize_submit(shared.gate, &request, queue, on_told, NULL) == ENCLAVA_STATUS_STRUCT_SIZE);

  /* Whatever was submitted is made and told before the queue is gone, and a permit that nobody took is let go; the gate
     lives as long. What was refused above took no room: there is as much as before. */
  told = 0;
  request = ask(&shared, "0.1", 1);
  for (i = 0; i < CALLS; i++) {
    OK(enclava_gate_authorize_submit(shared.gate, &request, queue, on_last, NULL));
  }
  enclava_gate_free(shared.gate);
  enclava_queue_free(queue);
  CHECK(told == CALLS);
  enclava_secret_free(shared.secret);
  enclava_key_free(shared.key);
  return 0;
}
