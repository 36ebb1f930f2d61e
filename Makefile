# make               all programs, into bin/
# make ch4           the programs of one chapter
# make ppworker      one program
# make demo          watch a scene play: clients, workers, and a fault
# make demo-NAME     watch that pattern's scene        (make demos lists them)
# make trace-NAME    the messages of that scene, from both ends (FORMAT=mermaid, svg)
# make pictures      draw the messages of the patterns' faults: test/bench/*.svg
# make test          prove that the patterns hold      (T=test/ch2-envelopes.bats for one)
#                    WITH=DIR: programs in DIR, in any language, replace ours
# make hammer        the same scenes, with the full numbers
# make break-NAME    an exercise: a defect, and the test that fails (make breaks)
# make breaks-check  expect of all of them that the test fails
# make diff A=spqueue B=ppqueue   what differs between two programs
# make bench         what the patterns cost          (C=mdbroker for one case)
# make plot          draw what they do in a fault: test/bench/faults.svg
# make copy P=NAME DEST=DIR    one program, ready to build in DIR
# make deps          install what all this needs
# make asan, tsan    make test under the sanitizers
# make lint          warnings as errors, formatting, shell scripts
# make format        format the C files as make lint expects them
# make portable      compile all for musl, macOS, FreeBSD and a 32-bit processor
# make clean         remove all that was built

CFLAGS     ?= -O2 -g
WARNINGS   ?= -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wvla
PKG_CONFIG ?= pkg-config
BIN        ?= bin
JOBS       ?= 8
T          ?= $(if $(WITH),$(wire_tests),$(all_tests))
CLANG_FORMAT ?= clang-format

# Those that take longest begin first.
long_test   = $(wildcard test/contract.bats test/ch5-clone.bats test/ch4-binary-star.bats \
                test/contract-wire.bats test/trace.bats test/ch4-titanic.bats)
all_tests   = $(long_test) $(filter-out $(long_test),$(sort $(wildcard test/*.bats)))
# The files with tests of the wire that name a program in WITH.
wire_tests  = $(shell grep -lwE "$$(ls $(WITH) | paste -sd '|' -)" \
                $$(grep -lE 'tags=.*\<wire\>' test/*.bats))

ZMQ_CFLAGS  = $(shell $(PKG_CONFIG) --cflags libzmq 2>/dev/null)
ZMQ_LIBS    = $(shell $(PKG_CONFIG) --libs libzmq 2>/dev/null || echo -lzmq)
ALL_CFLAGS  = -std=gnu11 -Icommon $(chapters:%=-I%) $(WARNINGS) $(CPPFLAGS) \
              $(CFLAGS) -MMD -MP $(ZMQ_CFLAGS)
ALL_LIBS    = $(LDLIBS) $(ZMQ_LIBS) -lpthread

# A .c file with a .h file of the same name is a class, any other a program.
chapters := $(sort $(wildcard ch?-*))
headers  := $(wildcard ch?-*/*.h)
classes  := $(wildcard $(headers:.h=.c))
bins      = $(patsubst %.c,$(BIN)/%,$(notdir $(filter-out $(classes),$1)))
programs := $(sort $(call bins,$(wildcard ch?-*/*.c)))
tools    := $(call bins,$(wildcard test/*.c))
meters   := $(call bins,$(wildcard test/bench/*.c))

missing := $(strip $(foreach t,$(T),$(if $(wildcard $t),,$t)))
ifneq ($(missing),)
$(error no test file $(missing): T=test/NAME.bats names one, T='test/ch3-*.bats' several)
endif

all: $(programs)

# The classes that a program is made of, one line each.
$(BIN)/titanic $(BIN)/tsptest: $(BIN)/obj/tsplog.o
$(BIN)/ticlient: $(BIN)/obj/mdcliapi.o
$(BIN)/mdclient: $(BIN)/obj/mdcliapi.o
$(BIN)/mdworker: $(BIN)/obj/mdwrkapi.o
$(BIN)/mdclient2: $(BIN)/obj/mdcliapi2.o
$(BIN)/mmiecho: $(BIN)/obj/mdcliapi.o
$(BIN)/bstarsrv2 $(BIN)/bstarapp: $(BIN)/obj/bstar.o
$(BIN)/flclient3 $(BIN)/flecho: $(BIN)/obj/flcliapi.o
$(BIN)/clonesrv1 $(BIN)/clonecli1 $(BIN)/clonecli2: $(BIN)/obj/table.o
$(BIN)/clonesrv2 $(BIN)/clonesrv3 $(BIN)/clonesrv4: $(BIN)/obj/snapshots.o \
                $(BIN)/obj/table.o
$(BIN)/clonesrv5: $(BIN)/obj/kvmsg.o $(BIN)/obj/snapshots.o $(BIN)/obj/table.o
$(BIN)/clonecli3 $(BIN)/clonecli4 $(BIN)/clonecli5: $(BIN)/obj/replica.o \
                $(BIN)/obj/kvmsg.o $(BIN)/obj/table.o
$(BIN)/clonesrv6: $(BIN)/obj/pending.o $(BIN)/obj/replica.o \
                $(BIN)/obj/snapshots.o $(BIN)/obj/kvmsg.o $(BIN)/obj/table.o \
                $(BIN)/obj/bstar.o
$(BIN)/clonecli6 $(BIN)/cloneapp: $(BIN)/obj/clone.o $(BIN)/obj/replica.o \
                $(BIN)/obj/kvmsg.o $(BIN)/obj/table.o
$(BIN)/clonecheck: $(BIN)/obj/replica.o $(BIN)/obj/snapshots.o \
                $(BIN)/obj/pending.o $(BIN)/obj/kvmsg.o $(BIN)/obj/table.o
$(BIN)/kvtest: $(BIN)/obj/kvmsg.o $(BIN)/obj/table.o $(BIN)/obj/pending.o \
                $(BIN)/obj/replica.o
$(BIN)/lvcache: $(BIN)/obj/table.o
$(BIN)/udpping2: $(BIN)/obj/udplib.o
$(BIN)/udpping3: $(BIN)/obj/interface.o $(BIN)/obj/udplib.o

$(BIN)/%: $(BIN)/obj/%.o
	@echo '  LD  $(@F)'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

vpath %.c $(chapters) test test/bench
$(BIN)/obj/%.o: %.c Makefile $(BIN)/obj/flags
	@echo '  CC  $(@F)'
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<
-include $(wildcard $(BIN)/obj/*.d)

# This file holds the compiler and the flags of the last build. Others build all again.
flags = $(strip $(CC) $(ALL_CFLAGS) $(LDFLAGS) $(ALL_LIBS))
ifneq ($(strip $(shell cat $(BIN)/obj/flags 2>/dev/null)),$(flags))
.PHONY: $(BIN)/obj/flags
endif
# "make deps demo" installs before it builds, with -j too.
$(BIN)/obj/flags: | $(filter deps,$(MAKECMDGOALS))
	@mkdir -p $(@D)
	@command -v $(firstword $(CC)) >/dev/null || \
	{ echo 'the compiler $(firstword $(CC)) is missing: run "make deps", or name another: make CC=gcc' >&2; exit 1; }
	@echo '#include <zmq.h>' | $(CC) $(CPPFLAGS) $(ZMQ_CFLAGS) -E - >/dev/null 2>&1 || \
	{ echo 'libzmq is missing: run "make deps"' >&2; exit 1; }
	@echo '$(subst ','\'',$(flags))' >$@

.SECONDEXPANSION:
short := $(foreach c,$(chapters),$(firstword $(subst -, ,$c)))
$(short): %: $$(call bins,$$(wildcard $$*-*/*.c))
$(notdir $(programs) $(tools) $(meters)): %: $(BIN)/%

test check: all $(tools) $(BIN)/trace.so
	BIN=$(BIN) prove $(PROVE) --comments -j$(JOBS) \
	  -e 'bats$(if $(WITH), --filter-tags wire)' $(T)

hammer: # the full numbers need the machine
	HAMMER=1 $(MAKE) test JOBS=2

bench: all $(tools) $(meters)
	@BIN=$(BIN) test/bench/bench $(C)

plot: all $(tools) $(BIN)/bare
	@BIN=$(BIN) test/bench/faults
	@LC_ALL=C awk -f test/bench/faults.awk $(BIN)/faults.tsv >test/bench/faults.svg
	@LC_ALL=C awk -v text=1 -f test/bench/faults.awk $(BIN)/faults.tsv

demo: demo-paranoid-pirate
demo-%: all $(tools)
	@BIN=$(BIN) test/demo $*
# Not all systems can build and preload it: test/trace/trace says so.
$(BIN)/trace.so: test/preload/trace.c $(BIN)/obj/flags
	@echo '  CC  $(@F)'
	@$(CC) $(ALL_CFLAGS) -MF $(BIN)/obj/trace.so.d -shared -fPIC -o $@ $< -ldl || \
	echo 'trace.so was not built: make trace-NAME does not work here'

trace-%: all $(tools) $(BIN)/trace.so
	@BIN=$(BIN) test/trace/trace $*
pictures: all $(tools) $(BIN)/trace.so
	@BIN=$(BIN) test/trace/pictures $(P)
break-%: all $(tools)
	@BIN=$(BIN) test/break $*
breaks-check: all $(tools)
	@BIN=$(BIN) test/break -c
breaks:
	@test/break -l
diff:
	@test/diff '$(A)' '$(B)'
demos:
	@sed -n 's/^# bats test_tags=demo:/make demo-/p' test/*.bats

# Sanitized programs are slow, above all at their end.
asan: SAN = address,undefined
tsan: SAN = thread
tsan: export TSAN_OPTIONS = suppressions=$(CURDIR)/test/tsan.supp atexit_sleep_ms=100
asan tsan: export WAIT_S = 60
asan tsan: export SLACK_MS = 10000
asan tsan: export TIMEOUT = 400
asan tsan: T = $(filter-out test/tree.bats test/readme.bats test/trace.bats \
                       test/breaks.bats,$(all_tests))
asan tsan: | $(filter deps,$(MAKECMDGOALS))
	$(MAKE) test BIN=bin-$@ JOBS=4 T='$(T)' \
	CFLAGS='-O1 -g -fno-omit-frame-pointer -DZG_GRACE_S=8 -fsanitize=$(SAN)'

lint: | $(filter deps-lint,$(MAKECMDGOALS))
	$(MAKE) all tools BIN=bin-lint/$(CC) CFLAGS='-O2 -Werror'
	@if $(CLANG_FORMAT) --version | grep -q 'version 14\.'; then \
	  $(CLANG_FORMAT) --dry-run -Werror $(formatted); \
	else \
	  echo 'skipped: formatting is that of clang-format 14'; \
	fi
	shellcheck -S warning -x test/demo test/copy test/deps test/break test/diff test/*.bash \
	  .ci/run test/portable/check \
	  test/trace/trace test/trace/pictures \
	  test/bench/bench test/bench/code-lines test/bench/faults \
	  test/bench/stamp test/bench/*.bash
	shellcheck -S warning -x -s bats test/*.bats

formatted = $(wildcard common/*.h ch?-*/*.[ch] test/*.[ch] test/*/*.[ch])
format:
	$(CLANG_FORMAT) -i $(formatted)

portable: | $(filter deps-lint,$(MAKECMDGOALS))
	@CC='$(CC)' test/portable/check

tools: $(tools) $(meters)

deps-lint: | $(filter deps,$(MAKECMDGOALS))
	@$(MAKE) -s deps APT='clang clang-format shellcheck musl-tools'

copy: | $(filter deps,$(MAKECMDGOALS))
	@test/copy '$(P)' '$(DEST)'

# What building, testing and watching take: a C compiler, libzmq, pkg-config,
# bats, prove (part of perl) and ip (for tests that cut a network).
APT = gcc libc6-dev libzmq3-dev pkg-config bats perl iproute2 procps util-linux
deps:
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' ZMQ_CFLAGS='$(ZMQ_CFLAGS)' test/deps $(APT)

clean:
	rm -rf bin bin-asan bin-tsan bin-lint

help:
	@sed -n 's/^# //p; /^$$/q' Makefile

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all test check hammer demo demos asan tsan lint format portable tools copy deps \
        deps-lint clean help bench plot pictures breaks breaks-check diff $(short) \
        $(notdir $(programs) $(tools) $(meters))
