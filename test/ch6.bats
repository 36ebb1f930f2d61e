# What an XPUB reports about its subscribers. File transfer is in ch6-file*.bats.

load helpers

# bats test_tags=demo:xpub-verbose
@test "xpubverbose: it reports the first and last subscription, each new one, or each change" {
  note 'three subscribers subscribe to one topic and unsubscribe, with each option'
  start publisher xpubverbose
  ends publisher
  diff - publisher.log <<'END'
without an option
  subscriber 1 subscribes: subscribe 'A'
  subscriber 2 subscribes: nothing
  subscriber 3 subscribes: nothing
  subscriber 1 unsubscribes: nothing
  subscriber 2 unsubscribes: nothing
  subscriber 3 unsubscribes: unsubscribe 'A'
ZMQ_XPUB_VERBOSE
  subscriber 1 subscribes: subscribe 'A'
  subscriber 2 subscribes: subscribe 'A'
  subscriber 3 subscribes: subscribe 'A'
  subscriber 1 unsubscribes: nothing
  subscriber 2 unsubscribes: nothing
  subscriber 3 unsubscribes: unsubscribe 'A'
ZMQ_XPUB_VERBOSER
  subscriber 1 subscribes: subscribe 'A'
  subscriber 2 subscribes: subscribe 'A'
  subscriber 3 subscribes: subscribe 'A'
  subscriber 1 unsubscribes: unsubscribe 'A'
  subscriber 2 unsubscribes: unsubscribe 'A'
  subscriber 3 unsubscribes: unsubscribe 'A'
END
}

@test "xpubverbose: the number of reports is right for 0 to 100 subscribers" {
  local n events
  for n in 0 1 2 100; do
    events=$(xpubverbose -c $n | grep -c "subscribe 'A'" || :)
    # Without an option 2; VERBOSE: each new one and the end; VERBOSER: each change.
    ((events == (n > 0 ? 2 + n + 1 + 2 * n : 0))) || fail "$n: $events"
  done
  run -2 xpubverbose -c 101
}
