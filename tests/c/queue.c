/* An event loop that never blocks: jobs that make calls run elsewhere, and a descriptor says when they are done. */

#define _POSIX_C_SOURCE 200809L

#include <poll.h>

#include "check.h"

enum { JOBS = 32 };

/* One request on its way: what goes in, and what the calls answered. */
typedef struct job {
  const desk *desk;
  enclava_permit *permit;
  enclava_denial *denial;
  enclava_status status;
} job;

static void authorize(void *data) {
  job *job = data;
  enclava_request request = ask(job->desk, "1", 1);
  job->status = enclava_gate_authorize(job->desk->gate, &request, &job->permit, &job->denial);
}

static void settle(void *data) {
  job *job = data;
  job->status = enclava_permit_settle(job->permit, usage("1", 1), NULL, NULL);
  enclava_permit_free(job->permit);
  job->permit = NULL;
}

static int is_readable(const enclava_queue *queue, int milliseconds) {
  struct pollfd ready = {0, POLLIN, 0};
  ready.fd = enclava_queue_descriptor(queue);
  return poll(&ready, 1, milliseconds);
}

int main(void) {
  desk desk = desk_open(NULL, "{\"name\": \"k\", \"daily_spend_limit\": 10}");
  job jobs[JOBS];
  enclava_queue *queue;
  void *taken;
  int admitted = 0, denied = 0, settled = 0, i;
  OK(enclava_queue_open(3, JOBS, &queue));
  CHECK(is_readable(queue, 0) == 0);
  CHECK(enclava_queue_take(queue, &taken) == ENCLAVA_STATUS_NOT_FOUND);
  for (i = 0; i < JOBS; i++) {
    jobs[i].desk = &desk;
    OK(enclava_queue_submit(queue, authorize, &jobs[i]));
  }
  CHECK(enclava_queue_submit(queue, authorize, &jobs[0]) == ENCLAVA_STATUS_BUSY);
  CHECK(enclava_queue_submit(queue, NULL, &jobs[0]) == ENCLAVA_STATUS_NULL_ARGUMENT);

  while (denied + settled < JOBS) {
    CHECK(is_readable(queue, -1) == 1);
    while (enclava_queue_take(queue, &taken) == ENCLAVA_STATUS_OK) {
      job *done = taken;
      if (done->permit != NULL) {
        admitted++;
        OK(enclava_queue_submit(queue, settle, done));
      } else if (done->status == ENCLAVA_STATUS_DENIED) {
        denied++;
        CHECK(enclava_denial_reason(done->denial) == ENCLAVA_REASON_DAILY_SPEND_EXCEEDED);
        enclava_denial_free(done->denial);
      } else {
        settled++;
        OK(done->status);
      }
    }
  }
  CHECK(is_readable(queue, 0) == 0);
  CHECK(admitted == 10 && settled == 10 && spent(&desk).usd == 10);

  /* What was submitted is done before the queue is gone. */
  jobs[0].status = ENCLAVA_STATUS_OK;
  OK(enclava_queue_submit(queue, authorize, &jobs[0]));
  enclava_queue_free(queue);
  CHECK(jobs[0].status == ENCLAVA_STATUS_DENIED);
  enclava_denial_free(jobs[0].denial);
  desk_close(&desk);
  return 0;
}
