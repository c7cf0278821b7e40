/* A child of fork() uses the gate and leaves the parent's permits alone; it cannot use the parent's queue. */

#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void nothing(void *job) { (void)job; }

static void never(enclava_answer *answer, void *job) {
  (void)answer;
  (void)job;
  abort();
}

static int begun[2], over[2];

static int32_t on_alert(const enclava_alert *alert, void *data) {
  char byte = 0;
  CHECK(alert != NULL && data == NULL);
  CHECK(write(begun[1], &byte, 1) == 1 && read(over[0], &byte, 1) == 1);
  return 0;
}

/* To be freed in the child, a gate does not wait for the callback that runs in the parent. */
static void while_the_parent_is_told(void) {
  desk desk = desk_open(NULL, "{\"name\": \"k\", \"daily_spend_limit\": 10, \"alert_threshold\": 0.5}");
  enclava_permit *permit = admit(&desk, "6", 1);
  char byte;
  int status;
  pid_t child;
  CHECK(pipe(begun) == 0 && pipe(over) == 0);
  OK(enclava_gate_on_alert(desk.gate, on_alert, NULL));
  OK(enclava_permit_settle(permit, usage("6", 1), NULL, NULL));
  CHECK(read(begun[0], &byte, 1) == 1);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    enclava_gate_free(desk.gate);
    execlp("true", "true", (char *)NULL);
    _exit(1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(write(over[1], &byte, 1) == 1);
  enclava_permit_free(permit);
  desk_close(&desk);
}

int main(void) {
  desk desk = desk_open(NULL, "{\"name\": \"k\", \"daily_spend_limit\": 10}");
  enclava_permit *permit = admit(&desk, "3", 1), *other;
  enclava_queue *queue;
  char id[ENCLAVA_PERMIT_ID_TEXT], again[ENCLAVA_PERMIT_ID_TEXT];
  int status;
  pid_t child;
  OK(enclava_permit_dispatched(permit));
  OK(enclava_permit_id(permit, id, sizeof id, NULL));

  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    /* Budgets in memory are this process's own from now on, with what was held when it began. */
    enclava_permit_free(permit);
    CHECK(spent(&desk).usd == 0);
    other = admit(&desk, "7", 1);
    OK(enclava_permit_id(other, again, sizeof again, NULL));
    CHECK(strcmp(id, again) != 0);
    OK(enclava_permit_settle(other, usage("7", 1), NULL, NULL));
    enclava_permit_free(other);
    desk_close(&desk);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(spent(&desk).usd == 0);

  OK(enclava_queue_open(1, 4, &queue));
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(enclava_queue_submit(queue, nothing, never, NULL) == ENCLAVA_STATUS_CONFLICT);
    CHECK(enclava_gate_flush_submit(desk.gate, queue, never, NULL) == ENCLAVA_STATUS_CONFLICT);
    CHECK(enclava_permit_free_submit(&permit, queue) == ENCLAVA_STATUS_CONFLICT && permit != NULL);
    CHECK(enclava_queue_run(queue, NULL) == ENCLAVA_STATUS_CONFLICT);
    enclava_queue_free(queue);
    /* What the threads held that did not come along is nobody's here: go on as another program, and not before a checker. */
    execlp("true", "true", (char *)NULL);
    _exit(1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  enclava_queue_free(queue);

  OK(enclava_permit_settle(permit, usage("3", 1), NULL, NULL));
  CHECK(spent(&desk).usd == 3);
  enclava_permit_free(permit);
  desk_close(&desk);
  while_the_parent_is_told();
  return 0;
}
