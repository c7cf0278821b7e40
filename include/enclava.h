/*
 * enclava.h - API keys, model allowlists and exact budgets for LLM gateways,
 * enforced in the gateway's own process.
 *
 *   bearer key + model + estimate -> gate -> permit (call the model, then settle) | denial (send this body)
 *
 * Names      Every function and type starts with enclava_, every constant with ENCLAVA_. A function is named after the
 *            type of its first argument and what it does.
 * Failure    Whatever can fail returns an enclava_status; 0 is success, and every other number, known or not, a failure.
 *            An enclava_error or enclava_denial tells more, to whoever gives a place for it; NULL gives none.
 * Outputs    come last. They are written on success alone, except that handles are NULL after a failure, and errors and
 *            denials NULL after a success: so free them always. What is not decided is denied: a NULL permit, a NULL
 *            decision and a verdict of zero all say no.
 * Handles    are opaque. One that a function writes to a place is the caller's, who frees it once, by the function of its
 *            type that ends in _free; freeing NULL does nothing. One that a function returns as its value belongs to the
 *            function's first argument and is not freed. Never use what was freed.
 * NULL       is a status, never a crash, wherever a pointer is taken.
 * Text in    is an enclava_str: a pointer and a length in bytes, UTF-8, without need for a NUL. It is lent for the call
 *            and not kept. One with a NULL pointer and length 0 is not stated.
 * Text out   is copied into the caller's buffer of so many bytes, with a NUL behind it; len, which may be NULL, becomes its
 *            length without the NUL. If they do not fit the status is ENCLAVA_STATUS_BUFFER_TOO_SMALL, the buffer holds an
 *            empty text and len says how long the text is: so a NULL buffer of 0 bytes asks for the length.
 * Structs    that begin with `size` may grow in later versions. Make them with the function that ends in _init, so that a
 *            program and a library of different versions understand each other.
 * Threads    A function that takes const handles alone may be called from any threads at once, one that takes a handle
 *            that is not const by one thread at a time. So it is where a comment says no more. The library keeps nothing
 *            for each thread.
 * Blocking   Functions that may wait for a disk or a network say so; the others never do. Each that may has another of its
 *            name and _submit, which takes a queue, whom to tell and a pointer for it instead of the outputs, or else goes
 *            by enclava_queue_submit(): that is for event loops. See enclava_queue.
 * Fork       In a child a gate of the parent's may be used if the parent had one thread; permits of the parent's are the
 *            parent's to end. Budgets of "memory:" are counted by each process for itself. Open queues in the child.
 * Time       is in microseconds since 1970-01-01T00:00:00Z. Money is exact; no number here is a float.
 * Callbacks  are lent nothing beyond their return and must not leave by longjmp or a C++ exception.
 * Panics     A fault of the library becomes ENCLAVA_STATUS_PANIC. Nothing is admitted by it.
 *
 * To link: pkg-config --cflags --libs enclava (with --static for libenclava.a), or CMake's find_package(enclava).
 *
 * Generated from bindings/c. To change it, edit the sources there and run
 *   BLESS=1 cargo test -p enclava-c --test header
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef ENCLAVA_H
#define ENCLAVA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The version of the library that this header was written for. */
#define ENCLAVA_VERSION "0.1.0"

/* Not to be ignored: without the answer a request would pass unasked. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define ENCLAVA_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define ENCLAVA_NODISCARD __attribute__((warn_unused_result))
#else
#define ENCLAVA_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------- */
/* Handles: made by the library, freed by the function of their name. */
/* -------------------------------------------------------------------------- */

/**
 * One alert.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_alert enclava_alert;

/**
 * What a submitted call came to: what the call of the same name without _submit would have answered.
 *
 * It is lent to the `done` that is told of it, and so is all that it holds but a permit that is taken out.
 */
typedef struct enclava_answer enclava_answer;

/**
 * A clock that stands still until it is told to go on: for tests and replays. A gate that was opened with it keeps what
 * it needs of it, so the clock may be freed first.
 */
typedef struct enclava_clock enclava_clock;

/**
 * What enclava_gate_authorize() would answer, and every rule on the way.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_decision enclava_decision;

/**
 * Why a request was not admitted: a finished HTTP answer. It holds no secret and does not say which models a key may
 * use.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_denial enclava_denial;

/**
 * Why a call failed. It holds no secret: it may be logged.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_error enclava_error;

/**
 * Something that happened. It holds no secret.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_event enclava_event;

/**
 * The one object that a gateway holds: it manages keys and authorizes requests.
 *
 * Any threads may use it at once. Permits, keys and denials live on when it is freed, and so do calls that were submitted.
 */
typedef struct enclava_gate enclava_gate;

/**
 * How a database is.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_health enclava_health;

/**
 * What one key used on past days, by model: tallies in order, the last day first.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_history enclava_history;

/** Holds that a ledger tells, see `due` in enclava_ledger_vtable. */
typedef struct enclava_holds enclava_holds;

/**
 * The record of a key as it stood when it was read. It holds no secret.
 *
 * Immutable: any threads may read it at once. It lives on when the gate is freed.
 */
typedef struct enclava_key enclava_key;

/**
 * Keys in the order of their ids: generated ids first, by their making, then ids of your own, by their text.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_key_page enclava_key_page;

/**
 * What processes have taken of one key's budgets to hand out by themselves, where gates are opened with `leased`.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_leases enclava_leases;

/** What a store tells, see `news` in enclava_store_vtable. */
typedef struct enclava_news enclava_news;

/**
 * The right to make one call, with its estimate set aside.
 *
 * Exactly one of settling and releasing ends it. One that is freed before enclava_permit_dispatched() lets its hold go;
 * after, it charges the progress told so far, or else the estimate, which one later enclava_gate_settle() may replace.
 *
 * It may be handed from thread to thread, and is used by one at a time. It lives on when the gate is freed. In a child of
 * fork() the parent's permits are the parent's: freeing one there frees memory and nothing else.
 */
typedef struct enclava_permit enclava_permit;

/**
 * A price book. A gate takes a copy of it.
 *
 * Any threads may read it at once.
 */
typedef struct enclava_prices enclava_prices;

/**
 * Threads that make calls which may block, so that an event loop does not wait for them.
 *
 * A call is submitted by the function of its name that ends in _submit, which copies what it is lent and never blocks. When
 * the call was made, enclava_queue_descriptor() is readable and enclava_queue_run() calls `done(answer, data)` on the thread
 * of the event loop. If submitting fails, nothing was submitted and `done` is not called; else it is called exactly once,
 * at the latest by enclava_queue_free(), so `data` must live until then. Calls are made in any order; submit one that must
 * come after another when that is done.
 *
 * Any threads may use it at once. It belongs to the process that opened it: in a child of fork() nothing is made by it.
 */
typedef struct enclava_queue enclava_queue;

/**
 * The text of a new key. Show it once, to whoever will use it, and free it: that wipes it.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_secret enclava_secret;

/**
 * What a call came to when it was settled.
 *
 * Immutable: any threads may read it at once.
 */
typedef struct enclava_settlement enclava_settlement;

/* -------------------------------------------------------------------------- */
/* Which library this is. */
/* -------------------------------------------------------------------------- */

/** The version of the ABI that this header describes. A program and a library with the same number fit together. */
#define ENCLAVA_ABI_VERSION 0

/**
 * The version of the library, such as "0.1.0".
 *
 * The text is static: never free it. Callable from any thread.
 */
const char *enclava_version(void);

/**
 * The ABI version of the library that is loaded. Compare it with ENCLAVA_ABI_VERSION, the one compiled against.
 *
 * Callable from any thread.
 */
uint32_t enclava_abi_version(void);

/* -------------------------------------------------------------------------- */
/* What became of a call, as a number that never changes. */
/* -------------------------------------------------------------------------- */

/** What became of a call. Numbers are never reused: a status that this header does not know is a failure. */
typedef int32_t enclava_status;
enum {
  /** It did as it was asked. */
  ENCLAVA_STATUS_OK = 0,
  /** A pointer that must not be NULL is NULL. */
  ENCLAVA_STATUS_NULL_ARGUMENT = 1,
  /** A text is not UTF-8. */
  ENCLAVA_STATUS_NOT_UTF8 = 2,
  /** The `size` of a struct is none that this library knows, or a field that it does not know is set. */
  ENCLAVA_STATUS_STRUCT_SIZE = 3,
  /** The buffer does not hold the text and its NUL; `len` says how long the text is. */
  ENCLAVA_STATUS_BUFFER_TOO_SMALL = 4,
  /** The queue holds as many calls as it may. Call enclava_queue_run(), then submit again. */
  ENCLAVA_STATUS_BUSY = 5,
  /** The request is denied. Send the denial. */
  ENCLAVA_STATUS_DENIED = 16,
  /** A value is not what it may be. The error says which, and what would be right. */
  ENCLAVA_STATUS_INVALID_VALUE = 17,
  /** A record is not valid. The error lists every fault with its place. */
  ENCLAVA_STATUS_INVALID_RECORD = 18,
  /** There is no such key, permit or item. */
  ENCLAVA_STATUS_NOT_FOUND = 19,
  /** The state of things forbids it: a revision that moved on, an edit that would widen, a request id used before. */
  ENCLAVA_STATUS_CONFLICT = 20,
  /** The permit was settled or released before. Nothing was charged now; the error has the first settlement. */
  ENCLAVA_STATUS_ALREADY_SETTLED = 21,
  /** The ledger or the store cannot answer. Nothing is lost: the same call may be made again. */
  ENCLAVA_STATUS_LEDGER = 64,
  /** A fault of the library. Nothing was admitted. */
  ENCLAVA_STATUS_PANIC = 255,
};

/**
 * The name of a status, such as "conflict". "unknown status" for a number that is none.
 *
 * The text is static: never free it. Callable from any thread.
 */
const char *enclava_status_text(int32_t status);

/* -------------------------------------------------------------------------- */
/* Text in, borrowed for one call; text out, copied into the caller's buffer. */
/* -------------------------------------------------------------------------- */

/**
 * Text or bytes that are lent for one call: `len` bytes at `data`, with no need for a NUL behind them.
 *
 * `data` may be NULL when `len` is 0: then an optional text is not stated.
 */
typedef struct enclava_str {
  /** The first byte. */
  const char *data;
  /** How many bytes there are. */
  size_t len;
} enclava_str;

/** The text up to a NUL. NULL is not stated. It is lent, like any other. */
static inline enclava_str enclava_text(const char *text) {
  enclava_str lent;
  lent.data = text;
  lent.len = text == NULL ? 0 : strlen(text);
  return lent;
}

/* -------------------------------------------------------------------------- */
/* Instants, and a clock for tests. */
/* -------------------------------------------------------------------------- */

/** An instant: microseconds since 1970-01-01T00:00:00Z, up to the year 9999. */
typedef int64_t enclava_time;

/**
 * Makes a clock that says `now`. Free it with enclava_clock_free().
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE for an instant before 1970 or after the year 9999.
 */
enclava_status enclava_clock_new(enclava_time now, enclava_clock **clock);

/**
 * Sets the clock, earlier or later.
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE for an instant before 1970 or after the year 9999.
 */
enclava_status enclava_clock_set(const enclava_clock *clock, enclava_time now);

/**
 * Moves the clock forward by so many milliseconds, at most to the end of the year 9999.
 *
 * Callable from any thread.
 */
enclava_status enclava_clock_advance(const enclava_clock *clock, uint64_t milliseconds);

/** Frees a clock. NULL is nothing to free. */
void enclava_clock_free(enclava_clock *clock);

/* -------------------------------------------------------------------------- */
/* Money and usage by value, and their text. */
/* -------------------------------------------------------------------------- */

/** Room for the text of any amount and its NUL. */
#define ENCLAVA_MONEY_TEXT 24

/**
 * An amount of US dollars, exact to 1e-12 of one: whole dollars (0 to 9999999999), and the pico-dollars beyond them
 * (0 to 999999999999). All zero is nothing.
 */
typedef struct enclava_money {
  /** Whole dollars. */
  int64_t usd;
  /** Pico-dollars, 1e-12 dollars each. */
  int64_t pico;
} enclava_money;

/** What one call takes, estimated or real. */
typedef struct enclava_usage {
  /** US dollars. */
  enclava_money cost;
  /** LLM tokens, input and output together. */
  uint64_t tokens;
} enclava_usage;

/**
 * Reads decimal text such as "0.05", "50" or "1.3e-10". What is finer than a pico-dollar rounds up.
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE for text that is no amount of money from 0 to just below ten billion dollars.
 */
enclava_status enclava_money_parse(enclava_str text,
                                   enclava_money *money);

/**
 * Writes an amount as decimal text: at least two decimals and no zeros behind them, such as "0.031" or "50.00".
 * ENCLAVA_MONEY_TEXT bytes are always enough.
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE for an amount that is none.
 */
enclava_status enclava_money_format(enclava_money money,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *len);

/* -------------------------------------------------------------------------- */
/* The gate: opening, keeping up, closing. */
/* -------------------------------------------------------------------------- */

/**
 * A secret of the gateway's own that keys the hashes of secrets: a stolen table of hashes is worth nothing without it.
 */
typedef struct enclava_pepper {
  /** Its name, 1 to 16 characters of A-Z a-z 0-9 _ -, kept with each hash. */
  enclava_str id;
  /** 32 to 64 bytes. Wipe your copy once the gate is open. */
  enclava_str bytes;
} enclava_pepper;

/** How a gate is set up. Make an empty one with enclava_options_init(): every field that is zero is at its default. */
typedef struct enclava_options {
  /** sizeof(enclava_options). */
  uint32_t size;
  /**
   * 1: when the ledger cannot answer, admit calls of known keys without setting anything aside. The default denies them.
   */
  int32_t admit_on_unavailable;
  /** 1: let the estimate of a call go that nobody settled within its lifetime. The default charges it. */
  int32_t release_on_lapse;
  /** 1: tell no amounts in denials, only which budget is spent and when it resets. */
  int32_t hide_amounts;
  /** 1: answer unknown_key where a key is revoked, disabled, expired, not yet valid or its secret retired. */
  int32_t hide_state;
  /** The most calls of one key in flight; 4096 for 0. */
  uint32_t max_in_flight;
  /** Seconds that a hold lives when nobody settles it; 600 for 0. */
  uint64_t hold_seconds;
  /** Milliseconds after which a store that others write to is asked for news; 1000 for 0. */
  uint64_t refresh_milliseconds;
  /** Milliseconds that such a store may be silent before calls are denied; 30000 for 0. */
  uint64_t stale_milliseconds;
  /** Up to four: the first keys new hashes, the others are still understood. Lent for the call. */
  const enclava_pepper *peppers;
  /** How many. */
  size_t pepper_count;
  /** What models cost, for enclava_gate_authorize_request(); the gate takes a copy. NULL for none. */
  const enclava_prices *prices;
  /** A clock to go by instead of the system's, for tests. NULL for none. */
  const enclava_clock *clock;
  /** A ledger of your own, instead of the URL's. The gate takes a copy of the table. NULL for none. */
  const struct enclava_ledger_vtable *ledger;
  /** What your ledger is handed with every call. It must live until the table's `release` is called. */
  void *ledger_data;
  /** A store of your own, instead of the URL's. The gate takes a copy of the table. NULL for none. */
  const struct enclava_store_vtable *store;
  /** What your store is handed with every call. It must live until the table's `release` is called. */
  void *store_data;
  /**
   * 1: take slices of the budgets and hand them out in this process, so that most calls do not ask the ledger; for one that
   * processes share. Limits still hold exactly. Permits and request ids then work in the process that was asked for them,
   * alerts come a second or more later, calls in flight are bounded for each process, and what a killed process had leased
   * stays held until its permit is settled (enclava_gate_leases()).
   */
  int32_t leased;
  /** Zero. */
  uint32_t reserved;
} enclava_options;

/** An empty enclava_options, its size set. */
static inline enclava_options enclava_options_init(void) {
  enclava_options empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/**
 * Opens a gate: "memory:" keeps keys and budgets in this process, "file:///etc/enclava/policy.json" reads keys from a
 * policy file, "sqlite:////var/lib/enclava.db" keeps both in a database that processes of one host share. `options` may be
 * NULL. Free the gate with enclava_gate_free().
 *
 * May block. Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE for another URL or a bad option; ENCLAVA_STATUS_INVALID_RECORD with every fault of
 * a policy file; ENCLAVA_STATUS_LEDGER if it cannot be read.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_open(enclava_str url,
                                 const enclava_options *options,
                                 enclava_gate **gate,
                                 enclava_error **error);

/**
 * Asks the store for news now: a policy file is read again, whatever its time.
 *
 * May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_INVALID_RECORD or ENCLAVA_STATUS_LEDGER; then the last good records stay in force.
 */
enclava_status enclava_gate_refresh(const enclava_gate *gate, enclava_error **error);

/**
 * Waits until every alert was told and everything is where it is kept. From an alert callback it does not wait for alerts.
 *
 * May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_LEDGER if something could not be brought there.
 */
enclava_status enclava_gate_flush(const enclava_gate *gate,
                                  enclava_error **error);

/**
 * What the gate counted since it was opened, as a JSON object: `keys`, `admitted`, `denied` by reason, `settled`,
 * `released`, `dropped`, `lapsed`, `recorded`, `extended`, `overrun`, `alerts_lost`, `events_lost`, `refresh_failures`.
 *
 * Callable from any threads at once.
 */
enclava_status enclava_gate_stats(const enclava_gate *gate,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *len);

/**
 * Flushes and frees a gate. NULL is nothing to free. Whoever must know that everything arrived flushes first. Once this has
 * returned no alert callback runs or is called again.
 *
 * No other thread may be using the gate. May block; not to be called from an alert callback.
 */
void enclava_gate_free(enclava_gate *gate);

/* -------------------------------------------------------------------------- */
/* What models cost, for a gate that prices calls itself. */
/* -------------------------------------------------------------------------- */

/** How a text of prices is written. */
typedef int32_t enclava_price_format;
enum {
  /** A small file of one's own, in TOML. */
  ENCLAVA_PRICE_FORMAT_TOML = 0,
  /** The same in JSON. */
  ENCLAVA_PRICE_FORMAT_JSON = 1,
  /** LiteLLM's model_prices_and_context_window.json as it is. Entries that cannot be read are left out. */
  ENCLAVA_PRICE_FORMAT_LITELLM = 2,
};

/**
 * Reads a price book, in one enclava_price_format. Free it with enclava_prices_free().
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE; the message lists every fault.
 */
enclava_status enclava_prices_parse(enclava_str text,
                                    int32_t format,
                                    enclava_prices **prices,
                                    enclava_error **error);

/**
 * Adds the prices of `later`, which win over those of the same models. If it is the same book, nothing changes.
 *
 * One thread at a time for `prices`.
 */
enclava_status enclava_prices_extend(enclava_prices *prices,
                                     const enclava_prices *later);

/** How many models a price book knows. 0 for NULL. */
size_t enclava_prices_count(const enclava_prices *prices);

/**
 * Prices calls by `prices` from now on.
 *
 * Callable from any threads at once.
 */
enclava_status enclava_gate_set_prices(const enclava_gate *gate, const enclava_prices *prices);

/** Frees a price book. NULL is nothing to free. */
void enclava_prices_free(enclava_prices *prices);

/* -------------------------------------------------------------------------- */
/* Managing keys: create, import, edit, rotate, switch, delete. */
/* -------------------------------------------------------------------------- */

/** An edit may let requests through that were refused before. Without it such an edit is a conflict. */
#define ENCLAVA_UPDATE_WIDEN 1

/**
 * Makes a key of a JSON object: `{"name": "Production App", "allowed_models": ["gpt-4"], "daily_spend_limit": "50.00",
 * "monthly_spend_limit": 1500, "daily_token_limit": 500000, "alert_threshold": 0.8}`. Only `name` is required.
 *
 * `secret` is the one chance to see the key's text: free it with enclava_secret_free(). `key` may be NULL.
 *
 * May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_INVALID_RECORD with every fault of the spec; ENCLAVA_STATUS_CONFLICT if its own id is taken.
 */
enclava_status enclava_key_create(const enclava_gate *gate,
                                  enclava_str spec,
                                  enclava_key **key,
                                  enclava_secret **secret,
                                  enclava_error **error);

/**
 * Takes in a key that exists already: a spec as for enclava_key_create(), with the text of its `secret` or the `key_hash`.
 *
 * `key` may be NULL. May block. Callable from any threads at once.
 * @return as enclava_key_create(), and ENCLAVA_STATUS_CONFLICT if another key has the secret.
 */
enclava_status enclava_key_import(const enclava_gate *gate,
                                  enclava_str spec,
                                  enclava_key **key,
                                  enclava_error **error);

/**
 * The record of a key, no older than for a call: a store that others write to may be asked for news. Free it with
 * enclava_key_free().
 *
 * May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_NOT_FOUND.
 */
enclava_status enclava_key_get(const enclava_gate *gate,
                               enclava_str id,
                               enclava_key **key,
                               enclava_error **error);

/**
 * At most `limit` keys after the one with the id `after`; from the first if that is not stated. They are as old as those of
 * enclava_key_get(). Free the list with enclava_key_page_free().
 *
 * May block. Callable from any threads at once.
 */
enclava_status enclava_key_list(const enclava_gate *gate,
                                enclava_str after,
                                size_t limit,
                                enclava_key_page **page,
                                enclava_error **error);

/**
 * Edits a key by a JSON object: what it does not name stays, what it sets to null is gone.
 *
 * `revision` is the one that the edit is meant for, 0 for any. `flags` is 0 or ENCLAVA_UPDATE_WIDEN. `key` may be NULL.
 *
 * May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_INVALID_RECORD with every fault; ENCLAVA_STATUS_CONFLICT if the record has moved on from
 * `revision`, or if the edit would let a request through that was refused before and `flags` does not say so.
 */
enclava_status enclava_key_update(const enclava_gate *gate,
                                  enclava_str id,
                                  enclava_str changes,
                                  uint64_t revision,
                                  uint32_t flags,
                                  enclava_key **key,
                                  enclava_error **error);

/**
 * Adds a secret to a key. The present one ends after `overlap` seconds, at once for 0; both spend one budget.
 *
 * `secret` is the one chance to see the new text: free it with enclava_secret_free(). `key` may be NULL.
 *
 * May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_CONFLICT if the key is revoked, disabled or expired, or has five secrets in force;
 * ENCLAVA_STATUS_INVALID_VALUE for an overlap of more than 90 days.
 */
enclava_status enclava_key_rotate(const enclava_gate *gate,
                                  enclava_str id,
                                  uint64_t overlap,
                                  enclava_key **key,
                                  enclava_secret **secret,
                                  enclava_error **error);

/**
 * Stops a key until it is enabled again. The next call is denied; calls in flight settle.
 *
 * `key` may be NULL. May block. Callable from any threads at once.
 */
enclava_status enclava_key_disable(const enclava_gate *gate,
                                   enclava_str id,
                                   enclava_key **key,
                                   enclava_error **error);

/**
 * Starts a key that was disabled.
 *
 * `key` may be NULL. May block. Callable from any threads at once.
 * @return ENCLAVA_STATUS_CONFLICT if it is revoked.
 */
enclava_status enclava_key_enable(const enclava_gate *gate,
                                  enclava_str id,
                                  enclava_key **key,
                                  enclava_error **error);

/**
 * Ends a key for good. The next call is denied; calls in flight settle. Revoking it again changes nothing.
 *
 * `key` may be NULL. May block. Callable from any threads at once.
 */
enclava_status enclava_key_revoke(const enclava_gate *gate,
                                  enclava_str id,
                                  enclava_key **key,
                                  enclava_error **error);

/**
 * Removes a key and its record. Its secret is unknown from now on; calls in flight settle.
 *
 * May block. Callable from any threads at once.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND; ENCLAVA_STATUS_LEDGER if the store cannot be written (nothing was done), or if the ledger
 * cannot forget the budgets: the key is gone all the same, and what it used stays, to count for a new key of the same id.
 */
enclava_status enclava_key_delete(const enclava_gate *gate,
                                  enclava_str id,
                                  enclava_error **error);

/* -------------------------------------------------------------------------- */
/* Records of keys, as they stood at one moment. */
/* -------------------------------------------------------------------------- */

/** Room for the id of any key and its NUL. */
#define ENCLAVA_KEY_ID_TEXT 65

/** What a key is at an instant. 0 is a state that this header does not have yet. */
typedef int32_t enclava_key_state;
enum {
  /** It is in force. */
  ENCLAVA_KEY_STATE_ACTIVE = 1,
  /** It was revoked for good. */
  ENCLAVA_KEY_STATE_REVOKED = 2,
  /** It is switched off. */
  ENCLAVA_KEY_STATE_DISABLED = 3,
  /** Its first instant has not come yet. */
  ENCLAVA_KEY_STATE_NOT_YET_VALID = 4,
  /** Its last instant has passed. */
  ENCLAVA_KEY_STATE_EXPIRED = 5,
};

/** The id, such as "key_01kav…". ENCLAVA_KEY_ID_TEXT bytes are always enough. */
enclava_status enclava_key_id(const enclava_key *key, char *buffer, size_t capacity, size_t *len);

/** The name. */
enclava_status enclava_key_name(const enclava_key *key, char *buffer, size_t capacity, size_t *len);

/** The whole record as JSON: every field under its name, no secret and no hash. */
enclava_status enclava_key_json(const enclava_key *key, char *buffer, size_t capacity, size_t *len);

/** Counts the edits of the record, from 1: what enclava_key_update() may be told to expect. 0 for NULL. */
uint64_t enclava_key_revision(const enclava_key *key);

/**
 * What the key is at `now`, an enclava_key_state, and how many of its secrets are in force or will be. Either may be NULL.
 *
 * @return ENCLAVA_STATUS_INVALID_VALUE for an instant before 1970 or after the year 9999.
 */
enclava_status enclava_key_state_at(const enclava_key *key,
                                    enclava_time now,
                                    int32_t *state,
                                    uint32_t *live_secrets);

/** Frees a record. NULL is nothing to free. */
void enclava_key_free(enclava_key *key);

/** How many keys there are in a list. 0 for NULL. */
size_t enclava_key_page_count(const enclava_key_page *page);

/** The key at `index`, from 0 on; NULL past the last. It belongs to the list and lives as long: do not free it. */
const enclava_key *enclava_key_page_at(const enclava_key_page *page,
                                              size_t index);

/** Frees a list and its records. NULL is nothing to free. */
void enclava_key_page_free(enclava_key_page *page);

/* -------------------------------------------------------------------------- */
/* The text of a key, which is shown once. */
/* -------------------------------------------------------------------------- */

/**
 * The text, such as "en_8f3d…": visible ASCII with a NUL behind it. NULL for NULL.
 *
 * It belongs to the secret and lives as long: enclava_secret_free() wipes it. Wipe copies that you make.
 */
const char *enclava_secret_reveal(const enclava_secret *secret);

/** Wipes and frees a secret. NULL is nothing to free. */
void enclava_secret_free(enclava_secret *secret);

/* -------------------------------------------------------------------------- */
/* The key and the client's address, from the headers of a request. */
/* -------------------------------------------------------------------------- */

/** Look for the key in `x-api-key` too, as Anthropic's clients send it. */
#define ENCLAVA_HEADER_X_API_KEY 1

/** Look for the key in `api-key` too, as Azure's clients send it. */
#define ENCLAVA_HEADER_API_KEY 2

/** Look for the key in `x-goog-api-key` too, as Gemini's clients send it. */
#define ENCLAVA_HEADER_X_GOOG_API_KEY 4

/** One header of a request. */
typedef struct enclava_header {
  /** Its name, in any case. */
  enclava_str name;
  /** Its value. */
  enclava_str value;
} enclava_header;

/**
 * Finds the key among `count` headers: that of `Authorization: Bearer`, and of those that `flags` adds. `secret` becomes
 * a part of the header's value and lives as long as that; its shape is not judged here.
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_DENIED with a denial to send if there is no key, or two different ones; then `secret` is not
 * stated. `denial` may be NULL.
 */
ENCLAVA_NODISCARD
enclava_status enclava_bearer(const enclava_header *headers,
                              size_t count,
                              uint32_t flags,
                              enclava_str *secret,
                              enclava_denial **denial);

/**
 * Finds the client's address: the nearest hop that is not one of the gateway's own proxies. `peer` is the other end of the
 * socket, `forwarded` the values of the X-Forwarded-For headers in their order, `trusted` the addresses and networks whose
 * word counts.
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE if `peer`, `trusted` or a hop that has to be read is not an address.
 */
ENCLAVA_NODISCARD
enclava_status enclava_client_ip(enclava_str peer,
                                 const enclava_str *forwarded,
                                 size_t forwarded_count,
                                 const enclava_str *trusted,
                                 size_t trusted_count,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *len);

/* -------------------------------------------------------------------------- */
/* What a gateway asks of the gate. */
/* -------------------------------------------------------------------------- */

/** One call to be authorized. Make an empty one with enclava_request_init(): every field that is zero is not stated. */
typedef struct enclava_request {
  /** sizeof(enclava_request). */
  uint32_t size;
  /** Zero. */
  uint32_t reserved;
  /** The bearer key as it came. */
  enclava_str secret;
  /** The model that is asked for, exactly as the client spelled it. */
  enclava_str model;
  /** What the call is for. */
  enclava_str purpose;
  /** The path that was routed, such as "/v1/chat/completions", with or without a method before it. */
  enclava_str endpoint;
  /** The client's address as text; see enclava_client_ip() for one behind proxies. */
  enclava_str ip;
  /**
   * The gateway's own name for this request, scoped to the key, 1 to 256 bytes. While the call is in flight the same
   * request finds the same hold. Never take it from the client.
   */
  enclava_str request_id;
  /** The most that the call is expected to take. */
  enclava_usage estimate;
  /**
   * How many milliseconds to wait, blocking this thread, while nothing but calls in flight stands in the way. 0 does not wait.
   */
  uint64_t wait_milliseconds;
} enclava_request;

/** An empty enclava_request, its size set. */
static inline enclava_request enclava_request_init(void) {
  enclava_request empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/* -------------------------------------------------------------------------- */
/* Who is it, may they, and is there room: the calls that decide. */
/* -------------------------------------------------------------------------- */

/**
 * Admits one call: the key is in force, its policy allows the request, and the estimate fits every budget and is now set
 * aside. Nothing is consumed unless all of it holds.
 *
 * On success `permit` is the right to make the call: settle it or release it, then free it with enclava_permit_free().
 * On any failure it is NULL, and `denial` is an answer to send: free it with enclava_denial_free(). `denial` may be NULL.
 *
 * Blocks for a ledger that does I/O, and for `wait_milliseconds`. Callable from any threads at once.
 * @return ENCLAVA_STATUS_DENIED with the denial; ENCLAVA_STATUS_CONFLICT for a request id that belongs to another request.
 * Any other failure is the gateway's own mistake: its denial is a 500, and enclava_denial_cause() says what is wrong.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_authorize(const enclava_gate *gate,
                                      const enclava_request *request,
                                      enclava_permit **permit,
                                      enclava_denial **denial);

/**
 * Admits one call by the body that the client sent: its model is checked, and the most that it may use is set aside, at
 * the prices that the gate has. The request's own model and estimate are not used.
 *
 * `floor`: when the whole does not fit, admit the call with fewer output tokens, at least so many; 0 does not. Dispatch
 * what enclava_permit_body() makes of the body.
 *
 * Everything else is as in enclava_gate_authorize().
 * @return besides, ENCLAVA_STATUS_INVALID_VALUE for a body that is none: answer 400 with the text of enclava_denial_cause(), and not
 * with the denial, which is of a gateway that made a mistake.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_authorize_request(const enclava_gate *gate,
                                              const enclava_request *request,
                                              enclava_str body,
                                              uint64_t floor,
                                              enclava_permit **permit,
                                              enclava_denial **denial);

/**
 * Whose key it is, if it is in force: its shape, its hash and its state are checked, its policy and budget are not.
 *
 * `key` may be NULL; free it with enclava_key_free(). `denial` is as in enclava_gate_authorize().
 *
 * May block for a store that others write to. Callable from any threads at once.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_verify(const enclava_gate *gate,
                                   enclava_str secret,
                                   enclava_key **key,
                                   enclava_denial **denial);

/**
 * Which of `count` models the key may use: `allowed` has a byte for each, which becomes 1 or 0. On any failure all are 0.
 *
 * `denial` is as in enclava_gate_authorize(). May block for a store that others write to. Callable from any threads at
 * once.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_allowed_models(const enclava_gate *gate,
                                           enclava_str secret,
                                           const enclava_str *models,
                                           size_t count,
                                           uint8_t *allowed,
                                           enclava_denial **denial);

/**
 * What enclava_gate_authorize() would answer now, with every rule on the way. Consumes nothing, counts nothing, and ignores
 * `wait_milliseconds`. It does not look at the request id, and answers `ledger_unavailable` even where the gate would
 * admit. Free the decision with enclava_decision_free(); after a failure it is NULL, which denies.
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_check(const enclava_gate *gate,
                                  const enclava_request *request,
                                  enclava_decision **decision,
                                  enclava_error **error);

/* -------------------------------------------------------------------------- */
/* Why a request is denied, as a number that never changes. */
/* -------------------------------------------------------------------------- */

/** Why a request is denied. Numbers are never reused; one that this header does not know is a denial all the same. */
typedef int32_t enclava_reason;
enum {
  /** There is no denial. */
  ENCLAVA_REASON_NONE = 0,
  /** 401: the request carries no key. */
  ENCLAVA_REASON_MISSING_KEY = 1,
  /** 401: what it carries cannot be a key. */
  ENCLAVA_REASON_MALFORMED_KEY = 2,
  /** 401: nobody has this key. */
  ENCLAVA_REASON_UNKNOWN_KEY = 3,
  /** 401: the key was rotated and this secret has ended. */
  ENCLAVA_REASON_SECRET_RETIRED = 4,
  /** 401: the key was revoked for good. */
  ENCLAVA_REASON_KEY_REVOKED = 5,
  /** 401: the key is switched off. */
  ENCLAVA_REASON_KEY_DISABLED = 6,
  /** 401: the key's first instant has not come yet. */
  ENCLAVA_REASON_KEY_NOT_YET_VALID = 7,
  /** 401: the key's last instant has passed. */
  ENCLAVA_REASON_KEY_EXPIRED = 8,
  /** 403: the key may not be used from this address. */
  ENCLAVA_REASON_IP_NOT_ALLOWED = 9,
  /** 403: the key may not be used for this endpoint. */
  ENCLAVA_REASON_ENDPOINT_NOT_ALLOWED = 10,
  /** 403: the key may not be used for this purpose. */
  ENCLAVA_REASON_PURPOSE_NOT_ALLOWED = 11,
  /** 400: the key is restricted in models and the request names none. */
  ENCLAVA_REASON_MODEL_MISSING = 12,
  /** 403: the key may not use this model. */
  ENCLAVA_REASON_MODEL_NOT_ALLOWED = 13,
  /** 403: the key has a limit and nobody knows what this request may use at most, for want of a price or of a bound. */
  ENCLAVA_REASON_MODEL_NOT_PRICED = 14,
  /** 429: too many calls of this key are in flight. */
  ENCLAVA_REASON_RATE_LIMITED = 15,
  /** 429: the dollars of the day do not suffice. */
  ENCLAVA_REASON_DAILY_SPEND_EXCEEDED = 16,
  /** 429: the dollars of the month do not suffice. */
  ENCLAVA_REASON_MONTHLY_SPEND_EXCEEDED = 17,
  /** 429: the tokens of the day do not suffice. */
  ENCLAVA_REASON_DAILY_TOKENS_EXCEEDED = 18,
  /** 503: the ledger or the store cannot answer. */
  ENCLAVA_REASON_LEDGER_UNAVAILABLE = 19,
  /** 500: a fault of the library or of its host. */
  ENCLAVA_REASON_INTERNAL_ERROR = 20,
};

/**
 * The name of a reason in every language and in logs, such as "model_not_allowed". "none" for ENCLAVA_REASON_NONE and
 * for a number that is none.
 *
 * The text is static: never free it. Callable from any thread.
 */
const char *enclava_reason_text(int32_t reason);

/* -------------------------------------------------------------------------- */
/* An answer that is ready to send: status, headers, body. */
/* -------------------------------------------------------------------------- */

/** Whose error bodies a client expects. */
typedef int32_t enclava_dialect;
enum {
  /** OpenAI and everyone who is compatible with it. */
  ENCLAVA_DIALECT_OPENAI = 0,
  /** Anthropic. */
  ENCLAVA_DIALECT_ANTHROPIC = 1,
};

/** Why. ENCLAVA_REASON_NONE for NULL. */
enclava_reason enclava_denial_reason(const enclava_denial *denial);

/** The HTTP status to answer with, 400 to 599. 500 for NULL. */
int32_t enclava_denial_status(const enclava_denial *denial);

/** The JSON body to answer with, in the words of an enclava_dialect. */
enclava_status enclava_denial_body(const enclava_denial *denial,
                                   int32_t dialect,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *len);

/** The same as a server-sent event, for a stream whose status has gone out already. End the stream after it. */
enclava_status enclava_denial_sse_event(const enclava_denial *denial,
                                        int32_t dialect,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *len);

/**
 * The headers to answer with, as lines of HTTP/1.1: "content-type: application/json\r\nx-should-retry: false\r\n".
 * `x-should-retry` is what keeps clients from repeating a request that is denied for good.
 */
enclava_status enclava_denial_headers(const enclava_denial *denial,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *len);

/** What happened and what to do about it, for the developer of the client; the message of the body. */
enclava_status enclava_denial_message(const enclava_denial *denial,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *len);

/**
 * What the gateway did wrong, such as "model: must be UTF-8": for its log, not for the client. Empty if the request was denied
 * by the rules. Only a body that enclava_gate_authorize_request() cannot read is the client's fault, and this tells it which.
 */
enclava_status enclava_denial_cause(const enclava_denial *denial,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *len);

/** Whether the same request may be admitted in a moment with nothing changed by anyone: 1 or 0. */
int32_t enclava_denial_is_transient(const enclava_denial *denial);

/** How many seconds to wait before the request is worth repeating; 0 where waiting does not help. */
uint64_t enclava_denial_retry_after(const enclava_denial *denial);

/** When the budget that refused starts from zero; 0 unless a budget refused. */
enclava_time enclava_denial_resets_at(const enclava_denial *denial);

/** Frees a denial. NULL is nothing to free. */
void enclava_denial_free(enclava_denial *denial);

/* -------------------------------------------------------------------------- */
/* The right to make one call. */
/* -------------------------------------------------------------------------- */

/** Room for the id of any permit and its NUL. */
#define ENCLAVA_PERMIT_ID_TEXT 92

/** Ask for the usage at the end of a streamed answer, where the API tells it only when asked. */
#define ENCLAVA_BODY_INCLUDE_USAGE 1

/** What a permit is for, in numbers. Make an empty one with enclava_permit_info_init(). */
typedef struct enclava_permit_info {
  /** sizeof(enclava_permit_info). */
  uint32_t size;
  /** 1 if its request id found a live hold of the same request: freeing this permit then does nothing. */
  int32_t is_view;
  /** 1 if the ledger could not answer and the gate admits such calls: nothing is set aside. */
  int32_t is_degraded;
  /** 1 if the gate priced the request itself, and `max_tokens` counts. */
  int32_t has_max_tokens;
  /** The most output tokens that the call may be allowed; enclava_permit_body() sees to it. */
  uint64_t max_tokens;
  /** What is set aside now. */
  enclava_usage estimate;
  /**
   * 1 if it was granted fewer output tokens than the request asks for, or than the model can write: only then does the
   * body need another limit than it has.
   */
  int32_t is_reduced;
  /** 1 if the request asks for a streamed answer, where the gate read its body. */
  int32_t is_streamed;
} enclava_permit_info;

/** An empty enclava_permit_info, its size set. */
static inline enclava_permit_info enclava_permit_info_init(void) {
  enclava_permit_info empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/**
 * Its name, by which any worker that shares the ledger can settle it. ENCLAVA_PERMIT_ID_TEXT bytes are always enough.
 */
enclava_status enclava_permit_id(const enclava_permit *permit,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *len);

/**
 * The model to dispatch: the one that was checked. Dispatch this text, never one read again from the request. Empty if
 * none was stated.
 */
enclava_status enclava_permit_model(const enclava_permit *permit,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *len);

/** What the permit is for, in numbers. */
enclava_status enclava_permit_read(const enclava_permit *permit, enclava_permit_info *info);

/** The key that it was given to, as the record stood then. Free it with enclava_key_free(). */
enclava_status enclava_permit_key(const enclava_permit *permit, enclava_key **key);

/**
 * The body to dispatch instead of the client's: with the model that was checked, and the limit that was granted where it is
 * less than the request asks for or the model can write; otherwise byte for byte the same. `flags` is 0 or ENCLAVA_BODY_INCLUDE_USAGE.
 *
 * @return ENCLAVA_STATUS_INVALID_VALUE for a body that is none.
 */
enclava_status enclava_permit_body(const enclava_permit *permit,
                                   enclava_str body,
                                   uint32_t flags,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *len);

/** Says that the call is on its way to the model: from now on freeing the permit charges. */
enclava_status enclava_permit_dispatched(enclava_permit *permit);

/** Says what is known of the usage so far, which is what freeing the permit then charges. */
enclava_status enclava_permit_progress(enclava_permit *permit, enclava_usage usage);

/**
 * Sets `more` aside beyond the estimate, by the same atomic rule, and gives the hold a new lifetime.
 *
 * May block for a ledger that does I/O.
 * @return ENCLAVA_STATUS_DENIED if it does not fit: stop the call. ENCLAVA_STATUS_CONFLICT if the permit was ended.
 */
ENCLAVA_NODISCARD
enclava_status enclava_permit_extend(enclava_permit *permit,
                                     enclava_usage more,
                                     enclava_error **error);

/**
 * Charges what the call came to and ends the permit. Facts are never refused: more than the estimate, a limit passed, a
 * key revoked meanwhile, or midnight gone by are all recorded, in the windows of the reservation.
 *
 * `settlement` may be NULL; free it with enclava_settlement_free(). The permit is still to be freed.
 *
 * May block for a ledger that does I/O.
 * @return ENCLAVA_STATUS_ALREADY_SETTLED with the first settlement in the error; ENCLAVA_STATUS_LEDGER if the ledger cannot
 * answer: the permit stays as it was, and this may be called again.
 */
enclava_status enclava_permit_settle(enclava_permit *permit,
                                     enclava_usage usage,
                                     enclava_settlement **settlement,
                                     enclava_error **error);

/**
 * Settles by what the model answered: the whole body of a response that was not streamed. One that tells no usage is
 * charged the estimate; for a call that failed, release instead.
 *
 * Everything else is as in enclava_permit_settle().
 * @return besides, ENCLAVA_STATUS_INVALID_VALUE if the body or its usage cannot be read: the hold stays.
 */
enclava_status enclava_permit_settle_response(enclava_permit *permit,
                                              enclava_str body,
                                              enclava_settlement **settlement,
                                              enclava_error **error);

/**
 * Takes in the next bytes of a streamed answer, cut anywhere, to settle by what they say: end with
 * enclava_permit_finish(). The first call counts as dispatched; from then on the permit follows the stream, and freeing it
 * charges what was seen. Never blocks.
 */
enclava_status enclava_permit_feed(enclava_permit *permit,
                                   enclava_str chunk);

/** What the streamed answer may have used so far. */
enclava_status enclava_permit_seen(const enclava_permit *permit, enclava_usage *usage);

/**
 * Settles by the usage that the stream told; by what was seen of it if it told none. Where it told a usage that cannot
 * be, it is charged no less than its estimate.
 *
 * Everything else is as in enclava_permit_settle().
 */
enclava_status enclava_permit_finish(enclava_permit *permit,
                                     enclava_settlement **settlement,
                                     enclava_error **error);

/**
 * Lets the hold go without a charge and ends the permit: the call was not made, or cost nothing.
 *
 * May block for a ledger that does I/O.
 * @return as enclava_permit_settle().
 */
enclava_status enclava_permit_release(enclava_permit *permit, enclava_error **error);

/**
 * Leaves the hold to be ended by its id, with enclava_gate_settle() or enclava_gate_release(), here or in another worker
 * that shares the ledger. Freeing the permit then does nothing more.
 */
enclava_status enclava_permit_detach(enclava_permit *permit);

/**
 * Frees a permit. One that was neither settled nor released lets its hold go if the call was not dispatched, and else
 * charges what is known of it. NULL is nothing to free.
 *
 * May block for a ledger that does I/O, unless the permit was ended.
 */
void enclava_permit_free(enclava_permit *permit);

/* -------------------------------------------------------------------------- */
/* What a settled call came to. */
/* -------------------------------------------------------------------------- */

/** What was charged. Nothing for NULL. */
enclava_usage enclava_settlement_usage(const enclava_settlement *settlement);

/** What of it was beyond the estimate: the part that may have passed a limit. */
enclava_usage enclava_settlement_overrun(const enclava_settlement *settlement);

/** Whether it replaced what a dropped permit or a lapse had decided: 1 or 0. */
int32_t enclava_settlement_is_late(const enclava_settlement *settlement);

/**
 * The alerts that this charge set off, from 0 on; NULL past the last. They belong to the settlement and live as long.
 */
const enclava_alert *enclava_settlement_alert(const enclava_settlement *settlement,
                                                     size_t index);

/** Frees a settlement. NULL is nothing to free. */
void enclava_settlement_free(enclava_settlement *settlement);

/* -------------------------------------------------------------------------- */
/* Where budgets stand, and calls that are ended or charged by name. */
/* -------------------------------------------------------------------------- */

/**
 * Where one meter stands in its present window. Amounts are dollars or tokens, as the meter counts; the other is zero.
 */
typedef struct enclava_balance {
  /** Charged so far. It may be past the limit: facts are recorded whatever they are. */
  enclava_usage used;
  /** Set aside for calls in flight. */
  enclava_usage held;
  /** The limit, if there is one. */
  enclava_usage limit;
  /** What the next call may take, if there is a limit. */
  enclava_usage remaining;
  /** When the window ends and the meter starts from zero. */
  enclava_time resets_at;
  /** 1 if there is a limit, else 0. */
  int32_t is_limited;
  /** Zero. */
  uint32_t reserved;
} enclava_balance;

/** Where the budgets of one key stand. Make an empty one with enclava_balances_init(). */
typedef struct enclava_balances {
  /** sizeof(enclava_balances). */
  uint32_t size;
  /** Zero. */
  uint32_t reserved;
  /** US dollars today. */
  enclava_balance daily_spend;
  /** US dollars this month. */
  enclava_balance monthly_spend;
  /** LLM tokens today. */
  enclava_balance daily_tokens;
} enclava_balances;

/** An empty enclava_balances, its size set. */
static inline enclava_balances enclava_balances_init(void) {
  enclava_balances empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/**
 * Where the budgets of a key stand now.
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 * @return ENCLAVA_STATUS_NOT_FOUND without such a key; ENCLAVA_STATUS_LEDGER.
 */
enclava_status enclava_gate_usage(const enclava_gate *gate,
                                  enclava_str key_id,
                                  enclava_balances *balances,
                                  enclava_error **error);

/**
 * Settles a permit by its id: from another worker, a callback, or after it was detached or freed.
 *
 * `settlement` may be NULL; free it with enclava_settlement_free().
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 * @return ENCLAVA_STATUS_NOT_FOUND if it is unknown or was resolved too long ago to be remembered; then, if its call was
 * never charged, record it. Else as enclava_permit_settle().
 */
enclava_status enclava_gate_settle(const enclava_gate *gate,
                                   enclava_str permit_id,
                                   enclava_usage usage,
                                   enclava_settlement **settlement,
                                   enclava_error **error);

/**
 * Releases a permit by its id, as enclava_permit_release() does.
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 * @return as enclava_gate_settle().
 */
enclava_status enclava_gate_release(const enclava_gate *gate,
                                    enclava_str permit_id,
                                    enclava_error **error);

/**
 * Charges usage that was made elsewhere and never reserved, in the current windows. With a `request_id`, which may be not
 * stated, the same usage is not charged twice for as long as the ledger remembers it: in memory, until seven later calls
 * of the key have ended.
 *
 * `settlement` may be NULL; free it with enclava_settlement_free().
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 * @return ENCLAVA_STATUS_NOT_FOUND without such a key; ENCLAVA_STATUS_CONFLICT if the request id was used before;
 * ENCLAVA_STATUS_LEDGER.
 */
enclava_status enclava_gate_record(const enclava_gate *gate,
                                   enclava_str key_id,
                                   enclava_usage usage,
                                   enclava_str request_id,
                                   enclava_settlement **settlement,
                                   enclava_error **error);

/* -------------------------------------------------------------------------- */
/* What keys used on past days. */
/* -------------------------------------------------------------------------- */

/** What the calls of one key for one model came to on one day. Make an empty one with enclava_tally_init(). */
typedef struct enclava_tally {
  /** sizeof(enclava_tally). */
  uint32_t size;
  /** Zero. */
  uint32_t reserved;
  /** When the day began, in the time zone that the key had then. */
  enclava_time day;
  /** How many calls were charged. */
  uint64_t calls;
  /** What they were charged. */
  enclava_usage usage;
} enclava_tally;

/** An empty enclava_tally, its size set. */
static inline enclava_tally enclava_tally_init(void) {
  enclava_tally empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/**
 * What a key used on each of the last `days` days on which it used anything, as far as the ledger keeps a history:
 * "sqlite:" does for 400 of them, "memory:" keeps none. Free it with enclava_history_free().
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 * @return ENCLAVA_STATUS_NOT_FOUND without such a key; ENCLAVA_STATUS_LEDGER.
 */
enclava_status enclava_gate_history(const enclava_gate *gate,
                                    enclava_str key_id,
                                    size_t days,
                                    enclava_history **history,
                                    enclava_error **error);

/** How many tallies there are: one for each day and model. 0 for NULL. */
size_t enclava_history_count(const enclava_history *history);

/**
 * The tally at `index`, from 0 on, but for its model.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND past the last.
 */
enclava_status enclava_history_read(const enclava_history *history,
                                    size_t index,
                                    enclava_tally *tally);

/**
 * The model of the tally at `index`. Empty for what was charged without naming one.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND past the last.
 */
enclava_status enclava_history_model(const enclava_history *history,
                                     size_t index,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *len);

/** Frees a history. NULL is nothing to free. */
void enclava_history_free(enclava_history *history);

/* -------------------------------------------------------------------------- */
/* The leases that are open on a key's budgets. */
/* -------------------------------------------------------------------------- */

/** One lease. Make an empty one with enclava_lease_init(). */
typedef struct enclava_lease {
  /** sizeof(enclava_lease). */
  uint32_t size;
  /** The process that took it, by its number on its host. */
  uint32_t process;
  /** When it was taken, by the clock of that process. */
  enclava_time opened_at;
  /** What it holds: not reported as used, and not free for others. */
  enclava_usage holds;
} enclava_lease;

/** An empty enclava_lease, its size set. */
static inline enclava_lease enclava_lease_init(void) {
  enclava_lease empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/**
 * The leases that are open on the budgets of a key, of whichever process. One whose process is dead stays held until
 * it is settled by its permit id (enclava_gate_settle()), with what that process used and had not reported. Free them
 * with enclava_leases_free().
 *
 * May block for a ledger that does I/O. Callable from any threads at once.
 * @return ENCLAVA_STATUS_INVALID_VALUE for what is no id of a key; ENCLAVA_STATUS_LEDGER.
 */
enclava_status enclava_gate_leases(const enclava_gate *gate,
                                   enclava_str key_id,
                                   enclava_leases **leases,
                                   enclava_error **error);

/** How many leases there are. 0 for NULL. */
size_t enclava_leases_count(const enclava_leases *leases);

/**
 * The lease at `index`, from 0 on, but for its permit id.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND past the last.
 */
enclava_status enclava_leases_read(const enclava_leases *leases,
                                   size_t index,
                                   enclava_lease *lease);

/**
 * The permit id of the lease at `index`, by which it is settled if its process is dead.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND past the last.
 */
enclava_status enclava_leases_permit_id(const enclava_leases *leases,
                                        size_t index,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *len);

/** Frees leases that were told. NULL is nothing to free. */
void enclava_leases_free(enclava_leases *leases);

/* -------------------------------------------------------------------------- */
/* "This meter crossed its threshold in this window", decided exactly once. */
/* -------------------------------------------------------------------------- */

/** One limit that is being counted. */
typedef int32_t enclava_meter;
enum {
  /** US dollars in a day. */
  ENCLAVA_METER_DAILY_SPEND = 1,
  /** US dollars in a calendar month. */
  ENCLAVA_METER_MONTHLY_SPEND = 2,
  /** LLM tokens in a day. */
  ENCLAVA_METER_DAILY_TOKENS = 3,
};

/** What one alert says. Make an empty one with enclava_alert_info_init(). */
typedef struct enclava_alert_info {
  /** sizeof(enclava_alert_info). */
  uint32_t size;
  /** The enclava_meter that crossed its threshold. */
  int32_t meter;
  /** The threshold, in hundredths of a percent of the limit: 8000 for 80 %. */
  uint32_t threshold;
  /** Zero. */
  uint32_t reserved;
  /** What is used: dollars or tokens, as the meter counts. */
  enclava_usage used;
  /** The limit, in the same unit. */
  enclava_usage limit;
  /** When the window began. */
  enclava_time window_start;
  /** When it ends, and the meter starts from zero. */
  enclava_time resets_at;
} enclava_alert_info;

/** An empty enclava_alert_info, its size set. */
static inline enclava_alert_info enclava_alert_info_init(void) {
  enclava_alert_info empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/** What an alert says, but for its texts. */
enclava_status enclava_alert_read(const enclava_alert *alert, enclava_alert_info *info);

/**
 * The id of the alert, the same each time that it is told: the key, the meter, when the window began and the threshold.
 *
 * In `memory:` an alert is told once. A ledger that outlives the process keeps it until it was told: it is told at least
 * once, whoever dies, and once to a receiver that remembers ids.
 */
enclava_status enclava_alert_id(const enclava_alert *alert,
                                char *buffer,
                                size_t capacity,
                                size_t *len);

/** The id of the key whose meter it is. */
enclava_status enclava_alert_key_id(const enclava_alert *alert,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *len);

/** The name of that key; empty if it is not known here any more. */
enclava_status enclava_alert_key_name(const enclava_alert *alert,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *len);

/**
 * Calls `callback` with every alert from now on; a second one replaces the first. The alert belongs to the library and
 * lives until the callback returns.
 *
 * The callback runs on one thread of the library's own. It may be slow: alerts wait in a bounded queue and never delay a
 * request. It returns 0 if the alert was told. After anything else it is called again with the same alert after a while, if
 * the ledger outlives the process, as another process tells one that was cut off with its own; in `memory:` such an alert is
 * lost. It must not free the gate, or leave by longjmp or a C++ exception.
 *
 * `userdata` must live until enclava_gate_free() has returned, even if another callback replaced this one: then neither
 * runs or is called again, whatever lives on of the gate. Alerts of the permits and calls that are left are in their
 * settlements, and stay in a ledger that outlives the process until another gate tells them.
 *
 * Callable from any thread.
 */
enclava_status enclava_gate_on_alert(const enclava_gate *gate,
                                     int32_t (*callback)(const enclava_alert *alert, void *userdata),
                                     void *userdata);

/**
 * Takes the oldest alert that nobody took yet; the last 1024 are kept. Free it with enclava_alert_free(). Taken is told: a
 * ledger that keeps alerts forgets it.
 *
 * Callable from any thread. May block where the ledger may.
 * @return ENCLAVA_STATUS_NOT_FOUND if there is none.
 */
enclava_status enclava_gate_take_alert(const enclava_gate *gate,
                                       enclava_alert **alert);

/** Frees an alert that was taken. NULL is nothing to free. */
void enclava_alert_free(enclava_alert *alert);

/* -------------------------------------------------------------------------- */
/* What happened to keys, the store and the ledger, for an operator's log. */
/* -------------------------------------------------------------------------- */

/**
 * Takes the oldest event that nobody took yet; the last 1024 are kept. Free it with enclava_event_free().
 *
 * Callable from any threads at once.
 * @return ENCLAVA_STATUS_NOT_FOUND if there is none.
 */
enclava_status enclava_gate_take_event(const enclava_gate *gate, enclava_event **event);

/**
 * The event as a JSON object: `at`, `kind` (such as "key_created" or "ledger_unavailable"), `key_id` or null, `note` for
 * people, and `times` it happened.
 */
enclava_status enclava_event_json(const enclava_event *event,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *len);

/** Frees an event. NULL is nothing to free. */
void enclava_event_free(enclava_event *event);

/* -------------------------------------------------------------------------- */
/* The dry run: what would be decided, and why. */
/* -------------------------------------------------------------------------- */

/** What a dry run comes to. Zero denies. */
typedef int32_t enclava_verdict;
enum {
  /** The request would be denied. */
  ENCLAVA_VERDICT_DENY = 0,
  /** The request would be admitted. */
  ENCLAVA_VERDICT_ADMIT = 1,
};

/** One rule that a request has to pass. */
typedef int32_t enclava_rule;
enum {
  /** The secret is one, belongs to a key, and the key is in force. */
  ENCLAVA_RULE_KEY = 1,
  /** The client's address. */
  ENCLAVA_RULE_IP = 2,
  /** The endpoint. */
  ENCLAVA_RULE_ENDPOINT = 3,
  /** The purpose. */
  ENCLAVA_RULE_PURPOSE = 4,
  /** The model. */
  ENCLAVA_RULE_MODEL = 5,
  /** US dollars today. */
  ENCLAVA_RULE_DAILY_SPEND = 6,
  /** US dollars this month. */
  ENCLAVA_RULE_MONTHLY_SPEND = 7,
  /** LLM tokens today. */
  ENCLAVA_RULE_DAILY_TOKENS = 8,
  /** The number of calls in flight: tried after the model, before the meters. */
  ENCLAVA_RULE_IN_FLIGHT = 9,
};

/** Whether the request would be admitted. ENCLAVA_VERDICT_DENY for NULL. */
enclava_verdict enclava_decision_verdict(const enclava_decision *decision);

/**
 * The denial that would be sent, NULL if the request would be admitted. It belongs to the decision and lives as long.
 */
const enclava_denial *enclava_decision_denial(const enclava_decision *decision);

/** The enclava_rule that was tried at `index`, from 0 on, negative if it refused; 0 past the last. */
int32_t enclava_decision_rule(const enclava_decision *decision, size_t index);

/** What the rule at `index` compared, for the operator: it names what the key may do. */
enclava_status enclava_decision_note(const enclava_decision *decision,
                                     size_t index,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *len);

/** All of it in words, a line for each rule: for the operator. */
enclava_status enclava_decision_explain(const enclava_decision *decision,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *len);

/** Frees a decision. NULL is nothing to free. */
void enclava_decision_free(enclava_decision *decision);

/* -------------------------------------------------------------------------- */
/* What went wrong with a call that does not decide. */
/* -------------------------------------------------------------------------- */

/** The status that the failed call returned. ENCLAVA_STATUS_OK for NULL. */
enclava_status enclava_error_status(const enclava_error *error);

/** What went wrong and what to do about it, all faults of a record included. */
enclava_status enclava_error_message(const enclava_error *error,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *len);

/** The argument or the field that is at fault, such as "cost" or "/allowed_models/0"; empty if it is not one. */
enclava_status enclava_error_field(const enclava_error *error,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *len);

/**
 * All faults of a record as a JSON array of objects with `path` (a JSON pointer) and `message`. Empty, "[]", unless the
 * status is ENCLAVA_STATUS_INVALID_RECORD.
 */
enclava_status enclava_error_faults(const enclava_error *error,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *len);

/** The denial to send if the status is ENCLAVA_STATUS_DENIED, else NULL. It belongs to the error and lives as long. */
const enclava_denial *enclava_error_denial(const enclava_error *error);

/**
 * The first settlement if the status is ENCLAVA_STATUS_ALREADY_SETTLED, else NULL. Its usage is always remembered; all
 * else may be empty. It belongs to the error and lives as long.
 */
const enclava_settlement *enclava_error_settlement(const enclava_error *error);

/** Frees an error. NULL is nothing to free. */
void enclava_error_free(enclava_error *error);

/* -------------------------------------------------------------------------- */
/* Calls that may block, off the event loop: the queue that makes them. */
/* -------------------------------------------------------------------------- */

/**
 * Told that a call was made. The answer belongs to the library and lives until this returns: take a permit out of it, or
 * it is let go. `data` is what was submitted along with the call.
 *
 * It may submit more. It must not free the queue, and not leave by longjmp or a C++ exception.
 */
typedef void (*enclava_done)(enclava_answer *answer, void *data);

/**
 * Opens a queue of `threads` threads (1 to 256), which is how many calls are made at once, and at most `capacity` calls
 * that wait, are under way or were not told yet. Free it with enclava_queue_free().
 *
 * Callable from any thread.
 * @return ENCLAVA_STATUS_INVALID_VALUE for no threads, too many, or no room; ENCLAVA_STATUS_LEDGER if the system has no
 * threads or descriptors left.
 */
enclava_status enclava_queue_open(uint32_t threads,
                                  size_t capacity,
                                  enclava_queue **queue);

/**
 * Submits what has no function of its own: `work(data)` is called on a thread of the queue and may make any calls of this
 * library but for those on the queue. It must not leave by longjmp or a C++ exception. The answer is ENCLAVA_STATUS_OK.
 *
 * Never blocks. Callable from any threads at once.
 * @return ENCLAVA_STATUS_BUSY if the queue is full; ENCLAVA_STATUS_CONFLICT while it is freed, or in a child of fork().
 */
ENCLAVA_NODISCARD
enclava_status enclava_queue_submit(const enclava_queue *queue,
                                    void (*work)(void *data),
                                    enclava_done done,
                                    void *data);

/**
 * A descriptor that is readable while enclava_queue_run() has something to tell: for poll, epoll or kqueue,
 * level-triggered. Only wait for it; do not read it or close it. -1 for NULL.
 *
 * Callable from any threads at once.
 */
int32_t enclava_queue_descriptor(const enclava_queue *queue);

/**
 * Calls the `done` of every call that was made by now, those that were made first before others. `count`, which may be
 * NULL, becomes how many there were.
 *
 * Never blocks. Callable from any threads at once, and not from a `done`.
 * @return ENCLAVA_STATUS_CONFLICT in a child of fork().
 */
enclava_status enclava_queue_run(const enclava_queue *queue,
                                 size_t *count);

/**
 * Waits until every call that was submitted was made, calls each `done` that was not called yet, and frees the queue. What
 * those submit is refused. NULL is nothing to free.
 *
 * Blocks. No other thread may be using the queue. In a child of fork() nothing is called and only memory is freed.
 */
void enclava_queue_free(enclava_queue *queue);

/* -------------------------------------------------------------------------- */
/* What a submitted call came to. */
/* -------------------------------------------------------------------------- */

/** What became of the call. ENCLAVA_STATUS_NULL_ARGUMENT for NULL. */
enclava_status enclava_answer_status(const enclava_answer *answer);

/**
 * Takes the permit out: of a call that was admitted, of one that was to be extended, or of one that could not be ended.
 * Free it with enclava_permit_free(). One that is not taken is freed by a thread of the queue, with what that means for
 * its call: so where nobody waits for it any more, leave it.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND if there is none, or none any more.
 */
enclava_status enclava_answer_take_permit(enclava_answer *answer,
                                          enclava_permit **permit);

/**
 * The denial to send, if a call that decides did not succeed, else NULL. It belongs to the answer and lives as long.
 */
const enclava_denial *enclava_answer_denial(const enclava_answer *answer);

/** Why a call that does not decide did not succeed, else NULL. It belongs to the answer and lives as long. */
const enclava_error *enclava_answer_error(const enclava_answer *answer);

/** The record of a key, if the call gives one, else NULL. It belongs to the answer and lives as long. */
const enclava_key *enclava_answer_key(const enclava_answer *answer);

/**
 * The secret of a new key, if the call made one, else NULL. It belongs to the answer and is wiped with it: show it now.
 */
const enclava_secret *enclava_answer_secret(const enclava_answer *answer);

/** What was charged, if the call charges, else NULL. It belongs to the answer and lives as long. */
const enclava_settlement *enclava_answer_settlement(const enclava_answer *answer);

/** The decision of a dry run, else NULL, which denies. It belongs to the answer and lives as long. */
const enclava_decision *enclava_answer_decision(const enclava_answer *answer);

/** What a key used on past days, if that was asked, else NULL. It belongs to the answer and lives as long. */
const enclava_history *enclava_answer_history(const enclava_answer *answer);

/**
 * The leases that are open on a key's budgets, if that was asked, else NULL. They belong to the answer and live as long.
 */
const enclava_leases *enclava_answer_leases(const enclava_answer *answer);

/** The keys that were listed, if that was asked, else NULL. They belong to the answer and live as long. */
const enclava_key_page *enclava_answer_keys(const enclava_answer *answer);

/** 1 if the key may use the model at `index` of those that were asked for, else 0: also for a call that was denied. */
int32_t enclava_answer_allowed(const enclava_answer *answer,
                               size_t index);

/** The alert that was taken, else NULL. It belongs to the answer and lives as long. */
const enclava_alert *enclava_answer_alert(const enclava_answer *answer);

/**
 * Where the budgets of a key stood when that was asked.
 *
 * @return ENCLAVA_STATUS_NOT_FOUND if it was not, or could not be told.
 */
enclava_status enclava_answer_balances(const enclava_answer *answer,
                                       enclava_balances *balances);

/* -------------------------------------------------------------------------- */
/* Submitted calls: requests, and the gate itself. */
/* -------------------------------------------------------------------------- */

/**
 * Submits enclava_gate_authorize(). The answer has the permit, to be taken, or the denial. A request with
 * `wait_milliseconds` keeps a thread of the queue for as long as it waits.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit(), and ENCLAVA_STATUS_STRUCT_SIZE.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_authorize_submit(const enclava_gate *gate,
                                             const enclava_request *request,
                                             const enclava_queue *queue,
                                             enclava_done done,
                                             void *data);

/**
 * Submits enclava_gate_authorize_request(). The answer has the permit, to be taken, or the denial.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit(), and ENCLAVA_STATUS_STRUCT_SIZE.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_authorize_request_submit(const enclava_gate *gate,
                                                     const enclava_request *request,
                                                     enclava_str body,
                                                     uint64_t floor,
                                                     const enclava_queue *queue,
                                                     enclava_done done,
                                                     void *data);

/**
 * Submits enclava_gate_verify(). The answer has the key or the denial.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_verify_submit(const enclava_gate *gate,
                                          enclava_str secret,
                                          const enclava_queue *queue,
                                          enclava_done done,
                                          void *data);

/**
 * Submits enclava_gate_allowed_models(). The answer says which of the models the key may use, or has the denial.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_allowed_models_submit(const enclava_gate *gate,
                                                  enclava_str secret,
                                                  const enclava_str *models,
                                                  size_t count,
                                                  const enclava_queue *queue,
                                                  enclava_done done,
                                                  void *data);

/**
 * Submits enclava_gate_check(). The answer has the decision or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit(), and ENCLAVA_STATUS_STRUCT_SIZE.
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_check_submit(const enclava_gate *gate,
                                         const enclava_request *request,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_gate_refresh(). The answer has the error if there is one.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_refresh_submit(const enclava_gate *gate,
                                           const enclava_queue *queue,
                                           enclava_done done,
                                           void *data);

/**
 * Submits enclava_gate_flush(). The answer has the error if there is one.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_flush_submit(const enclava_gate *gate,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/* -------------------------------------------------------------------------- */
/* Submitted calls: permits and streams. */
/* -------------------------------------------------------------------------- */

/**
 * Submits enclava_permit_extend(). The answer has the permit, to be taken whatever the status is: the call that it is for
 * goes on, or is to be stopped and settled.
 *
 * `*permit` becomes NULL: until it comes back nobody uses the permit. Never blocks.
 * @return as enclava_queue_submit(); `*permit` is then as it was.
 */
ENCLAVA_NODISCARD
enclava_status enclava_permit_extend_submit(enclava_permit **permit,
                                            enclava_usage more,
                                            const enclava_queue *queue,
                                            enclava_done done,
                                            void *data);

/**
 * Submits enclava_permit_settle(). The answer has the settlement; or the error, and the permit, to be taken and settled
 * again if the status is ENCLAVA_STATUS_LEDGER.
 *
 * `*permit` becomes NULL: a permit that was settled is freed. Never blocks.
 * @return as enclava_queue_submit(); `*permit` is then as it was.
 */
ENCLAVA_NODISCARD
enclava_status enclava_permit_settle_submit(enclava_permit **permit,
                                            enclava_usage usage,
                                            const enclava_queue *queue,
                                            enclava_done done,
                                            void *data);

/** Submits enclava_permit_settle_response(). Everything else is as in enclava_permit_settle_submit(). */
ENCLAVA_NODISCARD
enclava_status enclava_permit_settle_response_submit(enclava_permit **permit,
                                                     enclava_str body,
                                                     const enclava_queue *queue,
                                                     enclava_done done,
                                                     void *data);

/** Submits enclava_permit_finish(). Everything else is as in enclava_permit_settle_submit(). */
ENCLAVA_NODISCARD
enclava_status enclava_permit_finish_submit(enclava_permit **permit,
                                            const enclava_queue *queue,
                                            enclava_done done,
                                            void *data);

/**
 * Submits enclava_permit_release(). The answer has the permit again, beside the error, if it could not be released.
 *
 * `*permit` becomes NULL: a permit that was released is freed. Never blocks.
 * @return as enclava_queue_submit(); `*permit` is then as it was.
 */
ENCLAVA_NODISCARD
enclava_status enclava_permit_release_submit(enclava_permit **permit,
                                             const enclava_queue *queue,
                                             enclava_done done,
                                             void *data);

/**
 * Submits enclava_permit_free(): for a permit that was neither settled nor released, of a client that went away. Nobody is
 * told, and the queue has always room for it.
 *
 * `*permit` becomes NULL; one that is NULL is nothing to free. Never blocks.
 * @return ENCLAVA_STATUS_NULL_ARGUMENT; ENCLAVA_STATUS_CONFLICT while the queue is freed, or in a child of fork(). `*permit`
 * is then as it was.
 */
ENCLAVA_NODISCARD
enclava_status enclava_permit_free_submit(enclava_permit **permit,
                                          const enclava_queue *queue);

/* -------------------------------------------------------------------------- */
/* Submitted calls: budgets and alerts. */
/* -------------------------------------------------------------------------- */

/**
 * Submits enclava_gate_settle(). The answer has the settlement or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_settle_submit(const enclava_gate *gate,
                                          enclava_str permit_id,
                                          enclava_usage usage,
                                          const enclava_queue *queue,
                                          enclava_done done,
                                          void *data);

/**
 * Submits enclava_gate_release(). The answer has the error if there is one.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_release_submit(const enclava_gate *gate,
                                           enclava_str permit_id,
                                           const enclava_queue *queue,
                                           enclava_done done,
                                           void *data);

/**
 * Submits enclava_gate_record(). The answer has the settlement or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_record_submit(const enclava_gate *gate,
                                          enclava_str key_id,
                                          enclava_usage usage,
                                          enclava_str request_id,
                                          const enclava_queue *queue,
                                          enclava_done done,
                                          void *data);

/**
 * Submits enclava_gate_usage(). The answer has the balances or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_usage_submit(const enclava_gate *gate,
                                         enclava_str key_id,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_gate_history(). The answer has the history or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_history_submit(const enclava_gate *gate,
                                           enclava_str key_id,
                                           size_t days,
                                           const enclava_queue *queue,
                                           enclava_done done,
                                           void *data);

/**
 * Submits enclava_gate_leases(). The answer has the leases or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_leases_submit(const enclava_gate *gate,
                                          enclava_str key_id,
                                          const enclava_queue *queue,
                                          enclava_done done,
                                          void *data);

/**
 * Submits enclava_gate_take_alert(). The answer has the alert; its status is ENCLAVA_STATUS_NOT_FOUND if there is none.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_gate_take_alert_submit(const enclava_gate *gate,
                                              const enclava_queue *queue,
                                              enclava_done done,
                                              void *data);

/* -------------------------------------------------------------------------- */
/* Submitted calls: keys. */
/* -------------------------------------------------------------------------- */

/**
 * Submits enclava_key_create(). The answer has the key and its secret, or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_create_submit(const enclava_gate *gate,
                                         enclava_str spec,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_key_import(). The answer has the key or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_import_submit(const enclava_gate *gate,
                                         enclava_str spec,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_key_get(). The answer has the key or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_get_submit(const enclava_gate *gate,
                                      enclava_str id,
                                      const enclava_queue *queue,
                                      enclava_done done,
                                      void *data);

/**
 * Submits enclava_key_list(). The answer has the keys (enclava_answer_keys()) or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_list_submit(const enclava_gate *gate,
                                       enclava_str after,
                                       size_t limit,
                                       const enclava_queue *queue,
                                       enclava_done done,
                                       void *data);

/**
 * Submits enclava_key_update(). The answer has the key or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_update_submit(const enclava_gate *gate,
                                         enclava_str id,
                                         enclava_str changes,
                                         uint64_t revision,
                                         uint32_t flags,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_key_rotate(). The answer has the key and its new secret, or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_rotate_submit(const enclava_gate *gate,
                                         enclava_str id,
                                         uint64_t overlap,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_key_disable(). The answer has the key or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_disable_submit(const enclava_gate *gate,
                                          enclava_str id,
                                          const enclava_queue *queue,
                                          enclava_done done,
                                          void *data);

/**
 * Submits enclava_key_enable(). The answer has the key or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_enable_submit(const enclava_gate *gate,
                                         enclava_str id,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_key_revoke(). The answer has the key or the error.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_revoke_submit(const enclava_gate *gate,
                                         enclava_str id,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/**
 * Submits enclava_key_delete(). The answer has the error if there is one.
 *
 * Never blocks. Callable from any threads at once.
 * @return as enclava_queue_submit().
 */
ENCLAVA_NODISCARD
enclava_status enclava_key_delete_submit(const enclava_gate *gate,
                                         enclava_str id,
                                         const enclava_queue *queue,
                                         enclava_done done,
                                         void *data);

/* -------------------------------------------------------------------------- */
/* Looking after a SQLite database while it is in use. */
/* -------------------------------------------------------------------------- */

/**
 * Copies the database at a URL such as "sqlite:////var/lib/enclava.db", as it is at one moment, to a new file whose path
 * is `to`, for its owner alone. Gates go on using it meanwhile. The copy is a database like the first.
 *
 * Blocks. Callable from any threads at once.
 * @return ENCLAVA_STATUS_INVALID_VALUE for another URL or a path that is not stated; ENCLAVA_STATUS_LEDGER if it is not
 * there or cannot be copied, or `to` is there already.
 */
enclava_status enclava_database_backup(enclava_str url,
                                       enclava_str to,
                                       enclava_error **error);

/**
 * Reads a whole database, counts everything in it again, and tells what does not fit. Gates go on using it meanwhile. Free
 * the answer with enclava_health_free().
 *
 * Blocks, for as long as there is much to read. Callable from any threads at once.
 * @return ENCLAVA_STATUS_OK whatever was found, if it could be read; ENCLAVA_STATUS_INVALID_VALUE for another URL;
 * ENCLAVA_STATUS_LEDGER if it is not there or cannot be read.
 */
enclava_status enclava_database_doctor(enclava_str url,
                                       enclava_health **health,
                                       enclava_error **error);

/** How many things are wrong, at most a hundred. 0 is well; 1 for NULL. */
size_t enclava_health_fault_count(const enclava_health *health);

/**
 * All of it as a JSON object: `faults`, an array of texts, and what there is: `sqlite`, `schema`, `keys`, `accounts`,
 * `live`, `holds`, `alerts`, `bytes`, `journal_bytes`.
 */
enclava_status enclava_health_json(const enclava_health *health,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *len);

/** Frees what was told of a database. NULL is nothing to free. */
void enclava_health_free(enclava_health *health);

/* -------------------------------------------------------------------------- */
/* What a ledger of one's own is handed: a step, its changes, rows and holds, as C sees them. */
/* -------------------------------------------------------------------------- */

/** The most owners beside the first that one hold may have. */
#define ENCLAVA_HOLD_OTHERS 3

/**
 * An amount of what a meter counts, pico-dollars or tokens: `high` times 10^12, and `low` (0 to 999999999999) beyond.
 * Of dollars, `high` is the whole ones. It may be negative in a change. `high` at INT64_MAX is without bound.
 */
typedef struct enclava_units {
  /** Times 10^12. */
  int64_t high;
  /** The rest. */
  int64_t low;
} enclava_units;

/** One meter in one window, as it is stored. One that was never written is all zero. */
typedef struct enclava_row {
  /** Charged. */
  enclava_units used;
  /** Set aside. */
  enclava_units held;
  /** Which thresholds were told. Keep it as it is. */
  uint64_t marks;
} enclava_row;

/** What a row became, or stands at. */
typedef struct enclava_moved {
  /** The row. */
  enclava_row row;
  /** 1 if this change told a threshold. */
  int32_t told;
  /** Zero. */
  uint32_t reserved;
} enclava_moved;

/**
 * What a step does to one row: that of `meter` in the window that begins at `window_start`, of the step's owner `owner`.
 */
typedef struct enclava_change {
  /** The place of its owner in the step. */
  uint32_t owner;
  /** An enclava_meter. */
  int32_t meter;
  /** When the window begins. */
  enclava_time window_start;
  /** When it ends. */
  enclava_time window_end;
  /** Added to what is used. */
  enclava_units used;
  /** Added to what is held. */
  enclava_units held;
  /** What used and held may come to together. */
  enclava_units bound;
  /** What the threshold is a share of, where there is one. */
  enclava_units alarm_cap;
  /** The threshold in hundredths of a percent, 0 for none. */
  uint32_t alarm_threshold;
  /** Zero. */
  uint32_t reserved;
} enclava_change;

/** The day and the month that a call is charged to. */
typedef struct enclava_windows {
  /** When the day begins. */
  enclava_time day_start;
  /** When it ends. */
  enclava_time day_end;
  /** When the month begins. */
  enclava_time month_start;
  /** When it ends. */
  enclava_time month_end;
} enclava_windows;

/** Another owner of a hold, and its windows. */
typedef struct enclava_hold_other {
  /** Its id, with a NUL behind it. */
  char owner[72];
  /** Its windows. */
  enclava_windows windows;
} enclava_hold_other;

/** How far a hold has come. */
typedef int32_t enclava_phase;
enum {
  /** The call is in flight. */
  ENCLAVA_PHASE_LIVE = 1,
  /** It was settled: for good. */
  ENCLAVA_PHASE_SETTLED = 2,
  /** It was released: for good. */
  ENCLAVA_PHASE_RELEASED = 3,
  /** Its permit was dropped; it may still be settled. */
  ENCLAVA_PHASE_DROPPED = 4,
  /** Its lifetime passed; it may still be settled. */
  ENCLAVA_PHASE_LAPSED = 5,
};

/** What is set aside for one call, or what became of it. Store it whole. */
typedef struct enclava_hold {
  /** Its name, unique within its first owner. */
  uint8_t id[16];
  /** What the request is, if the name stands for a request id. */
  uint8_t fingerprint[16];
  /** Counts its states, from 1. */
  uint32_t revision;
  /** An enclava_phase. */
  int32_t phase;
  /** What is set aside, or was charged. */
  enclava_usage usage;
  /** When it lapses if it is live. */
  enclava_time expires_at;
  /** The windows that it is charged to. */
  enclava_windows windows;
  /** A note of the ledger's own that comes back with the hold: where it is, for instance. */
  uint32_t seat;
  /** How many of `others` there are. */
  uint32_t other_count;
  /** Owners beside the first. */
  enclava_hold_other others[ENCLAVA_HOLD_OTHERS];
} enclava_hold;

/**
 * Whether a row may take a change.
 *
 * Callable from any thread.
 * @return 1 or 0; 0 if either is NULL or not one that the library made.
 */
int32_t enclava_change_is_admitted(const enclava_change *change, const enclava_row *row);

/**
 * Carries out a change that was admitted: `row` becomes what it is to be stored as, `moved` what to answer. `row` may
 * be the `row` of `moved`.
 *
 * Callable from any thread.
 */
enclava_status enclava_change_carry_out(const enclava_change *change,
                                        enclava_row *row,
                                        enclava_moved *moved);

/* -------------------------------------------------------------------------- */
/* A ledger written in C: a table of functions over one primitive. */
/* -------------------------------------------------------------------------- */

/** What became of a step. Zero is no answer: the ledger then counts as one that cannot tell. */
typedef int32_t enclava_outcome_kind;
enum {
  /** It was taken. Tell `next_lapse` and `seat`. */
  ENCLAVA_OUTCOME_KIND_TAKEN = 1,
  /** A change was not admitted. Nothing changed. */
  ENCLAVA_OUTCOME_KIND_REFUSED = 2,
  /** The first owner has as many live holds as it may. Nothing changed. */
  ENCLAVA_OUTCOME_KIND_CROWDED = 3,
  /** The hold is at another revision. Nothing changed. Tell the hold if there is one. */
  ENCLAVA_OUTCOME_KIND_UNEXPECTED = 4,
  /** By the ledger's own clock the windows are not the current ones. Nothing changed. Tell `now`. */
  ENCLAVA_OUTCOME_KIND_ELSEWHEN = 5,
};

/** One step: takes one hold from the revision it is expected to have to its next state, and moves rows with it. */
typedef struct enclava_step {
  /** Whose rows move. The hold lives with the first. */
  const enclava_str *owners;
  /** How many. */
  size_t owner_count;
  /** What to do to which rows. */
  const enclava_change *changes;
  /** How many. */
  size_t change_count;
  /** What the hold becomes. Its `id` names it. */
  const enclava_hold *becomes;
  /** The revision that it is expected to have; 0 if there is no such hold. */
  uint32_t expected;
  /** The most live holds that the first owner may have with this one, where `is_bounded` is 1. */
  uint32_t most_live;
  /** 1 if `most_live` counts. */
  int32_t is_bounded;
  /** 1 if the windows must be the current ones by the ledger's own clock, should it have one. */
  int32_t is_current;
} enclava_step;

/** What a ledger answers to a step. It comes all zero. */
typedef struct enclava_outcome {
  /** An enclava_outcome_kind. */
  int32_t kind;
  /** Taken: the ledger's own note of where the hold is, or 0. */
  uint32_t seat;
  /**
   * Taken: not after the first instant at which a live hold of the first owner lapses; 0 always has the ledger asked.
   */
  enclava_time next_lapse;
  /** Elsewhen: what the ledger's clock says. */
  enclava_time now;
  /** Unexpected: 1 if there is a hold. */
  int32_t has_hold;
  /** Zero. */
  uint32_t reserved;
  /** Unexpected: the hold as it stands. */
  enclava_hold hold;
} enclava_outcome;

/**
 * A ledger of your own: where rows and holds live. Begin with enclava_ledger_vtable_init().
 *
 * Each function is called from any threads at once and may block; it must not call the gate, or leave by longjmp or a C++
 * exception. It returns 0, or another number when the ledger cannot tell: nothing is admitted then. What it is handed is
 * lent for the call; `data` is what the gate was opened with.
 *
 * It is right when each `apply` happens whole or not at all, as if alone:
 * 1. If the hold's revision is not `step->expected` (0: no such hold), answer ENCLAVA_OUTCOME_KIND_UNEXPECTED.
 * 2. If `step->is_bounded` and the first owner has `step->most_live` live holds, answer ENCLAVA_OUTCOME_KIND_CROWDED.
 * 3. Ask enclava_change_is_admitted() for every change and its row; a row never written is zero. If any is not, write the
 *    rows as they stand to `rows` and answer ENCLAVA_OUTCOME_KIND_REFUSED.
 * 4. Otherwise enclava_change_carry_out() every change, store the rows and `*step->becomes`, and answer
 *    ENCLAVA_OUTCOME_KIND_TAKEN. `rows` has a place for each change, in order.
 *
 * A row is never reset: another window is another row. Keep the rows of the last two windows, and those that a hold was
 * pinned to which is live, dropped or lapsed. Live holds are kept; of the others a bounded number for each owner, oldest
 * forgotten first. After a failure the same step may come again: its revision says whether it was taken.
 */
typedef struct enclava_ledger_vtable {
  /** sizeof(enclava_ledger_vtable). */
  uint32_t size;
  /** Zero. */
  uint32_t reserved;
  /** Takes one step, or says why not. */
  int32_t (*apply)(const enclava_step *step,
                   enclava_moved *rows,
                   enclava_outcome *outcome,
                   void *data);
  /** Writes the row of `meter` in the window that begins at `window_start`; it comes zero, as one never written. */
  int32_t (*row)(enclava_str owner,
                 int32_t meter,
                 enclava_time window_start,
                 enclava_row *row,
                 void *data);
  /** Writes the hold of the 16 bytes at `id` that lives with `owner`, and 1 to `found`, which comes 0. */
  int32_t (*hold)(enclava_str owner,
                  const uint8_t *id,
                  enclava_hold *hold,
                  int32_t *found,
                  void *data);
  /** Calls enclava_holds_add() for at most `most` live holds of `owner` with an `expires_at` not after `now`. */
  int32_t (*due)(enclava_str owner,
                 enclava_time now,
                 size_t most,
                 enclava_holds *holds,
                 void *data);
  /** Forgets `owner` once its last live hold is closed. */
  int32_t (*forget)(enclava_str owner, void *data);
  /** Brings what is on its way to where it is kept. NULL if nothing ever is. */
  int32_t (*flush)(void *data);
  /**
   * The gate and its permits are gone: frees `data`. Not called if the gate did not open. NULL if nothing is to be freed.
   */
  void (*release)(void *data);
} enclava_ledger_vtable;

/** An empty enclava_ledger_vtable, its size set. */
static inline enclava_ledger_vtable enclava_ledger_vtable_init(void) {
  enclava_ledger_vtable empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/** Tells one hold from within `due`. */
enclava_status enclava_holds_add(enclava_holds *holds, const enclava_hold *hold);

/* -------------------------------------------------------------------------- */
/* A store written in C: where key records live. */
/* -------------------------------------------------------------------------- */

/**
 * A store of your own: where key records live. Begin with enclava_store_vtable_init().
 *
 * The gate holds every record in memory and asks the store only for news, so it may be slow. It judges nothing: a record
 * is text that comes back as it was. Each function is called from any threads at once and must not call the gate, or
 * leave by longjmp or a C++ exception. It returns an enclava_status: ENCLAVA_STATUS_OK, ENCLAVA_STATUS_CONFLICT where that is
 * said, and any other when the store cannot answer. What it is handed is lent for the call; `data` is what the gate was
 * opened with.
 */
typedef struct enclava_store_vtable {
  /** sizeof(enclava_store_vtable). */
  uint32_t size;
  /** 1 if records may change without this gate: then it asks for news within the refresh interval. */
  int32_t is_shared;
  /**
   * Tells what changed since the generation `since`, or everything where `is_first` is 1: enclava_news_put() and
   * enclava_news_remove() for each, then enclava_news_end().
   */
  int32_t (*news)(uint64_t since, int32_t is_first, enclava_news *news, void *data);
  /**
   * Keeps `record`, a JSON object, as revision `revision` of the key `id`; ENCLAVA_STATUS_CONFLICT unless the one kept is
   * of revision `replaces`, 0 for none.
   */
  int32_t (*put)(enclava_str id,
                 enclava_str record,
                 uint64_t revision,
                 uint64_t replaces,
                 void *data);
  /** Removes the key `id`, and writes 1 to `found` if there was one; it comes 0. */
  int32_t (*remove)(enclava_str id, int32_t *found, void *data);
  /** The gate is gone: frees `data`. Not called if the gate did not open. NULL if nothing is to be freed. */
  void (*release)(void *data);
} enclava_store_vtable;

/** An empty enclava_store_vtable, its size set. */
static inline enclava_store_vtable enclava_store_vtable_init(void) {
  enclava_store_vtable empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}

/**
 * Tells one record from within `news`, as it was put.
 *
 * @return ENCLAVA_STATUS_INVALID_RECORD for text that is none.
 */
enclava_status enclava_news_put(enclava_news *news, enclava_str record);

/** Tells the id of a key that is gone, from within `news`. */
enclava_status enclava_news_remove(enclava_news *news, enclava_str id);

/**
 * Ends the news: `generation` names the state that they lead to, and `is_all` is 1 if these are all the records that there
 * are, 0 if they are what changed.
 */
enclava_status enclava_news_end(enclava_news *news,
                                uint64_t generation,
                                int32_t is_all);

#ifdef __cplusplus
}
#endif

#endif /* ENCLAVA_H */
