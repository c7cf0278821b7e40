/* Threads that spend from one budget at once. A program that includes this needs -lpthread. */

#ifndef CROWD_H
#define CROWD_H

#include <pthread.h>

#include "check.h"

enum { MOST_THREADS = 64 };

/* One call of a cent: 1 if it was admitted, 0 if the budget has no room for it. */
static inline int spend_a_cent(const desk *desk) {
  enclava_request request = ask(desk, "0.01", 1);
  enclava_permit *permit;
  enclava_denial *denial;
  enclava_status status = enclava_gate_authorize(desk->gate, &request, &permit, &denial);
  if (status == ENCLAVA_STATUS_OK) {
    OK(enclava_permit_settle(permit, request.estimate, NULL, NULL));
  } else {
    CHECK(status == ENCLAVA_STATUS_DENIED && enclava_denial_status(denial) == 429);
  }
  enclava_permit_free(permit);
  enclava_denial_free(denial);
  return status == ENCLAVA_STATUS_OK;
}

/* Does `work` on so many threads, each of which adds to an int of its own; what they come to together. */
static inline int at_once(int count, void *(*work)(void *own)) {
  pthread_t threads[MOST_THREADS];
  int own[MOST_THREADS] = {0}, total = 0, i;
  CHECK(count <= MOST_THREADS);
  for (i = 0; i < count; i++) {
    CHECK(pthread_create(&threads[i], NULL, work, &own[i]) == 0);
  }
  for (i = 0; i < count; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    total += own[i];
  }
  return total;
}

#endif
