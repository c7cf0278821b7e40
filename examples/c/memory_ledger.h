/* A ledger of one's own, in C: budgets in this process's memory, behind the table that enclava.h asks for. */

#ifndef MEMORY_LEDGER_H
#define MEMORY_LEDGER_H

#include <enclava.h>

typedef struct memory_ledger memory_ledger;

/* NULL if there is no memory left. The gate that it is given to lets it go, by the `release` of the table. */
memory_ledger *memory_ledger_new(void);

/* For one gate more. */
memory_ledger *memory_ledger_share(memory_ledger *ledger);

void memory_ledger_release(memory_ledger *ledger);

/* The table to give to enclava_gate_open() together with the ledger. */
enclava_ledger_vtable memory_ledger_table(void);

/* While it is silent, every call to it fails: to see what a gate makes of that. */
void memory_ledger_silence(memory_ledger *ledger, int silent);

#endif
