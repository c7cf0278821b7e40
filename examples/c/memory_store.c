/* One lock around a list of records. It judges nothing: a record is text, and its revision says whether it may be replaced. */

#define _POSIX_C_SOURCE 200809L

#include "memory_store.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct record {
  struct record *next;
  char *id;
  char *text;           /* NULL: the key is gone. */
  uint64_t revision;    /* 0 for one that is gone. */
  uint64_t changed_at;  /* The generation that it became so in. */
} record;

struct memory_store {
  pthread_mutex_t lock;
  record *records;
  uint64_t generation;
  int owners;
  int silent;
};

static char *copy(enclava_str text) {
  char *copied = malloc(text.len + 1);
  if (copied != NULL) {
    memcpy(copied, text.data, text.len);
    copied[text.len] = '\0';
  }
  return copied;
}

static record *record_of(memory_store *store, enclava_str id, int make) {
  record *found;
  for (found = store->records; found != NULL; found = found->next) {
    if (strlen(found->id) == id.len && memcmp(found->id, id.data, id.len) == 0) {
      return found;
    }
  }
  if (!make || (found = calloc(1, sizeof *found)) == NULL || (found->id = copy(id)) == NULL) {
    free(found);
    return NULL;
  }
  found->next = store->records;
  return store->records = found;
}

/* Takes the lock; 0 while the store is silent. */
static int enter(memory_store *store) {
  pthread_mutex_lock(&store->lock);
  if (store->silent) {
    pthread_mutex_unlock(&store->lock);
    return 0;
  }
  return 1;
}

static int32_t leave(memory_store *store, int32_t answer) {
  pthread_mutex_unlock(&store->lock);
  return answer;
}

static int32_t on_news(uint64_t since, int32_t is_first, enclava_news *news, void *data) {
  memory_store *store = data;
  record *each;
  if (!enter(store)) {
    return ENCLAVA_STATUS_LEDGER;
  }
  for (each = store->records; each != NULL; each = each->next) {
    if (each->text != NULL && (is_first || each->changed_at > since)) {
      enclava_news_put(news, enclava_text(each->text));
    } else if (each->text == NULL && !is_first && each->changed_at > since) {
      enclava_news_remove(news, enclava_text(each->id));
    }
  }
  enclava_news_end(news, store->generation, is_first);
  return leave(store, ENCLAVA_STATUS_OK);
}

static int32_t on_put(enclava_str id, enclava_str text, uint64_t revision, uint64_t replaces, void *data) {
  memory_store *store = data;
  record *kept;
  char *copied;
  if (!enter(store)) {
    return ENCLAVA_STATUS_LEDGER;
  }
  kept = record_of(store, id, 0);
  if ((kept == NULL ? 0 : kept->revision) != replaces) {
    return leave(store, ENCLAVA_STATUS_CONFLICT);
  }
  if ((kept = record_of(store, id, 1)) == NULL || (copied = copy(text)) == NULL) {
    return leave(store, ENCLAVA_STATUS_LEDGER);
  }
  free(kept->text);
  kept->text = copied;
  kept->revision = revision;
  kept->changed_at = ++store->generation;
  return leave(store, ENCLAVA_STATUS_OK);
}

static int32_t on_remove(enclava_str id, int32_t *found, void *data) {
  memory_store *store = data;
  record *kept;
  if (!enter(store)) {
    return ENCLAVA_STATUS_LEDGER;
  }
  kept = record_of(store, id, 0);
  if (kept != NULL && kept->text != NULL) {
    free(kept->text);
    kept->text = NULL;
    kept->revision = 0;
    kept->changed_at = ++store->generation;
    *found = 1;
  }
  return leave(store, ENCLAVA_STATUS_OK);
}

static void on_release(void *data) { memory_store_release(data); }

memory_store *memory_store_new(void) {
  memory_store *store = calloc(1, sizeof *store);
  if (store != NULL && pthread_mutex_init(&store->lock, NULL) != 0) {
    free(store);
    return NULL;
  }
  return store == NULL ? NULL : memory_store_share(store);
}

memory_store *memory_store_share(memory_store *store) {
  pthread_mutex_lock(&store->lock);
  store->owners++;
  pthread_mutex_unlock(&store->lock);
  return store;
}

void memory_store_release(memory_store *store) {
  int owners;
  pthread_mutex_lock(&store->lock);
  owners = --store->owners;
  pthread_mutex_unlock(&store->lock);
  if (owners > 0) {
    return;
  }
  while (store->records != NULL) {
    record *first = store->records;
    store->records = first->next;
    free(first->id);
    free(first->text);
    free(first);
  }
  pthread_mutex_destroy(&store->lock);
  free(store);
}

enclava_store_vtable memory_store_table(void) {
  enclava_store_vtable table = enclava_store_vtable_init();
  table.is_shared = 1;
  table.news = on_news;
  table.put = on_put;
  table.remove = on_remove;
  table.release = on_release;
  return table;
}

void memory_store_silence(memory_store *store, int silent) {
  pthread_mutex_lock(&store->lock);
  store->silent = silent;
  pthread_mutex_unlock(&store->lock);
}
