/* What the programs here have in common: a check that tells where it failed, and a gate with one key. */

#ifndef CHECK_H
#define CHECK_H

#include <enclava.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                  \
  do {                                                               \
    if (!(what)) {                                                   \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);     \
      exit(1);                                                       \
    }                                                                \
  } while (0)

#define OK(call) CHECK((call) == ENCLAVA_STATUS_OK)

typedef struct desk {
  enclava_gate *gate;
  enclava_key *key;
  enclava_secret *secret;
  char id[ENCLAVA_KEY_ID_TEXT];
} desk;

static inline desk desk_open(const enclava_options *options, const char *spec) {
  desk desk;
  OK(enclava_gate_open(enclava_text("memory:"), options, &desk.gate, NULL));
  OK(enclava_key_create(desk.gate, enclava_text(spec), &desk.key, &desk.secret, NULL));
  OK(enclava_key_id(desk.key, desk.id, sizeof desk.id, NULL));
  return desk;
}

static inline void desk_close(desk *desk) {
  enclava_secret_free(desk->secret);
  enclava_key_free(desk->key);
  enclava_gate_free(desk->gate);
}

static inline enclava_usage usage(const char *cost, uint64_t tokens) {
  enclava_usage usage;
  usage.tokens = tokens;
  OK(enclava_money_parse(enclava_text(cost), &usage.cost));
  return usage;
}

static inline enclava_request ask(const desk *desk, const char *cost, uint64_t tokens) {
  enclava_request request = enclava_request_init();
  request.secret = enclava_text(enclava_secret_reveal(desk->secret));
  request.model = enclava_text("gpt-4");
  request.estimate = usage(cost, tokens);
  return request;
}

static inline enclava_permit *admit(const desk *desk, const char *cost, uint64_t tokens) {
  enclava_request request = ask(desk, cost, tokens);
  enclava_permit *permit;
  OK(enclava_gate_authorize(desk->gate, &request, &permit, NULL));
  return permit;
}

/* What the key spent today, in pico-dollars below a dollar and dollars above. */
static inline enclava_money spent(const desk *desk) {
  enclava_balances balances = enclava_balances_init();
  OK(enclava_gate_usage(desk->gate, enclava_text(desk->id), &balances, NULL));
  return balances.daily_spend.used.cost;
}

#endif
