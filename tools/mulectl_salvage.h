/*
 * mulectl queue salvage: takes out of a damaged queue what is readable.
 *
 * Works on a copy of the database, asks no daemon, and changes nothing in the
 * state directory.  For each message it writes into out_dir, which must not be
 * there yet,
 *	ID.eml   the content
 *	ID.json  {"from":"<...>","rcpts":["<...>",...], ...}
 * and says what is missing.  Content whose message cannot be read any more is
 * written, too.
 */
#ifndef MULETEER_TOOLS_MULECTL_SALVAGE_H
#define MULETEER_TOOLS_MULECTL_SALVAGE_H

/* An exit status: 0 all of it, 1 some or nothing of it, 2 not begun. */
int mulectl_salvage(const char *state_dir, const char *out_dir);

#endif
