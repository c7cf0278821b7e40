/*
 * The story of one key: made, used within its budget, and settled.
 *
 *   cc quickstart.c $(pkg-config --cflags --libs enclava) -o quickstart && ./quickstart
 */

#include <enclava.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const SPEC =
    "{\"name\": \"Production App\", \"allowed_models\": [\"gpt-4\", \"gpt-3.5-turbo\"],"
    " \"daily_spend_limit\": \"50.00\", \"monthly_spend_limit\": 1500,"
    " \"daily_token_limit\": 500000, \"alert_threshold\": 0.8}";

static enclava_usage usage(const char *cost, uint64_t tokens) {
  enclava_usage usage;
  usage.tokens = tokens;
  if (enclava_money_parse(enclava_text(cost), &usage.cost) != ENCLAVA_STATUS_OK) {
    abort();
  }
  return usage;
}

/* Says what went wrong, if anything did. The error by its place: C may read an argument before the call beside it is made. */
static int failed(enclava_status status, enclava_error **error) {
  char message[256];
  if (status != ENCLAVA_STATUS_OK) {
    enclava_error_message(*error, message, sizeof message, NULL);
    fprintf(stderr, "%s: %s\n", enclava_status_text(status), message);
  }
  enclava_error_free(*error);
  return status != ENCLAVA_STATUS_OK;
}

/* One call: ask, make it, say what it came to. 0 if it was admitted. */
static int call(const enclava_gate *gate, const char *secret, const char *model) {
  enclava_request request = enclava_request_init();
  enclava_permit *permit;
  enclava_denial *denial;
  enclava_error *error;
  int wrong;

  request.secret = enclava_text(secret);
  request.model = enclava_text(model);
  request.estimate = usage("0.05", 1500);
  if (enclava_gate_authorize(gate, &request, &permit, &denial) != ENCLAVA_STATUS_OK) {
    char body[1024];
    enclava_denial_body(denial, ENCLAVA_DIALECT_OPENAI, body, sizeof body, NULL);
    printf("%d %s\n", enclava_denial_status(denial), body);
    enclava_denial_free(denial);
    return 1;
  }
  enclava_permit_dispatched(permit);
  /* ... the model answers ... */
  wrong = failed(enclava_permit_settle(permit, usage("0.031", 1234), NULL, &error), &error);
  enclava_permit_free(permit);
  return wrong;
}

int main(void) {
  enclava_balances balances = enclava_balances_init();
  char id[ENCLAVA_KEY_ID_TEXT], used[ENCLAVA_MONEY_TEXT];
  enclava_gate *gate;
  enclava_key *key;
  enclava_secret *secret;
  enclava_error *error;

  if (failed(enclava_gate_open(enclava_text("memory:"), NULL, &gate, &error), &error) ||
      failed(enclava_key_create(gate, enclava_text(SPEC), &key, &secret, &error), &error)) {
    return 1;
  }
  enclava_key_id(key, id, sizeof id, NULL);

  /* The text of the key is shown this once; the gate keeps its hash. */
  if (call(gate, enclava_secret_reveal(secret), "gpt-4") != 0) {
    return 1;
  }
  if (call(gate, enclava_secret_reveal(secret), "o1") == 0) { /* 403 {"error":{"message":"Model not allowed... */
    return 1;
  }

  if (failed(enclava_gate_usage(gate, enclava_text(id), &balances, &error), &error)) {
    return 1;
  }
  enclava_money_format(balances.daily_spend.used.cost, used, sizeof used, NULL);
  printf("%s used $%s and %lu tokens today\n", id, used, (unsigned long)balances.daily_tokens.used.tokens);

  enclava_secret_free(secret);
  enclava_key_free(key);
  enclava_gate_free(gate);
  return strcmp(used, "0.031") == 0 ? 0 : 1;
}
