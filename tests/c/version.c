/* The library that is loaded is the one that the header describes. */

#include <enclava.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    if (enclava_abi_version() != ENCLAVA_ABI_VERSION) {
        fprintf(stderr, "ABI %u, header %u\n", (unsigned)enclava_abi_version(), (unsigned)ENCLAVA_ABI_VERSION);
        return 1;
    }
    if (strcmp(enclava_version(), ENCLAVA_VERSION) != 0) {
        fprintf(stderr, "version %s, header %s\n", enclava_version(), ENCLAVA_VERSION);
        return 1;
    }
    return 0;
}
