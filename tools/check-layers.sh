#!/bin/sh
# Arrows run downwards only, and every header can be compiled alone.
# DESIGN: gateway and tools use everything; mule uses smtp and asn1; nothing
# else uses anything.
set -eu

: "${CC:=gcc}"
status=0

# allowed DIR OTHERS: our includes in DIR name only DIR and OTHERS.
allowed()
{
	for f in "$1"/*.[ch]; do
		[ -e "$f" ] || continue
		bad=$(sed -n 's/^#include "\([^"/]*\)\/.*/\1/p' "$f" | sort -u |
		    grep -Evx "$1${2:+|$2}" || :)
		if [ -n "$bad" ]; then
			echo "$f includes from:" $bad >&2
			status=1
		fi
		if grep -nE '^#include "[^/"]*"' "$f"; then
			echo "$f: name the directory in an include" >&2
			status=1
		fi
	done
}

allowed asn1 ''
allowed pmul ''
allowed smtp ''
allowed config ''
allowed mule 'smtp|asn1'
allowed gateway 'asn1|pmul|smtp|mule|config'
allowed tools 'asn1|pmul|smtp|mule|config|gateway'

for h in */*.h; do
	if ! $CC -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror \
	    -fsyntax-only -x c "$h"; then
		echo "$h does not compile alone" >&2
		status=1
	fi
done
[ $status -ne 0 ] || echo "ok   layers and headers"
exit $status
