/* needs: -lpthread */
/* Threads that draw on a budget in a SQLite file by leases: they spend no more than there is, and the file has all of it. */

#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "crowd.h"

enum { THREADS = 4, CALLS = 400, FIT = 1000 };

static desk shared;
static unsigned alerts;

static void work(int *admitted) {
  int i;
  for (i = 0; i < CALLS; i++) {
    *admitted += spend_a_cent(&shared);
    if (i % 100 == 50) {
      enclava_leases *leases;
      OK(enclava_gate_leases(shared.gate, enclava_text(shared.id), &leases, NULL));
      enclava_leases_free(leases);
      OK(enclava_gate_flush(shared.gate, NULL));
    }
  }
}

/* Called on one thread alone, and looked at when its gate was freed. */
static int32_t on_alert(const enclava_alert *alert, void *count) {
  CHECK(alert != NULL);
  ++*(unsigned *)count;
  return 0;
}

int main(void) {
  char folder[] = "/tmp/enclava-XXXXXX", url[64], path[64];
  const char *const files[] = {"", "-wal", "-shm"};
  enclava_options options = enclava_options_init();
  int total, i;
  enclava_money used;
  CHECK(mkdtemp(folder) != NULL);
  sprintf(url, "sqlite:///%s/keys.db", folder);
  options.leased = 1;
  OK(enclava_gate_open(enclava_text(url), &options, &shared.gate, NULL));
  OK(enclava_key_create(shared.gate, enclava_text("{\"name\": \"k\", \"daily_spend_limit\": 10, \"alert_threshold\": 0.5}"),
                        &shared.key, &shared.secret, NULL));
  OK(enclava_key_id(shared.key, shared.id, sizeof shared.id, NULL));
  OK(enclava_gate_on_alert(shared.gate, on_alert, &alerts));
  total = at_once(THREADS, work);
  CHECK(total <= FIT && total > FIT / 2);
  enclava_gate_free(shared.gate);
  CHECK(alerts == 1);

  OK(enclava_gate_open(enclava_text(url), NULL, &shared.gate, NULL));
  used = spent(&shared);
  CHECK(used.usd * 100 + used.pico / INT64_C(10000000000) == total);
  desk_close(&shared);
  for (i = 0; i < 3; i++) {
    sprintf(path, "%s/keys.db%s", folder, files[i]);
    unlink(path);
  }
  rmdir(folder);
  return 0;
}
