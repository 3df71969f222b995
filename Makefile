# Muleteer.  Debian 12 is the platform; `make help` says what there is.
#
# Adding a source file or a test: put it into its list in sources.mk.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
DATADIR := $(PREFIX)/share/muleteer
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
FUZZ_CC ?= clang
WRAP ?=

VERSION := 0.1.0

# One build directory for each compiler and mode; none of them in the tree.
B := build$(if $(findstring clang,$(CC)),-clang)$(if $(SAN),-san)$(if $(COV),-cov)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-5s %s\n' '$(1)' '$(2)';)

include sources.mk

# --- flags -------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wconversion \
	-Wno-sign-conversion -Wcast-qual -Wimplicit-fallthrough -Wswitch-enum \
	$(if $(WERROR),-Werror)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection \
	-fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
OPT := -O2 -g
ifdef SAN
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
HARDEN_LD += -fsanitize=address,undefined
else ifdef COV
OPT := -O0 -g --coverage -fprofile-update=atomic
HARDEN_LD += --coverage -fprofile-update=atomic
else
# _FORTIFY_SOURCE hides from the sanitizers what they look for.
HARDEN += -D_FORTIFY_SOURCE=2
endif

# NDEBUG is never set: assert() guards our own invariants and stays on.
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -UNDEBUG -I. -DVERSION='"$(VERSION)"' \
	$(OPT) $(WARN) $(HARDEN) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LD) $(LDFLAGS)

pc = $(shell $(PKG_CONFIG) --libs $(1))
ASN1_LIBS = $(call pc,libtasn1)
# zopfli has no pkg-config file.
MULE_LIBS = $(call pc,libdeflate zlib) -lzopfli
CFG_LIBS = $(call pc,yaml-0.1)

LIBBER := $(B)/libber.a
LIBPMUL := $(B)/libpmul.a
LIBSMTP := $(B)/libsmtp.a
LIBMULE := $(B)/libmule.a
LIBCFG := $(B)/libcfg.a
LIBCHANNEL := $(B)/libchannel.a
LIBCAP := $(B)/libcap.a
LIBS := $(LIBBER) $(LIBPMUL) $(LIBSMTP) $(LIBMULE) $(LIBCFG) $(LIBCHANNEL) $(LIBCAP)
GATEWAY_A := $(B)/gateway.a
PROGRAMS := $(if $(GATEWAY_SRC),$(B)/muled) $(if $(MULECTL_SRC),$(B)/mulectl) \
	$(if $(MULELINK_SRC),$(B)/mulelink) $(B)/mulecap

obj = $(patsubst %.c,$(B)/%.o,$(1))

.PHONY: all
all: $(LIBS) $(PROGRAMS)

.PHONY: help
help:
	@echo 'make              build everything into build/'
	@echo 'make demo         three gateways, one radio link, one message'
	@echo 'make bench-air    bytes on the air beside UFTP and NORM, as root'
	@echo 'make check        all tests           (SAN=1: under sanitizers)'
	@echo 'make torture      every fault at every call (hours)'
	@echo 'make lint         formatting, static analysis, manual pages'
	@echo 'make fuzz T=NAME  fuzz one target     (TIME=seconds; default 60)'
	@echo 'make bench-queue  accepted messages a second beside Postfix and others, as root'
	@echo 'make bench-through  mail through two gateways on loopback'
	@echo 'make bench-cap    mulecap beside tshark on a capture of 1 GB'
	@echo 'make bench-air-sim  octets on the air, and time, in virtual time'
	@echo 'make bench-engine   what a PDU costs as messages grow in number'
	@echo 'make bench-zip    what compression saves, and what it costs'
	@echo 'make cover        line coverage of all tests'
	@echo 'make install      into DESTDIR and PREFIX; make uninstall'
	@echo 'make clean'
	@echo 'Variables: CC=clang SAN=1 WERROR=1 V=1 WRAP="valgrind -q"'
	@echo 'Fuzz targets: $(FUZZ_NAMES)'

# --- objects, libraries, programs --------------------------------------------

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

ar_rule = $(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(LIBBER): $(call obj,$(ASN1_SRC))
	$(ar_rule)
$(LIBPMUL): $(call obj,$(PMUL_SRC))
	$(ar_rule)
$(LIBSMTP): $(call obj,$(SMTP_SRC))
	$(ar_rule)
$(LIBMULE): $(call obj,$(MULE_SRC))
	$(ar_rule)
$(LIBCAP): $(call obj,$(CAP_SRC))
	$(ar_rule)
$(LIBCFG): $(call obj,$(CFG_SRC))
	$(ar_rule)
$(LIBCHANNEL): $(call obj,$(CHANNEL_SRC))
	$(ar_rule)
# main.o stays out, so that the gateway's tests can have their own main().
$(GATEWAY_A): $(call obj,$(filter-out gateway/main.c,$(GATEWAY_SRC)))
	$(ar_rule)

link = $(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) \
	$(filter %.a,$^)

GATEWAY_LIBS = $(call pc,libuv openssl libgsasl sqlite3 jansson libmicrohttpd) -lresolv \
	$(MULE_LIBS) $(ASN1_LIBS) $(CFG_LIBS) -lpthread
# Upper layers first: a static library is searched once.
GATEWAY_DEPS := $(GATEWAY_A) $(LIBCFG) $(LIBMULE) $(LIBBER) $(LIBSMTP) $(LIBPMUL)

$(B)/muled: $(B)/gateway/main.o $(GATEWAY_DEPS)
	$(link) $(GATEWAY_LIBS)
$(B)/mulectl: $(call obj,$(MULECTL_SRC)) $(B)/gateway/sasl.o
	$(link) $(call pc,jansson libgsasl sqlite3)
$(B)/mulelink: $(call obj,$(MULELINK_SRC)) $(LIBCHANNEL)
	$(link) $(call pc,libuv libcyaml libpcap yaml-0.1) -lm
$(B)/tools/mulelink.o: CPPFLAGS += -DCHANNELS='"$(DATADIR)/channels"'
$(B)/mulecap: $(call obj,$(MULECAP_SRC)) $(B)/gateway/parameters.o $(LIBCAP) $(LIBCFG) $(LIBMULE) \
	$(LIBBER) $(LIBSMTP) $(LIBPMUL)
	$(link) $(call pc,jansson libpcap) $(MULE_LIBS) $(ASN1_LIBS) $(CFG_LIBS) -lm

# What compression saves, and what it costs: doc/BENCHMARKS.md.
BENCH_MAILS ?= $(wildcard tests/corpus/*.eml)
$(B)/bench_zip: $(B)/tools/bench_zip.o $(LIBMULE) $(LIBBER) $(LIBSMTP)
	$(link) $(MULE_LIBS) $(ASN1_LIBS)
.PHONY: bench-zip
bench-zip: $(B)/bench_zip
	$(Q)$(B)/bench_zip $(BENCH_MAILS)
GATEWAY_LIBS += $(call pc,libmnl)

# Drives bearers for tests/test_silence.py.
PROBE_SRC := gateway/test/bearer_probe.c gateway/bearer.c gateway/bearer_silence.c \
	gateway/bearer_udp.c gateway/silence.c gateway/silence_check.c
$(B)/bearer-probe: $(call obj,$(PROBE_SRC))
	$(link) $(call pc,libuv libmnl)

# --- unit tests --------------------------------------------------------------

# See tests/unit/unit.h: count the checks, and make allocations fail.
comma := ,
wrap = $(foreach f,$(1),-Wl$(comma)--wrap=$(f))
WRAP_CHECKS := $(call wrap,_assert_true _assert_int_equal \
	_assert_int_not_equal _assert_string_equal _assert_string_not_equal \
	_assert_memory_equal _assert_memory_not_equal _assert_in_range \
	_cmocka_run_group_tests)
WRAP_ALLOC := $(call wrap,malloc calloc realloc free)
UNIT_O := $(B)/tests/unit/unit.o
UNIT_ALLOC_O := $(B)/tests/unit/unit_alloc.o

$(B)/tests/unit/%.o: OPT += -DUNIT_TOP='"$(CURDIR)"'
# cmocka's macros compare pointers as integers and say so with old prototypes.
$(B)/%.o: private WARN += $(if $(findstring /test/,$@),-Wno-conversion)

test_programs = $(addprefix $(B)/$(1)/test/test_,$(2))
ASN1_T := $(call test_programs,asn1,$(ASN1_TESTS))
PMUL_T := $(call test_programs,pmul,$(PMUL_TESTS))
SMTP_T := $(call test_programs,smtp,$(SMTP_TESTS))
MULE_T := $(call test_programs,mule,$(MULE_TESTS))
CFG_T := $(call test_programs,config,$(CFG_TESTS))
CAP_T := $(call test_programs,tools,$(CAP_TESTS))
GATEWAY_T := $(call test_programs,gateway,$(GATEWAY_TESTS))
CHANNEL_T := $(call test_programs,tools,$(CHANNEL_TESTS))
TOOLS_T := $(CAP_T) $(CHANNEL_T)
UNIT_T := $(ASN1_T) $(PMUL_T) $(SMTP_T) $(MULE_T) $(CFG_T) $(TOOLS_T) $(GATEWAY_T)

# libtasn1's tables (asn1Parser, Debian's libtasn1-bin) for the schema decoder that judges ours.
$(B)/asn1/%.tab.c: asn1/%.asn
	@mkdir -p $(@D)
	$(call say,ASN1,$<)asn1Parser -o $@ -n $(subst -,_,$(if \
	    $(findstring explicit,$*),$*,$*-implicit)) $< >/dev/null 2>&1
$(B)/asn1/%.tab.o: $(B)/asn1/%.tab.c
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -w -c -o $@ $<

.SECONDARY: $(B)/asn1/cdt.tab.c $(B)/asn1/cdt-explicit.tab.c
CDT_TABLES := $(B)/asn1/cdt.tab.o $(B)/asn1/cdt-explicit.tab.o

$(ASN1_T): %: %.o $(CDT_TABLES) $(LIBBER) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka) $(ASN1_LIBS)
# What the tests of the P_MUL engine share.
PMUL_TEST_A := $(B)/pmul/test/shared.a
$(PMUL_TEST_A): $(call obj,$(PMUL_TEST_SRC))
	$(ar_rule)
$(PMUL_T): %: %.o $(PMUL_TEST_A) $(LIBPMUL) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka)
$(SMTP_T): %: %.o $(LIBSMTP) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka)
$(MULE_T): %: %.o $(LIBMULE) $(LIBBER) $(LIBSMTP) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka) $(MULE_LIBS) $(ASN1_LIBS)
$(CFG_T): %: %.o $(LIBCFG) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka) $(CFG_LIBS)
$(CAP_T): %: %.o $(LIBCAP) $(LIBPMUL) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka)
$(CHANNEL_T): %: %.o $(LIBCHANNEL) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka) -lm
$(GATEWAY_T): %: %.o $(GATEWAY_DEPS) $(UNIT_O)
	$(link) $(WRAP_CHECKS) $(call pc,cmocka) $(GATEWAY_LIBS)

# What a transfer costs on the air, in virtual time, and a PDU the processor.
# Not tests.
PMUL_BENCH := $(addprefix $(B)/pmul/test/,air engine_cost)
$(PMUL_BENCH): %: %.o $(PMUL_TEST_A) $(LIBPMUL) $(UNIT_O) $(UNIT_ALLOC_O)
	$(link) $(WRAP_CHECKS) $(WRAP_ALLOC) $(call pc,cmocka)
.PHONY: bench-air-sim bench-engine
bench-engine: $(B)/pmul/test/engine_cost
	$(Q)$(B)/pmul/test/engine_cost
bench-air-sim: $(B)/pmul/test/air
	$(Q)$(B)/pmul/test/air $(AIR_ARGS)

.PHONY: unit
unit: $(UNIT_T)
	$(Q)WRAP='$(WRAP)' tests/run-unit $(UNIT_T)

# The unit tests of one directory: make unit-pmul
define unit_dir
.PHONY: unit-$(1)
unit-$(1): $$($(2)_T)
	$$(Q)WRAP='$$(WRAP)' tests/run-unit $$($(2)_T)
endef
$(eval $(call unit_dir,asn1,ASN1))
$(eval $(call unit_dir,pmul,PMUL))
$(eval $(call unit_dir,smtp,SMTP))
$(eval $(call unit_dir,mule,MULE))
$(eval $(call unit_dir,config,CFG))
$(eval $(call unit_dir,tools,TOOLS))
$(eval $(call unit_dir,gateway,GATEWAY))

# --- fuzzers -----------------------------------------------------------------

# DIR/fuzz/fuzz_NAME.c defines LLVMFuzzerTestOneInput(); its seeds and the
# inputs that once broke it are in DIR/fuzz/NAME/.  `make check` replays those
# with any compiler through tests/unit/fuzz_replay.c.
FB := build-fuzz
FUZZERS := $(foreach n,$(ASN1_FUZZ),asn1/fuzz/fuzz_$n) \
	$(foreach n,$(PMUL_FUZZ),pmul/fuzz/fuzz_$n) \
	$(foreach n,$(SMTP_FUZZ),smtp/fuzz/fuzz_$n) \
	$(foreach n,$(MULE_FUZZ),mule/fuzz/fuzz_$n) \
	$(foreach n,$(CFG_FUZZ),config/fuzz/fuzz_$n) \
	$(foreach n,$(CAP_FUZZ),tools/fuzz/fuzz_$n)
# The name of a target is DIR-NAME: pmul-pdu.
FUZZ_NAMES := $(foreach f,$(FUZZERS),$(subst /fuzz/fuzz_,-,$f))
FUZZ_LIB_SRC := $(CAP_SRC) $(CFG_SRC) $(MULE_SRC) $(ASN1_SRC) $(SMTP_SRC) $(PMUL_SRC)
FUZZ_LIBS = $(MULE_LIBS) $(ASN1_LIBS) $(CFG_LIBS)
FUZZ_FLAGS := -std=c11 -D_GNU_SOURCE -UNDEBUG -I. -DVERSION='"$(VERSION)"' -O1 \
	-g $(WARN) -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
TIME ?= 60

$(FB)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,FUZZC,$<)$(FUZZ_CC) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<
$(FB)/libfuzzed.a: $(patsubst %.c,$(FB)/%.o,$(FUZZ_LIB_SRC))
	$(ar_rule)
$(addprefix $(FB)/,$(FUZZERS)): %: %.o $(FB)/libfuzzed.a
	$(call say,LD,$@)$(FUZZ_CC) -g -fsanitize=fuzzer,address,undefined -o $@ \
	    $(filter %.o,$^) $(FB)/libfuzzed.a $(FUZZ_LIBS)
$(FB)/asn1/fuzz/fuzz_cdt: $(CDT_TABLES)

fuzz_dir = $(firstword $(subst -, ,$(1)))
fuzz_name = $(patsubst $(call fuzz_dir,$(1))-%,%,$(1))
fuzz_prog = $(FB)/$(call fuzz_dir,$(1))/fuzz/fuzz_$(call fuzz_name,$(1))
# What it starts from: its own inputs, and the test vectors of its format.
fuzz_vectors_asn1-cdt := test-vectors/cdt
fuzz_vectors_pmul-pdu := test-vectors/pmul
fuzz_vectors_mule-payload := test-vectors/payload
fuzz_vectors_tools-capture := test-vectors/capture
fuzz_seed = $(wildcard $(call fuzz_dir,$(1))/fuzz/$(call fuzz_name,$(1))) \
	$(fuzz_vectors_$(1))

.PHONY: fuzz fuzzers fuzz-names
fuzz-names:
	@echo $(FUZZ_NAMES)
fuzzers: $(addprefix $(FB)/,$(FUZZERS))
fuzz: $(if $(T),$(call fuzz_prog,$(T)))
	$(Q)test -n '$(T)' || { echo 'make fuzz T=NAME, one of: $(FUZZ_NAMES)' >&2; exit 2; }
	$(Q)mkdir -p $(FB)/corpus/$(T) $(FB)/crash
	$(call fuzz_prog,$(T)) -max_total_time=$(TIME) -timeout=10 -rss_limit_mb=2048 \
	    -print_final_stats=1 -verbosity=1 -artifact_prefix=$(FB)/crash/$(T)- \
	    $(FUZZ_ARGS) $(FB)/corpus/$(T) $(call fuzz_seed,$(T))

# Replaying needs no clang: the same file, a main() that reads files.
REPLAYS := $(addprefix $(B)/replay/,$(FUZZ_NAMES))
REPLAY_O := $(B)/tests/unit/fuzz_replay.o
define replay_rule
$(B)/replay/$(subst /fuzz/fuzz_,-,$(1)): $(B)/$(1).o $(REPLAY_O) $(LIBCAP) $(LIBCFG) \
    $(LIBMULE) $(LIBBER) $(LIBSMTP) $(LIBPMUL)
	@mkdir -p $$(@D)
	$$(link) $$(FUZZ_LIBS)
endef
$(foreach f,$(FUZZERS),$(eval $(call replay_rule,$f)))
$(B)/replay/asn1-cdt: $(CDT_TABLES)
$(B)/%.o: private WARN += $(if $(findstring /fuzz/,$@),-Wno-missing-prototypes)

.PHONY: replay
replay: $(REPLAYS)
	$(Q)set -e; $(foreach t,$(FUZZ_NAMES),$(WRAP) $(B)/replay/$t $(call fuzz_seed,$t);)

# --- checks of the structure -------------------------------------------------

.PHONY: check-purity check-layers check-conformance
check-purity: $(LIBS)
	$(Q)tools/check-purity.sh $(B)
check-layers:
	$(Q)CC='$(CC)' tools/check-layers.sh
check-conformance:
	$(Q)tools/check-conformance.sh

# --- everything --------------------------------------------------------------

.PHONY: packages
packages:
	$(Q).ci/install-packages

# Loaded into muled by tests/test_faults.py.
$(B)/fault.so: tests/faults/fault.c
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -std=c11 -D_GNU_SOURCE -O1 -g $(WARN) -fPIC -shared \
	    -o $@ $<

# Most of their time the whole-program tests wait, so several files of them run
# at once.
WHOLE_JOBS ?= 3
.PHONY: whole
whole: all $(B)/bearer-probe $(B)/fault.so
	$(Q)MULETEER_BUILD='$(B)' $(PYTHON) -m pytest -q -p no:cacheprovider \
	    -n $(WHOLE_JOBS) --dist loadfile tests

.PHONY: check
check: packages
	$(Q)$(MAKE) --no-print-directory all check-layers check-purity check-conformance replay \
	    unit whole

.PHONY: torture
torture: all $(B)/fault.so
	$(Q)TORTURE=1 MULETEER_BUILD='$(B)' $(PYTHON) -m pytest -q -s \
	    -p no:cacheprovider tests/test_faults.py tests/test_powercut.py

.PHONY: demo
demo: packages
	$(Q)$(MAKE) --no-print-directory all
	$(Q)MULETEER_BUILD='$(B)' $(PYTHON) tools/demo.py $(DEMO_ARGS)

# --- measuring ---------------------------------------------------------------

# Debian's header is for C++ in two places.
$(B)/bench/normApi.h: /usr/include/normApi.h
	@mkdir -p $(@D)
	$(Q)sed -e 's/int& addrLen, UINT16& port/int *addrLen, UINT16 *port/' \
	    -e 's/bytesWanted = 0)/bytesWanted)/' $< >$@
$(B)/tools/bench_norm.o: CPPFLAGS += -isystem $(B)/bench
$(B)/tools/bench_norm.o: $(B)/bench/normApi.h
$(B)/bench_norm: $(B)/tools/bench_norm.o
	$(link) -lnorm

# CELLS='muleteer:10:3:* norm:10:3:*' RUNS=5 JOBS=14: see tests/bench/air.py.
.PHONY: bench-air
bench-air:
	$(Q)[ "$$(id -u)" -eq 0 ] || { \
	    echo 'make bench-air needs root, for network namespaces' >&2; exit 2; }
	$(Q).ci/install-packages
	$(Q).ci/install-packages packages-bench
	$(Q)$(MAKE) --no-print-directory $(B)/muled $(B)/bench_norm
	$(Q)set -f; MULETEER_BUILD='$(B)' $(PYTHON) tests/bench/air.py $(CELLS)

# CELLS='muled:10:50:kept postfix:10:50:*' RUNS=3: see tests/bench/queue.py.
.PHONY: bench-cap
bench-cap: $(B)/mulecap
	$(Q)MULETEER_BUILD='$(B)' $(PYTHON) tests/bench/mulecap.py $(CAP_BYTES) \
	    $(CAP_DIR)

.PHONY: bench-queue
bench-queue:
	$(Q)[ "$$(id -u)" -eq 0 ] || { \
	    echo 'make bench-queue needs root, for namespaces' >&2; exit 2; }
	$(Q).ci/install-packages
	$(Q).ci/fetch-mta
	$(Q)$(MAKE) --no-print-directory $(B)/muled
	$(Q)set -f; MULETEER_BUILD='$(B)' $(PYTHON) tests/bench/queue.py $(CELLS)

# TIME=60 RATE=1000 SESSIONS=20: see tests/bench/through.py.
.PHONY: bench-through
bench-through: $(B)/muled
	$(Q)TIME='$(TIME)' MULETEER_BUILD='$(B)' $(PYTHON) tests/bench/through.py

# --- installing --------------------------------------------------------------

INSTALL := install
BINDIR := $(PREFIX)/bin
SBINDIR := $(PREFIX)/sbin
MANDIR := $(PREFIX)/share/man
DOCDIR := $(PREFIX)/share/doc/muleteer

.PHONY: install uninstall
install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) \
	    $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 \
	    $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(DOCDIR) \
	    $(DESTDIR)$(DATADIR)/channels
	$(INSTALL) -m 0755 $(B)/muled $(DESTDIR)$(SBINDIR)
	$(INSTALL) -m 0755 $(B)/mulectl $(B)/mulelink $(B)/mulecap $(DESTDIR)$(BINDIR)
	$(INSTALL) -m 0644 doc/man/*.1 $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 0644 doc/man/*.5 $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 0644 doc/man/*.8 $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 0644 config/channels/*.yaml $(DESTDIR)$(DATADIR)/channels
	$(INSTALL) -m 0644 README.md CHANGES.md LICENSE doc/*.md \
	    config/samples/*.yaml $(DESTDIR)$(DOCDIR)
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/muled $(DESTDIR)$(BINDIR)/mulectl \
	    $(DESTDIR)$(BINDIR)/mulelink $(DESTDIR)$(BINDIR)/mulecap \
	    $(DESTDIR)$(MANDIR)/man1/mulecap.1 $(DESTDIR)$(MANDIR)/man1/mulectl.1 \
	    $(DESTDIR)$(MANDIR)/man1/mulelink.1 \
	    $(DESTDIR)$(MANDIR)/man5/muled.yaml.5 $(DESTDIR)$(MANDIR)/man8/muled.8
	rm -rf $(DESTDIR)$(DOCDIR) $(DESTDIR)$(DATADIR)

.PHONY: lint
lint:
	$(Q)tools/lint.sh

.PHONY: cover
cover:
	$(Q)find build-cov -name '*.gcda' -delete 2>/dev/null || :
	$(Q)$(MAKE) --no-print-directory COV=1 unit whole
	$(Q)gcovr -r . --object-directory build-cov -e '.*/(test|fuzz)/' -e tests/

.PHONY: clean
clean:
	rm -rf build build-*

-include $(shell find $(B) $(FB) -name '*.d' 2>/dev/null)
