/* A store of one's own, in C: key records in this process's memory, behind the table that enclava.h asks for. */

#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include <enclava.h>

typedef struct memory_store memory_store;

/* NULL if there is no memory left. The gate that it is given to lets it go, by the `release` of the table. */
memory_store *memory_store_new(void);

/* For one gate more. */
memory_store *memory_store_share(memory_store *store);

void memory_store_release(memory_store *store);

/* The table to give to enclava_gate_open() together with the store. */
enclava_store_vtable memory_store_table(void);

/* While it is silent, every call to it fails: to see what a gate makes of that. */
void memory_store_silence(memory_store *store, int silent);

#endif
