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
  kill -INT "${pid_of[demo]}"
  ends demo 130
  run ! pgrep -f "peering1 -i 200 DC1 DC2 DC3"
}
