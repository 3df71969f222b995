#!/bin/sh
# The protocol libraries touch no operating system: list what each one needs
# from outside and compare with what it may need.  usage: check-purity.sh BUILD
set -eu

build=$1
status=0

# Memory, strings without locale, failed assertions, and what compilers add.
common='memcpy|memset|memcmp|memmove|memchr|strlen|__assert_fail'
common="$common|malloc|calloc|realloc|free"
common="$common|__stack_chk_fail|__mem(cpy|move|set)_chk"
common="$common|__popcountdi2|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|gcov|sanitizer)_.*"

# check LIBRARY OTHERS: undefined symbols that neither it nor OTHERS may need.
check()
{
	lib=$build/lib$1.a
	foreign=$(nm -u "$lib" | awk '$1 == "U" || $1 == "w" { print $2 }' |
	    sort -u | grep -Ev "^($common|$2)\$" || :)
	# What another object of the same library defines is not foreign.
	own=$(nm --defined-only "$lib" | awk 'NF == 3 { print $3 }' | sort -u)
	foreign=$(printf '%s\n' "$foreign" | grep -Fxv "$own" || :)
	if [ -n "$foreign" ]; then
		echo "$lib needs what it must not:" $foreign >&2
		status=1
	fi
}

check pmul 'nothing'
check smtp 'nothing'
check ber 'asn1_(get|length)_.*'
check mule '(ber|smtp)_.*|(de|in)flate.*|libdeflate_.*|adler32|Zopfli(InitOptions|ZlibCompress)'
check cfg 'yaml_.*|inet_pton|inet_ntop'
[ $status -ne 0 ] || echo "ok   the protocol libraries touch no operating system"
exit $status
