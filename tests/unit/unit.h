/*
 * What every unit test shares: cmocka, a guard against tests that check
 * nothing, and an allocator that can be made to fail.
 *
 * The Makefile links each unit test with unit.c and with --wrap, so that
 *	- a test function that returns without one assertion fails;
 *	- malloc, calloc, realloc and free called by our own libraries are
 *	  counted, and any one call can be made to return NULL.
 * Allocations inside shared libraries (libc, zlib, SQLite) are not seen, and
 * the tests of gateway/ link without the counting allocator.
 */
#ifndef MULETEER_TESTS_UNIT_H
#define MULETEER_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>

/* Make the nth allocation from now (1 is the next) return NULL; 0: none. */
void unit_alloc_fail_at(size_t n);

/* Allocations asked for since the last unit_alloc_fail_at(). */
size_t unit_alloc_calls(void);

/* Blocks allocated and not yet freed, since the program started. */
size_t unit_alloc_live(void);

/* Bytes in those blocks. */
size_t unit_alloc_live_bytes(void);

/*
 * The whole file, NUL-terminated for convenience, in memory the caller frees
 * with free(); fails the test when it cannot be read.  A relative path counts
 * from the top of the source tree.
 */
unsigned char *unit_read_file(const char *path, size_t *ret_len);

/*
 * Octets from hexadecimal digits; blanks are skipped.  The caller frees the
 * result.  The block has exactly the length of the data, so that a sanitizer
 * sees the first octet read past its end.
 */
unsigned char *unit_hex(const char *hex, size_t *ret_len);

/* An exact-size heap copy, for the same reason. */
unsigned char *unit_copy(const void *data, size_t len);

#endif
