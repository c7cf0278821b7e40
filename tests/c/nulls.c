/* NULL in every place of every function: a status, and never a crash. */

#include "check.h"

#define NULLS(call) CHECK((call) == ENCLAVA_STATUS_NULL_ARGUMENT)

static const char *const SPEC = "{\"name\": \"k\", \"daily_spend_limit\": 10}";

static void never(enclava_answer *answer, void *data) {
  (void)answer;
  (void)data;
  abort();
}

/* Without a queue, without anybody to tell, and without what the call is for. */
static void nothing_submitted(void) {
  const enclava_str none = enclava_text(NULL);
  const enclava_usage zero = {{0, 0}, 0};
  enclava_permit *permit = NULL;
  enclava_queue *queue;
  int i;
  OK(enclava_queue_open(1, 1, &queue));
  for (i = 0; i < 3; i++) {
    const enclava_queue *on = i == 0 ? NULL : queue;
    enclava_done done = i == 1 ? NULL : never;
    NULLS(enclava_gate_authorize_submit(NULL, NULL, on, done, NULL));
    NULLS(enclava_gate_authorize_request_submit(NULL, NULL, none, 0, on, done, NULL));
    NULLS(enclava_gate_verify_submit(NULL, none, on, done, NULL));
    NULLS(enclava_gate_allowed_models_submit(NULL, none, NULL, 0, on, done, NULL));
    NULLS(enclava_gate_check_submit(NULL, NULL, on, done, NULL));
    NULLS(enclava_gate_settle_submit(NULL, none, zero, on, done, NULL));
    NULLS(enclava_gate_release_submit(NULL, none, on, done, NULL));
    NULLS(enclava_gate_record_submit(NULL, none, zero, none, on, done, NULL));
    NULLS(enclava_gate_usage_submit(NULL, none, on, done, NULL));
    NULLS(enclava_gate_history_submit(NULL, none, 1, on, done, NULL));
    NULLS(enclava_gate_leases_submit(NULL, none, on, done, NULL));
    NULLS(enclava_gate_take_alert_submit(NULL, on, done, NULL));
    NULLS(enclava_gate_refresh_submit(NULL, on, done, NULL));
    NULLS(enclava_gate_flush_submit(NULL, on, done, NULL));
    NULLS(enclava_permit_extend_submit(&permit, zero, on, done, NULL));
    NULLS(enclava_permit_settle_submit(&permit, zero, on, done, NULL));
    NULLS(enclava_permit_settle_response_submit(&permit, none, on, done, NULL));
    NULLS(enclava_permit_finish_submit(NULL, on, done, NULL));
    NULLS(enclava_permit_release_submit(&permit, on, done, NULL));
    NULLS(enclava_permit_free_submit(NULL, on));
    NULLS(enclava_key_create_submit(NULL, none, on, done, NULL));
    NULLS(enclava_key_import_submit(NULL, none, on, done, NULL));
    NULLS(enclava_key_update_submit(NULL, none, none, 0, 0, on, done, NULL));
    NULLS(enclava_key_get_submit(NULL, none, on, done, NULL));
    NULLS(enclava_key_list_submit(NULL, none, 1, on, done, NULL));
    NULLS(enclava_key_rotate_submit(NULL, none, 0, on, done, NULL));
    NULLS(enclava_key_disable_submit(NULL, none, on, done, NULL));
    NULLS(enclava_key_enable_submit(NULL, none, on, done, NULL));
    NULLS(enclava_key_revoke_submit(NULL, none, on, done, NULL));
    NULLS(enclava_key_delete_submit(NULL, none, on, done, NULL));
  }
  enclava_queue_free(queue);
}

/* All of them without anything. `tests/links.rs` looks that none is missing. */
static void nothing_given(void) {
  const enclava_str none = enclava_text(NULL);
  const enclava_usage zero = {{0, 0}, 0};
  const enclava_money nothing = {0, 0};

  CHECK(enclava_version() != NULL);
  CHECK(enclava_abi_version() == ENCLAVA_ABI_VERSION);
  CHECK(enclava_status_text(-7) != NULL);
  CHECK(enclava_reason_text(-7) != NULL);

  NULLS(enclava_clock_new(0, NULL));
  NULLS(enclava_clock_set(NULL, 0));
  NULLS(enclava_clock_advance(NULL, 0));
  NULLS(enclava_money_parse(none, NULL));
  CHECK(enclava_money_format(nothing, NULL, 0, NULL) == ENCLAVA_STATUS_BUFFER_TOO_SMALL);
  NULLS(enclava_money_format(nothing, NULL, 1, NULL));

  NULLS(enclava_gate_open(none, NULL, NULL, NULL));
  NULLS(enclava_gate_refresh(NULL, NULL));
  NULLS(enclava_gate_flush(NULL, NULL));
  NULLS(enclava_gate_stats(NULL, NULL, 0, NULL));
  NULLS(enclava_gate_set_prices(NULL, NULL));
  NULLS(enclava_prices_parse(none, 0, NULL, NULL));
  NULLS(enclava_prices_extend(NULL, NULL));
  CHECK(enclava_prices_count(NULL) == 0);

  NULLS(enclava_key_create(NULL, none, NULL, NULL, NULL));
  NULLS(enclava_key_rotate(NULL, none, 0, NULL, NULL, NULL));
  NULLS(enclava_key_list(NULL, none, 0, NULL, NULL));
  CHECK(enclava_key_import(NULL, none, NULL, NULL) == ENCLAVA_STATUS_INVALID_RECORD);
  CHECK(enclava_key_get(NULL, none, NULL, NULL) == ENCLAVA_STATUS_INVALID_VALUE);
  NULLS(enclava_key_get(NULL, enclava_text("k"), NULL, NULL));
  NULLS(enclava_key_update(NULL, enclava_text("k"), enclava_text("{}"), 0, 0, NULL, NULL));
  NULLS(enclava_key_disable(NULL, enclava_text("k"), NULL, NULL));
  NULLS(enclava_key_enable(NULL, enclava_text("k"), NULL, NULL));
  NULLS(enclava_key_revoke(NULL, enclava_text("k"), NULL, NULL));
  NULLS(enclava_key_delete(NULL, enclava_text("k"), NULL));
  NULLS(enclava_key_id(NULL, NULL, 0, NULL));
  NULLS(enclava_key_name(NULL, NULL, 0, NULL));
  NULLS(enclava_key_json(NULL, NULL, 0, NULL));
  NULLS(enclava_key_state_at(NULL, 0, NULL, NULL));
  CHECK(enclava_key_revision(NULL) == 0);
  CHECK(enclava_key_page_count(NULL) == 0);
  CHECK(enclava_key_page_at(NULL, 0) == NULL);
  CHECK(enclava_secret_reveal(NULL) == NULL);

  NULLS(enclava_bearer(NULL, 0, 0, NULL, NULL));
  CHECK(enclava_client_ip(none, NULL, 0, NULL, 0, NULL, 0, NULL) == ENCLAVA_STATUS_INVALID_VALUE);
  NULLS(enclava_client_ip(enclava_text("::1"), NULL, 1, NULL, 0, NULL, 0, NULL));
  NULLS(enclava_client_ip(enclava_text("::1"), NULL, 0, NULL, 1, NULL, 0, NULL));

  NULLS(enclava_gate_authorize(NULL, NULL, NULL, NULL));
  NULLS(enclava_gate_authorize_request(NULL, NULL, none, 0, NULL, NULL));
  NULLS(enclava_gate_verify(NULL, none, NULL, NULL));
  NULLS(enclava_gate_allowed_models(NULL, none, NULL, 0, NULL, NULL));
  NULLS(enclava_gate_check(NULL, NULL, NULL, NULL));

  CHECK(enclava_denial_reason(NULL) == ENCLAVA_REASON_NONE);
  CHECK(enclava_denial_status(NULL) == 500);
  CHECK(enclava_denial_is_transient(NULL) == 0);
  CHECK(enclava_denial_retry_after(NULL) == 0);
  CHECK(enclava_denial_resets_at(NULL) == 0);
  NULLS(enclava_denial_body(NULL, 0, NULL, 0, NULL));
  NULLS(enclava_denial_sse_event(NULL, 0, NULL, 0, NULL));
  NULLS(enclava_denial_headers(NULL, NULL, 0, NULL));
  NULLS(enclava_denial_message(NULL, NULL, 0, NULL));
  NULLS(enclava_denial_cause(NULL, NULL, 0, NULL));

  NULLS(enclava_permit_id(NULL, NULL, 0, NULL));
  NULLS(enclava_permit_model(NULL, NULL, 0, NULL));
  NULLS(enclava_permit_read(NULL, NULL));
  NULLS(enclava_permit_key(NULL, NULL));
  NULLS(enclava_permit_body(NULL, none, 0, NULL, 0, NULL));
  NULLS(enclava_permit_dispatched(NULL));
  NULLS(enclava_permit_progress(NULL, zero));
  NULLS(enclava_permit_extend(NULL, zero, NULL));
  NULLS(enclava_permit_settle(NULL, zero, NULL, NULL));
  NULLS(enclava_permit_settle_response(NULL, none, NULL, NULL));
  NULLS(enclava_permit_feed(NULL, none));
  NULLS(enclava_permit_seen(NULL, NULL));
  NULLS(enclava_permit_finish(NULL, NULL, NULL));
  NULLS(enclava_permit_release(NULL, NULL));
  NULLS(enclava_permit_detach(NULL));

  CHECK(enclava_settlement_usage(NULL).tokens == 0);
  CHECK(enclava_settlement_overrun(NULL).tokens == 0);
  CHECK(enclava_settlement_is_late(NULL) == 0);
  CHECK(enclava_settlement_alert(NULL, 0) == NULL);

  NULLS(enclava_gate_usage(NULL, enclava_text("k"), NULL, NULL));
  CHECK(enclava_gate_settle(NULL, none, zero, NULL, NULL) == ENCLAVA_STATUS_NULL_ARGUMENT);
  NULLS(enclava_gate_release(NULL, none, NULL));
  NULLS(enclava_gate_record(NULL, none, zero, none, NULL, NULL));
  NULLS(enclava_gate_history(NULL, enclava_text("k"), 1, NULL, NULL));
  CHECK(enclava_history_count(NULL) == 0);
  NULLS(enclava_history_read(NULL, 0, NULL));
  NULLS(enclava_history_model(NULL, 0, NULL, 0, NULL));
  NULLS(enclava_gate_leases(NULL, enclava_text("k"), NULL, NULL));
  CHECK(enclava_leases_count(NULL) == 0);
  NULLS(enclava_leases_read(NULL, 0, NULL));
  NULLS(enclava_leases_permit_id(NULL, 0, NULL, 0, NULL));

  NULLS(enclava_alert_read(NULL, NULL));
  NULLS(enclava_alert_id(NULL, NULL, 0, NULL));
  NULLS(enclava_alert_key_id(NULL, NULL, 0, NULL));
  NULLS(enclava_alert_key_name(NULL, NULL, 0, NULL));
  NULLS(enclava_gate_on_alert(NULL, NULL, NULL));
  NULLS(enclava_gate_take_alert(NULL, NULL));

  NULLS(enclava_gate_take_event(NULL, NULL));
  NULLS(enclava_event_json(NULL, NULL, 0, NULL));

  CHECK(enclava_decision_verdict(NULL) == ENCLAVA_VERDICT_DENY);
  CHECK(enclava_decision_denial(NULL) == NULL);
  CHECK(enclava_decision_rule(NULL, 0) == 0);
  NULLS(enclava_decision_note(NULL, 0, NULL, 0, NULL));
  NULLS(enclava_decision_explain(NULL, NULL, 0, NULL));

  CHECK(enclava_error_status(NULL) == ENCLAVA_STATUS_OK);
  CHECK(enclava_error_denial(NULL) == NULL);
  CHECK(enclava_error_settlement(NULL) == NULL);
  NULLS(enclava_error_message(NULL, NULL, 0, NULL));
  NULLS(enclava_error_field(NULL, NULL, 0, NULL));
  NULLS(enclava_error_faults(NULL, NULL, 0, NULL));

  NULLS(enclava_queue_open(1, 1, NULL));
  NULLS(enclava_queue_submit(NULL, NULL, NULL, NULL));
  NULLS(enclava_queue_run(NULL, NULL));
  CHECK(enclava_queue_descriptor(NULL) == -1);
  nothing_submitted();

  CHECK(enclava_answer_status(NULL) == ENCLAVA_STATUS_NULL_ARGUMENT);
  NULLS(enclava_answer_take_permit(NULL, NULL));
  NULLS(enclava_answer_balances(NULL, NULL));
  CHECK(enclava_answer_denial(NULL) == NULL);
  CHECK(enclava_answer_error(NULL) == NULL);
  CHECK(enclava_answer_key(NULL) == NULL);
  CHECK(enclava_answer_secret(NULL) == NULL);
  CHECK(enclava_answer_settlement(NULL) == NULL);
  CHECK(enclava_answer_decision(NULL) == NULL);
  CHECK(enclava_answer_history(NULL) == NULL);
  CHECK(enclava_answer_leases(NULL) == NULL);
  CHECK(enclava_answer_keys(NULL) == NULL);
  CHECK(enclava_answer_allowed(NULL, 0) == 0);
  CHECK(enclava_answer_alert(NULL) == NULL);

  CHECK(enclava_database_backup(none, none, NULL) == ENCLAVA_STATUS_INVALID_VALUE);
  NULLS(enclava_database_doctor(none, NULL, NULL));
  CHECK(enclava_health_fault_count(NULL) == 1);
  NULLS(enclava_health_json(NULL, NULL, 0, NULL));

  CHECK(enclava_change_is_admitted(NULL, NULL) == 0);
  NULLS(enclava_change_carry_out(NULL, NULL, NULL));
  NULLS(enclava_holds_add(NULL, NULL));

  CHECK(enclava_news_put(NULL, enclava_text(NULL)) == ENCLAVA_STATUS_INVALID_RECORD);
  NULLS(enclava_news_remove(NULL, enclava_text("k")));
  NULLS(enclava_news_end(NULL, 0, 0));

  enclava_alert_free(NULL);
  enclava_clock_free(NULL);
  enclava_decision_free(NULL);
  enclava_denial_free(NULL);
  enclava_error_free(NULL);
  enclava_event_free(NULL);
  enclava_gate_free(NULL);
  enclava_health_free(NULL);
  enclava_history_free(NULL);
  enclava_leases_free(NULL);
  enclava_key_free(NULL);
  enclava_key_page_free(NULL);
  enclava_permit_free(NULL);
  enclava_prices_free(NULL);
  enclava_queue_free(NULL);
  enclava_secret_free(NULL);
  enclava_settlement_free(NULL);
}

/* One pointer missing among those that are there. */
static void one_missing(void) {
  desk desk = desk_open(NULL, SPEC);
  const enclava_str missing = {NULL, 3}, id = enclava_text(desk.id);
  const enclava_str secret = enclava_text(enclava_secret_reveal(desk.secret));
  const enclava_usage zero = {{0, 0}, 0};
  enclava_request request = ask(&desk, "1", 1);
  enclava_permit *permit;
  enclava_denial *denial;
  enclava_error *error;
  enclava_key *key;
  char text[64];
  uint8_t allowed = 7;

  /* Without a place for the denial, or the error, a failure is a failure all the same. */
  NULLS(enclava_gate_authorize(NULL, &request, &permit, NULL));
  CHECK(permit == NULL);
  NULLS(enclava_gate_authorize(desk.gate, NULL, &permit, &denial));
  CHECK(permit == NULL && enclava_denial_status(denial) == 500);
  OK(enclava_denial_cause(denial, text, sizeof text, NULL));
  CHECK(strcmp(text, "request: must not be NULL") == 0);
  enclava_denial_free(denial);
  NULLS(enclava_gate_authorize(desk.gate, &request, NULL, &denial));
  CHECK(enclava_denial_reason(denial) == ENCLAVA_REASON_INTERNAL_ERROR);
  enclava_denial_free(denial);
  request.secret = missing;
  NULLS(enclava_gate_authorize(desk.gate, &request, &permit, NULL));
  request.secret = secret;
  request.model = missing;
  NULLS(enclava_gate_authorize(desk.gate, &request, &permit, NULL));

  /* A key that nobody wants back; a secret that would be lost. */
  OK(enclava_key_disable(desk.gate, id, NULL, NULL));
  OK(enclava_key_enable(desk.gate, id, NULL, NULL));
  NULLS(enclava_key_create(desk.gate, enclava_text(SPEC), &key, NULL, &error));
  CHECK(key == NULL && enclava_error_status(error) == ENCLAVA_STATUS_NULL_ARGUMENT);
  OK(enclava_error_field(error, text, sizeof text, NULL));
  CHECK(strcmp(text, "secret") == 0);
  enclava_error_free(error);

  NULLS(enclava_gate_usage(desk.gate, id, NULL, NULL));
  NULLS(enclava_gate_settle(desk.gate, missing, zero, NULL, NULL));
  NULLS(enclava_gate_allowed_models(desk.gate, secret, NULL, 1, &allowed, NULL));
  NULLS(enclava_gate_allowed_models(desk.gate, secret, &id, 1, NULL, NULL));
  NULLS(enclava_gate_on_alert(desk.gate, NULL, NULL));
  NULLS(enclava_gate_set_prices(desk.gate, NULL));
  NULLS(enclava_gate_stats(desk.gate, NULL, 64, NULL));
  CHECK(enclava_gate_stats(desk.gate, NULL, 0, NULL) == ENCLAVA_STATUS_BUFFER_TOO_SMALL);
  desk_close(&desk);
}

int main(void) {
  nothing_given();
  one_missing();
  return 0;
}
