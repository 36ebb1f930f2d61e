# Programs in another language take the place of ours: make test WITH=DIR.

load helpers

# play FILTER - play the tests of the wire of Majordomo that match, with test/wire
play() {
  (cd "$root" && env -u BATS_TEST_NAME -u BATS_RUN_TMPDIR BIN="$bin" WITH=test/wire \
    bats --filter-tags wire -f "$1" test/ch4-majordomo-rfc.bats)
}

@test "wire: a worker in Perl passes the tests of Majordomo in which mdworker plays" {
  command -v perl || skip 'no perl'
  run -0 play 'clause (1|2|15):|clause 10: a worker that is stopped|clause 28'
  [[ $output != *skip* ]]
  (($(grep -c '^ok' <<<"$output") == 6)) || fail "$output"
}

@test "wire: a test that fails names the clause and what it expects" {
  mkdir with
  # A worker that replies with another body.
  sed 's/send_command("\\3", $client, @body)/send_command("\\3", $client, "", "other")/' \
    "$root/test/wire/mdworker" >with/mdworker
  chmod +x with/mdworker
  WITH="$PWD/with" run ! env -u BATS_TEST_NAME -u BATS_RUN_TMPDIR BIN="$bin" \
    bats -f 'clause 2: REQUEST' "$root/test/ch4-majordomo-rfc.bats"
  [[ $output == *"not ok 1 clause 2: REQUEST and REPLY have a service and a body"* ]]
  [[ $output == *'expected [MDPC01][echo][]'*'[MDPC01][echo][other]'* ]]
}
