# The READMEs: commands print the lines below them; links and names exist.

load helpers

readmes() {
  (cd "$root" && ls README.md CONTRIBUTING.md ch?-*/README.md test/bench/README.md)
}

# block COMMAND - print the indented block of the front page that begins with it
block() {
  awk -v first="    \$ $1" '
    $0 == first { inside = 1 }
    inside && !/^    / { exit }
    inside { print substr($0, 5) }' "$root/README.md"
}

# Type the commands of a block into a shell in a new network namespace, each after
# the lines before it have been printed. Expect these lines and no others.
prints_what_it_shows() {
  local line shown=0 namespace=(unshare -n)
  may_make_networks || skip 'no right to make network namespaces'
  if ((EUID != 0)); then namespace=(unshare -rn); fi
  block "$1" >block
  [[ -s block ]]
  grep -v '^\$ ' block >expected
  ln -s "$bin" bin
  mkfifo keyboard
  exec {keyboard}<>keyboard
  # A shell reports killed jobs on its stderr, so the jobs have another one. With the
  # shell, which is process 1 of its namespace, all jobs end.
  start shell "${namespace[@]}" --pid --fork --kill-child bash -c '
    ip link set lo up
    exec 3>&2 2>shell.messages
    while read -r line; do eval "${line/%&/2>&3 &}"; done <keyboard
    wait'
  while IFS= read -r line; do
    if [[ $line == '$ '* ]]; then
      printf '%s\n' "${line#\$ }" >&"$keyboard"
    else
      shown=$((shown + 1))
      wait_until eval "((\$(wc -l <shell.log) >= $shown))"
      diff <(head -n "$shown" expected) <(head -n "$shown" shell.log)
    fi
  done <block
  exec {keyboard}>&-
  ends shell
  diff expected shell.log
}

# Print the links of a README to files of the tree.
links() {
  awk '/^```/ { code = !code } !code && !/^    /' "$root/$1" \
    | grep -oE '\]\([^)# ]+' | sed 's/^](//' | grep -v '^https\?:'
}

@test "readme: the first command prints the lines below it" {
  prints_what_it_shows 'bin/lbbroker -c 1'
}

@test "readme: a worker killed by hand loses no request, and prints the lines shown" {
  prints_what_it_shows 'bin/ppqueue &'
}

@test "contributing: the example of a scene passes" {
  sed -n '/^    @test/,/^    }$/s/^    //p' "$root/CONTRIBUTING.md" >example
  grep -q '^  stop client$' example
  # shellcheck disable=SC1090
  . <(sed '1s/.*/scene() {/' example)
  scene
}

@test "readme: every link leads to a file" {
  local readme link count=0
  for readme in $(readmes); do
    for link in $(links "$readme"); do
      [[ -e $root/$(dirname "$readme")/$link ]] || fail "$readme: $link"
      count=$((count + 1))
    done
  done
  ((count > 100))
}

@test "readme: every demo that is named exists" {
  local name
  readmes | (cd "$root" && xargs cat Makefile) | tr '\n' ' ' \
    | grep -oE 'make +(demo|trace)-[a-z0-9-]+' | sed -E 's/^make *(demo|trace)-//' \
    | sort -u >named
  [[ -s named ]]
  while IFS= read -r name; do
    grep -qx "# bats test_tags=demo:$name" "$root"/test/*.bats || fail "make demo-$name"
  done <named
}

@test "readme: each term of the glossary stands in the file that it names" {
  local file fragment count=0
  while IFS=$'\t' read -r file fragment; do
    grep -qF -- "$fragment" "$root/$file" || fail "$file has no '$fragment'"
    count=$((count + 1))
  done < <(sed -n '/^## Glossary/,/^## Tests/s/^|.*](\([^)]*\)) `\(.*\)` |$/\1\t\2/p' \
    "$root/README.md")
  ((count == $(sed -n '/^## Glossary/,/^## Tests/p' "$root/README.md" | grep -c '^|') - 2))
}

@test "readme: each question leads to a chapter, and to a program of that chapter" {
  local program number chapter count=0
  while IFS=$'\t' read -r program number chapter; do
    [[ $chapter == ch"$number"-* && $program == "$chapter"/*.c ]] || fail "$program"
    [[ -e $root/$program && -e $root/$chapter/README.md ]] || fail "$program"
    count=$((count + 1))
  done < <(sed -n '/^## What is your/,/^## Copy/s/^|.*](\([^)]*\)) | \[\(.\)\](\([^)]*\)\/README.md) |$/\1\t\2\t\3/p' \
    "$root/README.md")
  ((count == $(sed -n '/^## What is your/,/^## Copy/p' "$root/README.md" | grep -c '^|') - 2))
}

@test "readme: the tables of costs count the code lines of today" {
  local pattern lines
  while IFS=: read -r pattern lines; do
    grep -qF "| $pattern |$lines |" "$root"/ch*/README.md || fail "$pattern has$lines"
  done < <("$root/test/bench/code-lines")
}

# A README says "make diff A=x B=y (5 lines added, 3 removed)".
@test "readme: the programs of each make diff differ in the number of lines shown" {
  local a b numbers count=0
  for readme in $(readmes); do tr -s '\n ' ' ' <"$root/$readme"; done \
    | grep -oE 'make diff A=\w+ B=\w+`?( \([0-9]+ lines added, [0-9]+ removed\))?' \
    | sed -E 's/make diff A=(\w+) B=(\w+)`?( \((.*)\))?/\1\t\2\t\4/' >shown
  while IFS=$'\t' read -r a b numbers; do
    run -0 "$root/test/diff" -n "$a" "$b"
    if [[ $numbers ]]; then
      [[ $output == "$numbers" ]] || fail "$a $b: $output"
      count=$((count + 1))
    fi
  done <shown
  ((count >= 10))
}

@test "readme: the two commands of a fresh machine are there, and make has their goals" {
  local goal
  grep -qE '^    make deps demo( |$)' "$root/README.md"
  grep -qE '^    make deps test( |$)' "$root/README.md"
  for goal in deps demo test copy hammer bench plot demos pictures breaks breaks-check diff; do
    grep -qE "^$goal( [a-z]+)?:" "$root/Makefile" || fail "make $goal"
  done
}
