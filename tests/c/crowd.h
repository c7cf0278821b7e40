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

/* One thread of a crowd. */
typedef struct hand {
  pthread_t thread;
  void (*work)(int *own);
  pthread_barrier_t *done;
  int own;
} hand;

/* None ends before all are done: whoever came later would take over what the library keeps for a thread, which it hands on
 * under a lock of Rust's standard library that ThreadSanitizer does not always see (races.sh). */
static inline void *lend(void *own) {
  hand *hand = own;
  hand->work(&hand->own);
  pthread_barrier_wait(hand->done);
  return NULL;
}

/* Does `work` on so many threads, each of which adds to an int of its own; what they come to together. */
static inline int at_once(int count, void (*work)(int *own)) {
  hand hands[MOST_THREADS];
  pthread_barrier_t done;
  int total = 0, i;
  CHECK(count <= MOST_THREADS && pthread_barrier_init(&done, NULL, (unsigned)count) == 0);
  for (i = 0; i < count; i++) {
    hands[i] = (hand){.work = work, .done = &done};
    CHECK(pthread_create(&hands[i].thread, NULL, lend, &hands[i]) == 0);
  }
  for (i = 0; i < count; i++) {
    CHECK(pthread_join(hands[i].thread, NULL) == 0);
    total += hands[i].own;
  }
  pthread_barrier_destroy(&done);
  return total;
}

#endif
