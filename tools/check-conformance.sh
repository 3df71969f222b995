#!/bin/sh
# Everything doc/CONFORMANCE.md names exists: tests, timelines, files, and the
# functions that obey a clause.
set -eu
cd "$(dirname "$0")/.."
doc=doc/CONFORMANCE.md
bad=0

missing() {
	echo "$doc: no such $1: $2" >&2
	bad=1
}

names=$(mktemp)
trap 'rm -f "$names"' EXIT
grep -o '`[^`]*`' $doc | tr -d '`' | sort -u >"$names"
while read -r name; do
	case $name in
	*'*'* | *' '*) ;;
	*/*.[chy5] | */*.py | */*.inc | */)
		[ -e "$name" ] || missing file "$name" ;;
	*.scn)
		[ -e "pmul/test/scenarios/$name" ] || missing timeline "$name" ;;
	test_*)
		grep -qrE "\b$name\(" --include='test_*.[cp]*' . ||
		    ls */test/"$name".c >/dev/null 2>&1 ||
		    missing test "$name" ;;
	*'()')
		grep -qrE "^${name%??}\(" --include='*.c' . || missing function "$name" ;;
	esac
done <"$names"
exit $bad
