/*
 * enclava.h - API keys, model allowlists and exact budgets for LLM gateways,
 * enforced in the gateway's own process.
 *
 * Conventions
 *   Every function starts with enclava_, every constant with ENCLAVA_.
 *   Static text is NUL-terminated, lives as long as the library is loaded and is never freed.
 *
 * Generated from bindings/c. To change it, edit the sources there and run
 *   BLESS=1 cargo test -p enclava-c --test header
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef ENCLAVA_H
#define ENCLAVA_H

#include <stdint.h>

/** The version of the library that this header was written for. */
#define ENCLAVA_VERSION "0.1.0"

/**
 * The version of the ABI that this header describes. A program and a library with the same number fit together.
 */
#define ENCLAVA_ABI_VERSION 0

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ENCLAVA_H */
