/* Keys and budgets in a SQLite file: a child of fork() spends from the same budget as its parent. */

#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

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
  desk_close(&desk);

  for (i = 0; i < 3; i++) {
    sprintf(path, "%s/keys.db%s", folder, files[i]);
    unlink(path);
  }
  rmdir(folder);
  return 0;
}
