/*
 * A gateway's event loop that never waits for a disk: calls are submitted to a queue, and their answers are told on the
 * loop's own thread. The loop here is poll(); with epoll, kqueue, libuv or nginx it is the same one descriptor.
 *
 *   cc event_loop.c $(pkg-config --cflags --libs enclava) -o event_loop && ./event_loop
 */

#define _POSIX_C_SOURCE 200809L

#include <enclava.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 7 };

/* One client's request, from when it was read until it was answered. It lives at least as long as a call for it is
   submitted: `done` is called exactly once for each. */
typedef struct client {
  int number;
  int is_gone;
  int tries;
  enclava_permit *permit;
  enclava_usage usage;
} client;

static enclava_gate *gate;
static enclava_queue *queue;
static int open_clients;

static void must(enclava_status status, const char *what) {
  if (status == ENCLAVA_STATUS_OK) return;
  fprintf(stderr, "%s: %s\n", what, enclava_status_text(status));
  exit(1);
}

static void close_client(client *client, const char *how) {
  printf("client %d %s\n", client->number, how);
  open_clients--;
}

/* Off the loop like all else, and there is always room for it. A permit that goes charges what it was told; with a ledger
   that is silent even then, its estimate is charged when the hold lapses. */
static void leave_to_queue(client *client) {
  must(enclava_permit_free_submit(&client->permit, queue), "free permit");
  close_client(client, "was answered, and left to the queue to be charged");
}

static void settle(client *client);

static void on_settled(enclava_answer *answer, void *data) {
  client *client = data;
  enclava_status status = enclava_answer_status(answer);
  if (status == ENCLAVA_STATUS_OK) {
    close_client(client, "was answered and charged");
    return;
  }
  /* Nothing is lost: the permit comes back. If only the ledger could not answer it is settled once more. */
  must(enclava_answer_take_permit(answer, &client->permit), "take permit");
  if (status == ENCLAVA_STATUS_LEDGER && client->tries == 1) {
    settle(client);
  } else {
    leave_to_queue(client);
  }
}

static void settle(client *client) {
  client->tries++;
  if (enclava_permit_settle_submit(&client->permit, client->usage, queue, on_settled, client) != ENCLAVA_STATUS_OK) {
    leave_to_queue(client); /* the queue is full */
  }
}

/* The model has answered: a real gateway comes here when its upstream's socket says so. */
static void model_answered(client *client) {
  client->usage.cost.pico = 31000000000; /* $0.031 */
  client->usage.tokens = 1234;
  must(enclava_permit_progress(client->permit, client->usage), "progress"); /* what it charges if it only goes */
  settle(client);
}

/* The model to dispatch: the one that was checked, however long the client made its name. NULL where memory is short. */
static char *checked_model(const enclava_permit *permit) {
  size_t len = 0;
  char *model;
  enclava_permit_model(permit, NULL, 0, &len); /* tells the length, and that it does not fit */
  model = malloc(len + 1);
  if (model != NULL) must(enclava_permit_model(permit, model, len + 1, NULL), "model");
  return model;
}

static void on_authorized(enclava_answer *answer, void *data) {
  client *client = data;
  char *model;
  if (enclava_answer_status(answer) != ENCLAVA_STATUS_OK) {
    char line[32];
    snprintf(line, sizeof line, "was denied: %d", enclava_denial_status(enclava_answer_denial(answer)));
    close_client(client, line); /* and its headers and body are ready to send */
    return;
  }
  if (client->is_gone) {
    /* The permit is not taken, so the queue lets its hold go. */
    close_client(client, "had gone: nothing is charged");
    return;
  }
  must(enclava_answer_take_permit(answer, &client->permit), "take permit");
  model = checked_model(client->permit);
  if (model == NULL) {
    must(enclava_permit_free_submit(&client->permit, queue), "free permit"); /* not dispatched: nothing is charged */
    close_client(client, "was answered 500: there is no memory");
    return;
  }
  must(enclava_permit_dispatched(client->permit), "dispatched");
  free(model); /* a real gateway sends it on */
  model_answered(client);
}

static void request_arrived(client *client, const char *secret, const char *model) {
  enclava_request request = enclava_request_init();
  enclava_status status;
  request.secret = enclava_text(secret);
  request.model = enclava_text(model);
  must(enclava_money_parse(enclava_text("0.05"), &request.estimate.cost), "money");
  open_clients++;
  status = enclava_gate_authorize_submit(gate, &request, queue, on_authorized, client);
  if (status == ENCLAVA_STATUS_BUSY) {
    close_client(client, "was answered 503: the queue is full");
  } else {
    must(status, "authorize");
  }
}

int main(void) {
  const char *spec =
      "{\"name\": \"App\", \"allowed_models\": [\"gpt-4\", \"ft:gpt-4:*\"], \"daily_spend_limit\": \"0.15\"}";
  const char *const models[CLIENTS] = {
      "ft:gpt-4:acme:answers-to-the-questions-that-our-own-customers-ask-most:8f3d2c1b", "gpt-4", "o1", "gpt-4", "gpt-4",
      "gpt-4", "gpt-4"};
  client clients[CLIENTS] = {{0, 0, 0, NULL, {{0, 0}, 0}}};
  enclava_secret *secret;
  struct pollfd ready = {0, POLLIN, 0};
  int i;

  must(enclava_gate_open(enclava_text("memory:"), NULL, &gate, NULL), "open"); /* sqlite:////var/lib/enclava.db */
  must(enclava_key_create(gate, enclava_text(spec), NULL, &secret, NULL), "create");
  must(enclava_queue_open(4, 1024, &queue), "queue");

  for (i = 0; i < CLIENTS; i++) {
    clients[i].number = i;
    clients[i].is_gone = i == 1;
    request_arrived(&clients[i], enclava_secret_reveal(secret), models[i]);
  }
  ready.fd = enclava_queue_descriptor(queue);
  while (open_clients > 0) {
    if (poll(&ready, 1, -1) == 1) must(enclava_queue_run(queue, NULL), "run");
  }

  enclava_queue_free(queue); /* makes and tells what is left, so before what that is about */
  enclava_secret_free(secret);
  enclava_gate_free(gate);
  return 0;
}
