/* Keys and budgets in a SQLite file: a child of fork() spends from the same budget as its parent, and the file is cared for. */

#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* What was used is told by day and model. */
static void history(const desk *desk) {
  enclava_history *history;
  enclava_tally tally = enclava_tally_init();
  enclava_error *error;
  char model[64];
  OK(enclava_gate_history(desk->gate, enclava_text(desk->id), 30, &history, NULL));
  CHECK(enclava_history_count(history) == 1);
  OK(enclava_history_read(history, 0, &tally));
  CHECK(tally.calls == 1 && tally.usage.cost.usd == 7 && tally.usage.tokens == 1);
  CHECK(tally.day > 0 && tally.day % INT64_C(86400000000) == 0);
  OK(enclava_history_model(history, 0, model, sizeof model, NULL));
  CHECK(strcmp(model, "gpt-4") == 0);
  CHECK(enclava_history_model(history, 0, model, 5, NULL) == ENCLAVA_STATUS_BUFFER_TOO_SMALL && model[0] == 0);
  CHECK(enclava_history_read(history, 1, &tally) == ENCLAVA_STATUS_NOT_FOUND);
  CHECK(enclava_history_model(history, 1, model, sizeof model, NULL) == ENCLAVA_STATUS_NOT_FOUND);
  tally.size = 7;
  CHECK(enclava_history_read(history, 0, &tally) == ENCLAVA_STATUS_STRUCT_SIZE);
  enclava_history_free(history);
  CHECK(enclava_gate_history(desk->gate, enclava_text("key_of_nobody"), 30, &history, &error) == ENCLAVA_STATUS_NOT_FOUND);
  CHECK(history == NULL && enclava_error_status(error) == ENCLAVA_STATUS_NOT_FOUND);
  enclava_error_free(error);
}

/* Another process draws on the budget by a lease and dies: what it held is found, and settled as its permit. */
static void lease(const desk *held, const char *url) {
  enclava_options options = enclava_options_init();
  enclava_leases *leases;
  enclava_lease lease = enclava_lease_init();
  enclava_balances balances = enclava_balances_init();
  enclava_settlement *settlement;
  desk other = *held;
  char id[ENCLAVA_PERMIT_ID_TEXT];
  int status;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    options.leased = 1;
    OK(enclava_gate_open(enclava_text(url), &options, &other.gate, NULL));
    CHECK(admit(&other, "0.01", 5) != NULL);
    raise(SIGKILL);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  OK(enclava_gate_leases(held->gate, enclava_text(held->id), &leases, NULL));
  CHECK(enclava_leases_count(leases) == 1);
  OK(enclava_leases_read(leases, 0, &lease));
  CHECK(lease.process == (uint32_t)child && lease.opened_at > 0 && lease.holds.cost.pico >= INT64_C(10000000000));
  OK(enclava_leases_permit_id(leases, 0, id, sizeof id, NULL));
  CHECK(enclava_leases_read(leases, 1, &lease) == ENCLAVA_STATUS_NOT_FOUND);
  CHECK(enclava_leases_permit_id(leases, 1, id, sizeof id, NULL) == ENCLAVA_STATUS_NOT_FOUND);
  enclava_leases_free(leases);
  OK(enclava_gate_settle(held->gate, enclava_text(id), usage("1", 5), &settlement, NULL));
  enclava_settlement_free(settlement);
  OK(enclava_gate_usage(held->gate, enclava_text(held->id), &balances, NULL));
  CHECK(balances.daily_spend.used.cost.usd == 8 && balances.daily_spend.held.cost.usd == 0);
  OK(enclava_gate_leases(held->gate, enclava_text(held->id), &leases, NULL));
  CHECK(enclava_leases_count(leases) == 0);
  enclava_leases_free(leases);
}

static int32_t answer(const enclava_alert *alert, void *told) {
  CHECK(alert != NULL);
  return *(const int32_t *)told;
}

/* An alert is kept until its callback says that it was told. */
static void alerts(const desk *held, const char *url) {
  const char *const spec = "{\"name\": \"k\", \"daily_spend_limit\": 10, \"alert_threshold\": 0.5}";
  const int32_t failed = 1, told = 0;
  const int32_t *const answers[] = {&failed, &told, &failed};
  const char *const counts[] = {"\"alerts\":1,", "\"alerts\":1,", "\"alerts\":2,"};
  enclava_key *key;
  enclava_secret *secret;
  enclava_health *health;
  char id[ENCLAVA_KEY_ID_TEXT], json[512];
  size_t i;
  for (i = 0; i < 3; i++) {
    OK(enclava_key_create(held->gate, enclava_text(spec), &key, &secret, NULL));
    OK(enclava_key_id(key, id, sizeof id, NULL));
    enclava_key_free(key);
    enclava_secret_free(secret);
    OK(enclava_gate_on_alert(held->gate, answer, (void *)answers[i]));
    OK(enclava_gate_record(held->gate, enclava_text(id), usage("6", 1), enclava_text(NULL), NULL, NULL));
    OK(enclava_gate_flush(held->gate, NULL));
    OK(enclava_database_doctor(enclava_text(url), &health, NULL));
    OK(enclava_health_json(health, json, sizeof json, NULL));
    CHECK(strstr(json, counts[i]) != NULL);
    enclava_health_free(health);
  }
}

/* The file is copied and examined while it is in use. */
static void care(const char *url, const char *folder) {
  enclava_health *health;
  enclava_error *error;
  char copy[64], json[512];
  sprintf(copy, "%s/copy.db", folder);
  OK(enclava_database_backup(enclava_text(url), enclava_text(copy), NULL));
  CHECK(enclava_database_backup(enclava_text(url), enclava_text(copy), &error) == ENCLAVA_STATUS_LEDGER);
  enclava_error_free(error);
  OK(enclava_database_doctor(enclava_text(url), &health, NULL));
  CHECK(enclava_health_fault_count(health) == 0);
  OK(enclava_health_json(health, json, sizeof json, NULL));
  CHECK(strstr(json, "\"faults\":[]") != NULL && strstr(json, "\"keys\":1,") != NULL);
  enclava_health_free(health);
  CHECK(enclava_database_doctor(enclava_text("memory:"), &health, &error) == ENCLAVA_STATUS_INVALID_VALUE && health == NULL);
  enclava_error_free(error);
  unlink(copy);
  sprintf(copy, "sqlite:///%s/typo.db", folder);
  CHECK(enclava_database_doctor(enclava_text(copy), &health, &error) == ENCLAVA_STATUS_LEDGER && health == NULL);
  enclava_error_free(error);
  CHECK(enclava_database_backup(enclava_text(copy), enclava_text("copy"), NULL) == ENCLAVA_STATUS_LEDGER);
}

int main(void) {
  char folder[] = "/tmp/enclava-XXXXXX", url[64], path[64];
  const char *const files[] = {"", "-wal", "-shm"};
  enclava_request request;
  enclava_permit *permit;
  enclava_denial *denial;
  desk desk;
  int status;
  size_t i;
  pid_t child;
  CHECK(mkdtemp(folder) != NULL);
  sprintf(url, "sqlite:///%s/keys.db", folder);
  OK(enclava_gate_open(enclava_text(url), NULL, &desk.gate, NULL));
  OK(enclava_key_create(desk.gate, enclava_text("{\"name\": \"k\", \"daily_spend_limit\": 10}"), &desk.key, &desk.secret, NULL));
  OK(enclava_key_id(desk.key, desk.id, sizeof desk.id, NULL));

  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    permit = admit(&desk, "7", 1);
    OK(enclava_permit_settle(permit, usage("7", 1), NULL, NULL));
    enclava_permit_free(permit);
    desk_close(&desk);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(spent(&desk).usd == 7);
  request = ask(&desk, "4", 1);
  CHECK(enclava_gate_authorize(desk.gate, &request, &permit, &denial) == ENCLAVA_STATUS_DENIED);
  CHECK(enclava_denial_reason(denial) == ENCLAVA_REASON_DAILY_SPEND_EXCEEDED);
  enclava_denial_free(denial);
  history(&desk);
  lease(&desk, url);
  care(url, folder);
  alerts(&desk, url);
  desk_close(&desk);

  for (i = 0; i < 3; i++) {
    sprintf(path, "%s/keys.db%s", folder, files[i]);
    unlink(path);
  }
  rmdir(folder);
  return 0;
}
