load helpers

# bats test_tags=demo:identity
@test "identity: a generated id, a chosen id, a reply, and an unknown id" {
  note 'the frames that a ROUTER receives'
  start identity identity
  ends identity
  run -0 cat identity.log
  [[ ${lines[0]} =~ ^-{40}$ && ${lines[1]} =~ ^'[005] 00'[0-9A-F]{8}$ ]]
  [[ ${lines[2]} == '[000] ' && ${lines[4]} =~ ^-{40}$ ]]
  [[ ${lines[5]} == '[005] PEER2' && ${lines[6]} == '[000] ' ]]
  [[ ${lines[8]} == 'PEER2 received: I see you' ]]
  [[ ${lines[9]} == 'PEER3: Host unreachable' ]]
}

@test "identity: generated ids differ from run to run" {
  for _ in 1 2 3 4 5; do identity | sed -n 2p; done | sort -u >ids
  [[ $(wc -l <ids) -eq 5 ]]
}

# ---- Faults ---------------------------------------------------------------------

@test "identity: a signal at any moment ends it with status 0" {
  for _ in $(seq "$(rounds 20 500)"); do
    start identity identity
    wait_until eval "awaits_signals identity 2>/dev/null || ended identity"
    signal INT identity || :
    ends identity
  done
}
