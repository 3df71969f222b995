#!/bin/sh
# Formatting, static analysis, banned calls and manual pages.
set -eu

status=0
fail()
{
	echo "lint: $1" >&2
	status=1
}

sources=$(find asn1 pmul smtp mule config gateway tools tests -name '*.[ch]' |
    sort)

clang-format --dry-run -Werror $sources || fail 'clang-format'

# Calls that cannot be used safely, or that a better one replaces.
if grep -nE '\b(strcpy|strcat|sprintf|vsprintf|strncpy|strncat|strtok|gets|atoi|atol|gmtime|localtime|asctime|ctime|rand|srand|signal|alloca|tmpnam|mktemp)\(' \
    $sources; then
	fail 'banned call'
fi
if grep -nE '^[^"]*(^|[^:"])//' $sources; then
	fail '// comment'
fi

# POSIX's NULL is a pointer, also at the end of a variable argument list.
cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -I. -D_GNU_SOURCE \
    -DUNIT_TOP='""' -DVERSION='""' \
    --suppress=varFuncNullUB --enable=warning,performance,portability --suppress=missingIncludeSystem \
    --suppress='*:*/test/*' $(printf '%s\n' $sources | grep '\.c$') ||
	fail 'cppcheck'

for page in doc/man/*.[1-8]; do
	[ -e "$page" ] || continue
	mandoc -Tlint -Wwarning "$page" || fail "$page"
done

for s in tools/*.sh .ci/install-packages; do
	[ -e "$s" ] || continue
	sh -n "$s" || fail "$s"
done
bash -n .ci/run || fail '.ci/run'
[ $status -ne 0 ] || echo 'ok   lint'
exit $status
