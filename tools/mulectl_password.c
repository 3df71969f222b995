#include "tools/mulectl_password.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/sasl.h"

#define PASSWORD_MAX 256

/* One line, without its end; false at the end of the input. */
static bool
read_secret(const char *prompt, char buf[PASSWORD_MAX])
{
	struct termios before, silent;
	bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	char *line;

	if (terminal) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
		fprintf(stderr, "%s: ", prompt);
	}
	line = fgets(buf, PASSWORD_MAX, stdin);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (line == NULL)
		return false;
	buf[strcspn(buf, "\r\n")] = '\0';
	return true;
}

int
mulectl_password(const char *user)
{
	char password[PASSWORD_MAX], again[PASSWORD_MAX], line[SASL_LINE_MAX];
	const char *why = NULL;

	if (!read_secret("Password", password))
		why = "no password was given";
	else if (isatty(STDIN_FILENO) && (!read_secret("Once more", again) ||
					     strcmp(password, again) != 0))
		why = "the two are not the same";
	else if (sasl_make_line(user, password, line) != 0)
		why = "the name or the password has characters that are not "
		      "allowed";
	explicit_bzero(password, sizeof(password));
	explicit_bzero(again, sizeof(again));
	if (why != NULL) {
		fprintf(stderr, "mulectl: %s\n", why);
		return 1;
	}
	puts(line);
	return fflush(stdout) == 0 ? 0 : 1;
}
