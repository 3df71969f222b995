/* mulectl password: a line for the file of users. */
#ifndef MULETEER_TOOLS_MULECTL_PASSWORD_H
#define MULETEER_TOOLS_MULECTL_PASSWORD_H

/*
 * Reads the password of user from standard input, without echo and twice where
 * that is a terminal, and prints the line.  The exit code.
 */
int mulectl_password(const char *user);

#endif
