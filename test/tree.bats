# The tree itself: what make promises, and that a failure is one.

load helpers

# A copy of the tree, to break.
copy_tree() {
  mkdir tree
  (cd "$root" && tar -cf - --exclude='./bin*' --exclude=.git .) | tar -xf - -C tree
}

@test "tree: make fails when one program does not compile" {
  copy_tree
  echo 'int main(void) { return undeclared; }' >tree/ch2-sockets/broken.c
  run ! make -s -k -C tree BIN=bin ch2
  [[ -x tree/bin/psenvpub && ! -e tree/bin/broken ]]
}

@test "tree: make test fails when one test fails" {
  copy_tree
  rm -r tree/test/*.bats tree/test/*.c tree/ch[3-9]*
  # As from a shell of its own: this one is full of what bats has set.
  make_test() { env -i PATH=/usr/local/bin:/usr/bin:/bin make -s -C tree test; }
  printf '@test "fails" {\n  [[ 1 -eq 2 ]]\n}\n' >tree/test/one.bats
  run ! make_test
  [[ $output == *'Result: FAIL'* ]]
  printf '@test "passes" {\n  [[ 1 -eq 1 ]]\n}\n' >tree/test/one.bats
  run -0 make_test
}

@test "tree: a changed header rebuilds what includes it, and nothing else" {
  copy_tree
  make -s -C tree BIN=bin psenvpub psenvsub
  run -0 make -s -C tree BIN=bin --question psenvpub
  touch -d '+1 minute' tree/common/zg.h
  run ! make -s -C tree BIN=bin --question psenvpub
}

@test "tree: without libzmq, help works, and make says in a line what to do" {
  copy_tree
  # A compiler that finds no zmq.h, and no pkg-config.
  printf '#!/bin/sh\ncase "$*" in *-E*) exit 1;; esac\nexec cc "$@"\n' >cc-without
  chmod +x cc-without
  run -0 make -s -C tree help CC="$PWD/cc-without" PKG_CONFIG=false
  [[ $output == *'make deps'* ]]
  run ! make -s -C tree BIN=bin psenvpub CC="$PWD/cc-without" PKG_CONFIG=false
  [[ ${lines[0]} == 'libzmq is missing: run "make deps"' ]]
}

@test "tree: make names a compiler that is missing" {
  copy_tree
  run ! make -s -C tree BIN=bin psenvpub CC=no-such-compiler
  [[ ${lines[0]} == 'the compiler no-such-compiler is missing: '*'make CC=gcc' ]]
}

@test "tree: other flags build all again, and the same flags nothing" {
  copy_tree
  make -s -C tree BIN=bin CFLAGS=-O0 psenvpub
  run -0 make -s -C tree BIN=bin --question CFLAGS=-O0 psenvpub
  run ! make -s -C tree BIN=bin --question CFLAGS='-O0 -DX="a b"' psenvpub
  make -s -C tree BIN=bin CFLAGS='-O0 -DX="a b"' psenvpub
  run -0 make -s -C tree BIN=bin --question CFLAGS='-O0 -DX="a b"' psenvpub
}

@test "tree: make test says which test file is missing" {
  run ! make -s -C "$root" test T=ch3
  [[ $output == *"no test file ch3: T=test/NAME.bats names one"* ]]
}

@test "tree: make copy without a name, and of a class, says what to copy" {
  run ! make -s -C "$root" copy
  [[ ${lines[0]} == 'use: make copy P=NAME DEST=DIR, for example '* ]]
  run ! make -s -C "$root" copy P=kvmsg DEST="$PWD/copy"
  [[ ${lines[0]} == 'kvmsg is a class: copy a program that uses it: clonecli5 clonesrv5 '* ]]
  [[ ! -e copy ]]
}

@test "tree: make lint checks the formatting with clang-format 14 only" {
  copy_tree
  printf '#!/bin/sh\necho "Debian clang-format version $VERSION"\n' >format
  printf '#!/bin/sh\n' >shellcheck
  chmod +x format shellcheck
  rm -r tree/ch[3-9]* tree/test/*.c tree/test/bench/*.c
  lint() { VERSION=$1 PATH="$PWD:$PATH" make -s -C tree lint CLANG_FORMAT="$PWD/format"; }
  run -0 lint 19.1.7
  [[ $output == *'skipped: formatting is that of clang-format 14'* ]]
  run -0 lint 14.0.6
  [[ $output != *skipped* ]]
}

# tools NAME... - a folder bin with these commands and no others but what deps needs
tools() {
  local name
  rm -rf bin
  mkdir bin
  for name in sh id grep cat "$@"; do ln -s "$(type -P $name || type -P true)" bin/$name; done
}

@test "tree: make deps prints the command of other package managers, sudo if it is there" {
  local manager root_id=
  if ((EUID == 0)); then root_id=yes; fi
  for manager in dnf apk pacman brew pkg; do
    tools $manager
    run -1 env -i PATH="$PWD/bin" "$root/test/deps" gcc
    [[ ${lines[0]} == 'Missing: cc bats prove zmq.h' ]]
    [[ ${lines[2]} == *"$manager "* && ${lines[2]} != *sudo* ]]
    if [[ $root_id || $manager == brew ]]; then continue; fi
    tools $manager sudo
    run -1 env -i PATH="$PWD/bin" "$root/test/deps" gcc
    [[ ${lines[2]} == *"sudo $manager "* ]]
  done
  # All is there: nothing to do.
  tools pacman bats prove
  printf '#!/bin/sh\nexit 0\n' >bin/cc
  chmod +x bin/cc
  run -0 env -i PATH="$PWD/bin" "$root/test/deps" gcc
  [[ ! $output ]]
}

@test "tree: make deps as a user without sudo gives advice without it" {
  tools apt-get dpkg-query
  printf '#!/bin/sh\necho 1000\n' >id
  chmod +x id
  mv id bin/id
  run -1 env -i PATH="$PWD/bin" "$root/test/deps" no-such-package
  [[ ${lines[1]} == '  as root: apt-get install '*no-such-package ]]
  [[ $output != *sudo* ]]
}

@test "tree: every source compiles for musl, macOS, FreeBSD and a 32-bit processor" {
  if ! command -v musl-gcc; then skip 'no musl-gcc: make deps-lint installs it'; fi
  copy_tree
  # What one of them lacks is found.
  {
    printf '#include <endian.h>\n#include <sys/socket.h>\n'
    cat tree/ch2-sockets/psenvpub.c
    echo 'int no_macos(void); int no_macos(void) { return fdatasync(0); }'
    echo 'int no_freebsd(void); int no_freebsd(void) { return MSG_MORE; }'
    echo 'long no_32_bits(void); long no_32_bits(void) { return 5000000000; }'
  } >tree/broken.c
  rm tree/ch[3-8]*/*.c tree/test/*.c tree/test/bench/*.c
  mv tree/broken.c tree/ch2-sockets/psenvpub.c
  cp "$root/test/zpeer.c" tree/test/
  cp "$root/test/bench/flow.c" tree/test/bench/
  run ! make -s -C tree portable
  [[ $output == *'#include<endian.h>'* && $output == *'macos: FAILED'* ]]
  [[ $output == *'freebsd: FAILED'* && $output == *'32-bit: FAILED'* ]]
  [[ $output == *'musl: 4 files compiled'* ]]
}

@test "tree: it builds with clang or without optimisation, flags and pkg-config" {
  copy_tree
  make -s -j4 -C tree BIN=bin ch2 CFLAGS= PKG_CONFIG=false
  if command -v clang; then
    make -s -j4 -C tree BIN=bin-clang ch2 CC=clang CFLAGS=-Werror
  fi
}

@test "tree: make deps has nothing to do when all is there" {
  if ! command -v apt-get; then return; fi
  run -0 make -s -C "$root" deps
  [[ ! $output ]]
}

@test "tree: the one header is the only thing in common, and small" {
  [[ $(ls "$root/common") == zg.h ]]
  [[ $(wc -l <"$root/common/zg.h") -le 350 ]]
}

@test "tree: the top level holds the chapters, common, test and the front page" {
  run -0 git -C "$root" ls-files
  sed 's,/.*,,; /^\./d' <<<"$output" | sort -u >names
  diff - names <<'END'
CONTRIBUTING.md
LICENSE
Makefile
README.md
ch2-sockets
ch3-advanced-reqrep
ch4-reliability
ch5-pubsub
ch6-community
ch8-p2p
common
test
END
}

@test "tree: every program is named in the README of its chapter, and in a test" {
  local program chapter
  for program in "$root"/ch?-*/*.c; do
    if [[ -e ${program%.c}.h ]]; then continue; fi    # a class
    chapter=$(dirname "$program")
    program=$(basename "$program" .c)
    grep -qw "$program" "$chapter/README.md" || fail "$program is not in $chapter/README.md"
    grep -qw "$program" "$root"/test/*.bats || fail "no test names $program"
  done
}

@test "tree: every source says its licence, and no line is too long" {
  local file
  for file in "$root"/{common,ch?-*,test}/*.[ch]; do
    [[ $(head -n 1 "$file") == '/* SPDX-License-Identifier: 0BSD */' ]] || fail "$file"
    run ! grep -nE '^.{81}' "$file"
  done
}

@test "tree: a demo and a trace that need a network say so in one line" {
  mkdir without
  printf '#!/bin/sh\nexit 1\n' >without/unshare
  chmod +x without/unshare
  # A demo is played by a person, and so without CI.
  run -0 env -u CI PATH="$PWD/without:$PATH" "$root/test/demo" discovery
  [[ $output == 'skipped: no right to make network namespaces' ]]
  if [[ -e $bin/trace.so ]]; then
    run -0 env -u CI BIN="$bin" PATH="$PWD/without:$PATH" "$root/test/trace/trace" discovery
    [[ $output == 'skipped: no right to make network namespaces' ]]
  fi
}

@test "tree: a demo and a trace have decimal points in every locale" {
  if ! locale -a 2>/dev/null | grep -q '^de_DE.utf8$'; then skip 'no German locale'; fi
  local -x LC_ALL=de_DE.UTF-8
  run -0 "$root/test/demo" identity
  grep -qE '^ *[0-9]+\.[0-9]{3}  identity ' <<<"$output"
  if [[ ! -e $bin/trace.so ]]; then return; fi
  run -0 env BIN="$bin" "$root/test/trace/trace" identity
  grep -qE '^ *[0-9]+\.[0-9]{3} +\+[0-9]+\.[0-9] ' <<<"$output"
}

@test "tree: a demo plays its scene, in colour only on a terminal, and leaves nothing" {
  run "$root/test/demo" identity
  echo "$output"
  [[ $status -eq 0 ]]
  [[ $output == *'identity   [005] PEER2'* && $output != *$'\e'* ]]
  run -2 "$root/test/demo" nothing
  # Ctrl-C in the middle: all that it started ends with it.
  # shellcheck disable=SC2016
  start demo perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$root/test/demo" peering1
  wait_for demo 'workers idle' 3
  signal INT demo
  ends demo 130
  run ! pgrep -f "peering1 -i 200 DC1 DC2 DC3"
}

@test "helpers: a signal does not reach a stranger with the process id of an ended program" {
  needs_linux 'process ids of its own'
  run unshare -rpf --mount-proc true
  if ((status != 0)); then skip 'no right to make a namespace of process ids'; fi
  cat >scene <<'END'
BATS_TEST_DIRNAME=$1 BATS_TEST_TMPDIR=$PWD
bats_require_minimum_version() { :; }
. "$BATS_TEST_DIRNAME/helpers.bash"
setup
start program true
wait_until ended program
pid=${pid_of[program]}
bash -c "echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid; sleep infinity & wait" &
wait_until kill -0 "$pid" 2>/dev/null
ended program && ! signal KILL program && kill -0 "$pid" && echo alive
END
  run -0 unshare -rpf --mount-proc bash scene "$BATS_TEST_DIRNAME"
  [[ $output == alive ]]
}
