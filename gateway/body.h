/*
 * The content of one message on its way into the queue.
 *
 * A body grows by appending.  Up to BODY_MEMORY_MAX octets it lives in memory
 * and is stored as a blob, so that one fsync serves many messages; what grows
 * beyond that moves to a file in the queue's tmp/ directory.  Appending never
 * calls fsync: the queue thread does, when the message is added.
 */
#ifndef MULETEER_GATEWAY_BODY_H
#define MULETEER_GATEWAY_BODY_H

#include <stddef.h>
#include <stdint.h>

/* Measured: a blob and its row cost less than a file up to about here. */
#define BODY_MEMORY_MAX (128 * 1024)

struct body;

/*
 * An empty body in *ret_b whose file, should it need one, is made in tmp_dir
 * (borrowed for the life of the body).  -ENOMEM.
 */
int body_new(const char *tmp_dir, struct body **ret_b);

/* Frees *b, removes its file if it still has one, sets *b to NULL. */
void body_free(struct body **b);

/*
 * Append len octets.  -ENOMEM, or the negative errno of the file operation
 * that failed (-ENOSPC, -EIO, -EDQUOT, -EMFILE ...); the body is then good for
 * nothing but body_free().
 */
int body_append(struct body *b, const void *data, size_t len);

/* Octets appended so far. */
uint64_t body_len(const struct body *b);

/* The octets while they are in memory; NULL once they are in a file. */
const void *body_memory(const struct body *b);

/* The path of the file, or NULL. */
const char *body_file(const struct body *b);

/*
 * For the queue: flush the file to disk (fsync) and close it; then the caller
 * renames body_file() and tells the body by body_file_taken() that the file is
 * not its own any more.
 */
int body_sync(struct body *b);
void body_file_taken(struct body *b);

#endif
