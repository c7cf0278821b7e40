/*
 * One lock around lists: as little as a ledger can be. It holds the one primitive and decides nothing; what is admitted,
 * and what a row becomes, it asks the library.
 *
 * It keeps every row. Of each owner it remembers the last calls that were resolved, so that settling one again is told.
 */

#define _POSIX_C_SOURCE 200809L

#include "memory_ledger.h"

#include <pthread.h>
#include <stdlib.h>

enum { FINALS = 7, PROVISIONALS = 64, LONGEST_ID = 71, MOST_CHANGES = 12 };

typedef struct row {
  struct row *next;
  int32_t meter;
  enclava_time window_start;
  enclava_row row;
} row;

typedef struct hold {
  struct hold *next;
  uint64_t resolved; /* Counts resolutions; 0 while it is live. */
  enclava_hold hold;
} hold;

typedef struct account {
  struct account *next;
  char owner[LONGEST_ID + 1];
  row *rows;
  hold *holds;
  int leaving;
} account;

struct memory_ledger {
  pthread_mutex_t lock;
  account *accounts;
  uint64_t resolutions;
  int owners;
  int silent;
};

static int is_live(const hold *hold) { return hold->hold.phase == ENCLAVA_PHASE_LIVE; }

static int is_final(const hold *hold) {
  return hold->hold.phase == ENCLAVA_PHASE_SETTLED || hold->hold.phase == ENCLAVA_PHASE_RELEASED;
}

/* -- Finding things, and making what is missing. -- */

static account *account_of(memory_ledger *ledger, enclava_str owner, int make) {
  account *found;
  for (found = ledger->accounts; found != NULL; found = found->next) {
    if (strlen(found->owner) == owner.len && memcmp(found->owner, owner.data, owner.len) == 0) {
      return found;
    }
  }
  if (!make || owner.len > LONGEST_ID || (found = calloc(1, sizeof *found)) == NULL) {
    return NULL;
  }
  memcpy(found->owner, owner.data, owner.len);
  found->next = ledger->accounts;
  return ledger->accounts = found;
}

static row *row_of(account *account, int32_t meter, enclava_time window_start, int make) {
  row *found;
  for (found = account->rows; found != NULL; found = found->next) {
    if (found->meter == meter && found->window_start == window_start) {
      return found;
    }
  }
  if (!make || (found = calloc(1, sizeof *found)) == NULL) {
    return NULL;
  }
  found->meter = meter;
  found->window_start = window_start;
  found->next = account->rows;
  return account->rows = found;
}

static hold *hold_of(account *account, const uint8_t *id) {
  hold *found = account == NULL ? NULL : account->holds;
  while (found != NULL && memcmp(found->hold.id, id, sizeof found->hold.id) != 0) {
    found = found->next;
  }
  return found;
}

static uint32_t live_holds(const account *account) {
  uint32_t live = 0;
  const hold *each;
  for (each = account->holds; each != NULL; each = each->next) {
    live += (uint32_t)is_live(each);
  }
  return live;
}

/* -- Forgetting. -- */

static void free_account(account *account) {
  while (account->rows != NULL) {
    row *first = account->rows;
    account->rows = first->next;
    free(first);
  }
  while (account->holds != NULL) {
    hold *first = account->holds;
    account->holds = first->next;
    free(first);
  }
  free(account);
}

static void remove_if_left(memory_ledger *ledger, account *account) {
  struct account **place = &ledger->accounts;
  if (!account->leaving || live_holds(account) > 0) {
    return;
  }
  while (*place != account) {
    place = &(*place)->next;
  }
  *place = account->next;
  free_account(account);
}

/* Of the holds that were resolved, for good or not, the oldest beyond `most`. */
static void forget_oldest(account *account, int final, int most) {
  struct hold **place, **oldest = NULL;
  int count = 0;
  for (place = &account->holds; *place != NULL; place = &(*place)->next) {
    if (!is_live(*place) && is_final(*place) == final) {
      count++;
      if (oldest == NULL || (*place)->resolved < (*oldest)->resolved) {
        oldest = place;
      }
    }
  }
  if (count > most) {
    hold *forgotten = *oldest;
    *oldest = forgotten->next;
    free(forgotten);
  }
}

/* -- The primitive. -- */

static int32_t take(memory_ledger *ledger, const enclava_step *step, enclava_moved *rows, enclava_outcome *outcome) {
  account *home, *account;
  hold *found, *each;
  row *moving[MOST_CHANGES];
  size_t place;
  int fits = 1;

  if (step->owner_count == 0 || step->change_count > MOST_CHANGES ||
      (home = account_of(ledger, step->owners[0], 1)) == NULL) {
    return 1;
  }
  found = hold_of(home, step->becomes->id);
  if ((found == NULL ? 0 : found->hold.revision) != step->expected) {
    outcome->kind = ENCLAVA_OUTCOME_KIND_UNEXPECTED;
    if (found != NULL) {
      outcome->has_hold = 1;
      outcome->hold = found->hold;
    }
    return 0;
  }
  if (step->is_bounded && live_holds(home) >= step->most_live) {
    outcome->kind = ENCLAVA_OUTCOME_KIND_CROWDED;
    return 0;
  }

  /* Ask for everything before changing anything. */
  for (place = 0; place < step->change_count; place++) {
    const enclava_change *change = &step->changes[place];
    account = change->owner < step->owner_count ? account_of(ledger, step->owners[change->owner], 1) : NULL;
    moving[place] = account == NULL ? NULL : row_of(account, change->meter, change->window_start, 1);
    if (moving[place] == NULL) {
      return 1;
    }
    fits = enclava_change_is_admitted(change, &moving[place]->row) && fits;
  }
  if (!fits) {
    for (place = 0; place < step->change_count; place++) {
      rows[place].row = moving[place]->row;
    }
    outcome->kind = ENCLAVA_OUTCOME_KIND_REFUSED;
    return 0;
  }
  if (found == NULL) {
    if ((found = calloc(1, sizeof *found)) == NULL) {
      return 1;
    }
    found->next = home->holds;
    home->holds = found;
    home->leaving = 0;
  }
  for (place = 0; place < step->change_count; place++) {
    enclava_change_carry_out(&step->changes[place], &moving[place]->row, &rows[place]);
  }
  found->hold = *step->becomes;
  found->resolved = is_live(found) ? 0 : ++ledger->resolutions;

  outcome->kind = ENCLAVA_OUTCOME_KIND_TAKEN;
  outcome->next_lapse = INT64_MAX;
  for (each = home->holds; each != NULL; each = each->next) {
    if (is_live(each) && each->hold.expires_at < outcome->next_lapse) {
      outcome->next_lapse = each->hold.expires_at;
    }
  }
  if (!is_live(found)) {
    forget_oldest(home, 1, FINALS);
    forget_oldest(home, 0, PROVISIONALS);
  }
  remove_if_left(ledger, home);
  return 0;
}

/* -- The table: each function takes the lock, or fails while the ledger is silent. -- */

static int enter(memory_ledger *ledger) {
  pthread_mutex_lock(&ledger->lock);
  if (ledger->silent) {
    pthread_mutex_unlock(&ledger->lock);
    return 0;
  }
  return 1;
}

static int32_t leave(memory_ledger *ledger, int32_t answer) {
  pthread_mutex_unlock(&ledger->lock);
  return answer;
}

static int32_t on_apply(const enclava_step *step, enclava_moved *rows, enclava_outcome *outcome, void *data) {
  memory_ledger *ledger = data;
  return enter(ledger) ? leave(ledger, take(ledger, step, rows, outcome)) : 1;
}

static int32_t on_row(enclava_str owner, int32_t meter, enclava_time window_start, enclava_row *told, void *data) {
  memory_ledger *ledger = data;
  account *account;
  row *found;
  if (!enter(ledger)) {
    return 1;
  }
  account = account_of(ledger, owner, 0);
  found = account == NULL ? NULL : row_of(account, meter, window_start, 0);
  if (found != NULL) {
    *told = found->row;
  }
  return leave(ledger, 0);
}

static int32_t on_hold(enclava_str owner, const uint8_t *id, enclava_hold *told, int32_t *is_found, void *data) {
  memory_ledger *ledger = data;
  hold *found;
  if (!enter(ledger)) {
    return 1;
  }
  found = hold_of(account_of(ledger, owner, 0), id);
  if (found != NULL) {
    *told = found->hold;
    *is_found = 1;
  }
  return leave(ledger, 0);
}

static int32_t on_due(enclava_str owner, enclava_time now, size_t most, enclava_holds *holds, void *data) {
  memory_ledger *ledger = data;
  account *account;
  hold *each;
  if (!enter(ledger)) {
    return 1;
  }
  account = account_of(ledger, owner, 0);
  for (each = account == NULL ? NULL : account->holds; each != NULL && most > 0; each = each->next) {
    if (is_live(each) && each->hold.expires_at <= now) {
      enclava_holds_add(holds, &each->hold);
      most--;
    }
  }
  return leave(ledger, 0);
}

static int32_t on_forget(enclava_str owner, void *data) {
  memory_ledger *ledger = data;
  account *account;
  if (!enter(ledger)) {
    return 1;
  }
  account = account_of(ledger, owner, 0);
  if (account != NULL) {
    account->leaving = 1;
    remove_if_left(ledger, account);
  }
  return leave(ledger, 0);
}

static void on_release(void *data) { memory_ledger_release(data); }

memory_ledger *memory_ledger_share(memory_ledger *ledger) {
  pthread_mutex_lock(&ledger->lock);
  ledger->owners++;
  pthread_mutex_unlock(&ledger->lock);
  return ledger;
}

void memory_ledger_release(memory_ledger *ledger) {
  int owners;
  pthread_mutex_lock(&ledger->lock);
  owners = --ledger->owners;
  pthread_mutex_unlock(&ledger->lock);
  if (owners > 0) {
    return;
  }
  while (ledger->accounts != NULL) {
    account *first = ledger->accounts;
    ledger->accounts = first->next;
    free_account(first);
  }
  pthread_mutex_destroy(&ledger->lock);
  free(ledger);
}

memory_ledger *memory_ledger_new(void) {
  memory_ledger *ledger = calloc(1, sizeof *ledger);
  if (ledger != NULL && pthread_mutex_init(&ledger->lock, NULL) != 0) {
    free(ledger);
    return NULL;
  }
  return ledger == NULL ? NULL : memory_ledger_share(ledger);
}

enclava_ledger_vtable memory_ledger_table(void) {
  enclava_ledger_vtable table = enclava_ledger_vtable_init();
  table.apply = on_apply;
  table.row = on_row;
  table.hold = on_hold;
  table.due = on_due;
  table.forget = on_forget;
  table.release = on_release;
  return table;
}

void memory_ledger_silence(memory_ledger *ledger, int silent) {
  pthread_mutex_lock(&ledger->lock);
  ledger->silent = silent;
  pthread_mutex_unlock(&ledger->lock);
}
