# The exercises of make break-NAME: the named test fails because of the defect.

load helpers

@test "breaks: each defect can still be put into its program" {
  run -0 "$root/test/break" -a
  [[ ! $output ]]
}

@test "breaks: each names a test that exists, and has a question and an answer" {
  local break file title count=0
  for break in "$root"/test/breaks/*[!l]; do
    IFS=: read -r _ file title < <(grep '^test: ' "$break")
    grep -qF "@test \"${title# }\" {" "$root/test/${file# }" || fail "$break: $title"
    grep -q '^question: .' "$break"
    grep -q '^answer: .' "$break"
    count=$((count + 1))
  done
  ((count >= 60))
}

@test "breaks: the README of a chapter names those of its programs" {
  local break name chapter
  for break in "$root"/test/breaks/*[!l]; do
    name=$(basename "$break")
    chapter=$(sed -n 's,^--- \(ch[^/]*\)/.*,\1,p' "$break" | head -n 1)
    grep -qE "(^|[^a-z0-9-])$name([^a-z0-9-]|$)" "$root/$chapter/README.md" || fail "$name"
  done
}

# Three of them in make test, all in make hammer. With a name in BREAKS, only that.
@test "breaks: the test that each names fails" {
  local names
  if [[ ${BREAKS-} ]]; then
    read -r -a names <<<"$BREAKS"
  elif [[ ${HAMMER-} ]]; then
    run "$root/test/break" -c
    echo "$output"
    [[ $status -eq 0 ]]
    return
  else
    mapfile -t names < <(cd "$root/test/breaks" && printf '%s\n' *[!l] | shuf -n 3)
  fi
  for name in "${names[@]}"; do
    echo "make break-$name"
    BREAK_WAIT_S=3 run "$root/test/break" "$name"
    [[ $status -eq 0 ]] || fail "$output"
  done
}
