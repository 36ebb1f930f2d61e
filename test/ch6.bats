# Chapter 6 without its files (ch6-file*.bats).

load helpers

# bats test_tags=demo:xpub-verbose
@test "xpubverbose: told once, told of each who comes, told of each who comes and goes" {
  note 'three subscribers to one topic come and go, in three ways'
  start publisher xpubverbose
  ends publisher
  diff - publisher.log <<'END'
without an option
  subscriber 1 comes: subscribe 'A'
  subscriber 2 comes: nothing
  subscriber 3 comes: nothing
  subscriber 1 goes: nothing
  subscriber 2 goes: nothing
  subscriber 3 goes: unsubscribe 'A'
ZMQ_XPUB_VERBOSE
  subscriber 1 comes: subscribe 'A'
  subscriber 2 comes: subscribe 'A'
  subscriber 3 comes: subscribe 'A'
  subscriber 1 goes: nothing
  subscriber 2 goes: nothing
  subscriber 3 goes: unsubscribe 'A'
ZMQ_XPUB_VERBOSER
  subscriber 1 comes: subscribe 'A'
  subscriber 2 comes: subscribe 'A'
  subscriber 3 comes: subscribe 'A'
  subscriber 1 goes: unsubscribe 'A'
  subscriber 2 goes: unsubscribe 'A'
  subscriber 3 goes: unsubscribe 'A'
END
}

@test "xpubverbose: any number of subscribers" {
  local n events
  for n in 0 1 2 100; do
    events=$(xpubverbose -c $n | grep -c "subscribe 'A'" || :)
    # Two; one for each who comes, and one; one for each who comes or goes.
    ((events == (n > 0 ? 2 + n + 1 + 2 * n : 0))) || fail "$n: $events"
  done
  run -2 xpubverbose -c 101
}
