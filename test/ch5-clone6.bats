# Clone, model 6 (clonesrv6, clonecli6, the class clone): a table that survives the
# death of a server. ch5-clone6-wire.bats has its messages.

load helpers
load clone6

# bats test_tags=demo:clone
@test "clone 6: the table survives the death of either server" {
  if [[ ${SHOW-} ]]; then interval=500; fi
  note 'a pair of servers, and a client that sets keys'
  pair
  writer one -m 5
  wait_for one '^I: ' 3
  kill9 primary
  note 'the backup confirms what the client sets now'
  wait_for backup 'passive -> active: a vote'
  wait_for one '^I: ' $(($(lines_of one '^I: ') + 3))
  note 'the primary restarts, and fetches the table'
  primary
  wait_for primary 'snapshot of [1-9][0-9]* keys'
  kill9 backup
  wait_for primary 'passive -> active: a vote'
  wait_for one '^I: ' $(($(lines_of one '^I: ') + 3))
  stop one
  all_is_kept one
  stop primary
}

@test "clone 6: servers and client start in any order" {
  local order name
  for order in 'primary backup one' 'backup one primary' 'one backup primary'; do
    rm -f ./*.log
    for name in $order; do
      case $name in
      one) writer one -n 2 -m 0 ;;
      *) $name ;;
      esac
      moment 300
    done
    wait_until settled
    ends one
    stop backup
    stop primary
  done
}

@test "clone 6: clients that start long before the servers wait for them" {
  writer one -m 20
  app two "${servers[@]}"
  elapse "$(rounds 2 60)"
  pair
  wait_for one '^I: ' 3
  set_key two /two/k v
  stop one
  stop backup
  stop primary
  tell two end
  ends two
  same_digests two primary backup
}

@test "clone 6: neither a backup alone nor a passive server serves" {
  # shellcheck disable=SC2034
  interval=1000                  # clients ask it while its peer publishes its state
  backup
  wait_for backup 'waiting for'
  [[ ! $(table ipc://b) ]]
  [[ ! $(table ipc://b) ]]
  primary
  wait_until settled
  for _ in {1..5}; do
    [[ ! $(table ipc://b) ]] || fail 'the passive one answers'
  done
  table ipc://a | grep -F '[KTHXBAI]'
  settled
  stop backup
  stop primary
}

@test "clone 6: kills, freezes and restarts lose no confirmed key" {
  local i name count
  pair
  for name in one two three four; do writer "$name" -m 50; done
  app mortal "${servers[@]}"
  for ((i = 0; i < $(rounds 3 30); i++)); do
    wait_until settled
    set_key mortal "/mortal/$i" x
    set_key mortal "/mortal/$i" ''
    moment 500
    name=$(if ((RANDOM % 3)); then active; else passive; fi)
    note "round $i: $name"
    case $(((RANDOM + i) % 3)) in
    0) # killed and restarted
      kill9 "$name"
      elapse 1.5
      $name
      ;;
    1) # at once
      kill9 "$name"
      $name
      ;;
    2)
      freeze "$name"
      elapse 2.5
      thaw "$name"
      ;;
    esac
    elapse 0.5
    count=$(lines_of one '^I: ')
    wait_for one '^I: ' $((count + 3))
  done
  wait_until settled
  for name in one two three four; do
    wait_for "$name" '^I: ' $(($(lines_of "$name" '^I: ') + 3))
    stop "$name"
  done
  set_key mortal /end x
  elapse 2                       # held updates have been passed on
  all_is_kept one two three four
  run ! grep '/mortal/' table
  tell mortal end
  ends mortal
  stop "$(passive)"
  name=$(if [[ ${pid_of[primary]-} ]]; then echo primary; else echo backup; fi)
  stop "$name"
  same_digests mortal primary backup
}

@test "clone 6: both halves of a split serve, and no confirmed key is lost" {
  local i
  hosts p b c
  servers=(tcp://10.77.0.1:5556 tcp://10.77.0.2:5556)
  on p start primary clonesrv6 -p -i "$interval" "${servers[0]}" \
    tcp://10.77.0.1:5003 "${servers[1]}" tcp://10.77.0.2:5003
  on b start backup clonesrv6 -b -i "$interval" "${servers[1]}" \
    tcp://10.77.0.2:5003 "${servers[0]}" tcp://10.77.0.1:5003
  wait_until settled
  on c start one clonecli6 -v -e 0 -t 1000 -m 50 -d /one/ "${servers[@]}"
  mkfifo local.in
  on p start local bash -c "exec 6<>local.in; exec cloneapp ${servers[*]} <&6"
  on p start tap-p zpeer -n 1000000 -t 60000 SUB tcp://10.77.0.1:5557 / HUGZ
  on b start tap-b zpeer -n 1000000 -t 60000 SUB tcp://10.77.0.2:5557 / HUGZ
  wait_for tap-p HUGZ
  wait_for one '^I: ' 5
  for ((i = 0; i < $(rounds 1 10); i++)); do
    set_key local "/local/dead$i" x
    cut p
    wait_for backup 'passive -> active: a vote' $((i + 1))
    set_key local "/local/$i" x
    set_key local "/local/dead$i" ''
    wait_for one '^I: ' $(($(lines_of one '^I: ') + 20))
    elapse 3                     # until nothing waits in any connection to it
    if ((i == 0)); then
      # The new one numbers beyond all that the other gave, unheard of.
      kill9 tap-p
      kill9 tap-b
      grep -F '/local/dead0' tap-p.log
      cat tap-p.log tap-b.log >both.log
      numbers_rise both
      rm tap-p.log tap-b.log both.log
    fi
    heal p
    wait_for backup 'active -> passive' $((i + 1))
    wait_until settled
  done
  wait_for one '^I: ' $(($(lines_of one '^I: ') + 5))
  stop one
  elapse 2                       # held updates have been passed on
  set_key local /local/end x
  elapse 0.5
  for ((i = 0; i < $(rounds 1 10); i++)); do
    expect local "/local/$i" x
    expect local "/local/dead$i" '(nothing)'
  done
  # shellcheck disable=SC2034
  asks=(on p)                   # from where it is asked for the table
  all_is_kept one
  tell local end
  ends local
  stop backup
  stop primary
  same_digests local primary backup
}

@test "clone 6: faults in a simulated network lose no confirmed update" {
  # A seed of its own for each run with HAMMER; the failing one is printed.
  local seed
  seed=$(rounds 1 $((RANDOM * 10000)))
  run -0 clonecheck -n "$(rounds 400 40000)" -t 0 -s "$seed"
  run -0 clonecheck -n "$(rounds 20 2000)" -t 0 -f 12 -s "$seed"
}

@test "clone 6: strangers that take all descriptors do not end the passive server" {
  local at=tcp://127.0.0.1       # libzmq aborts at the limit where it listens on ipc
  start primary clonesrv6 -p -i "$interval" $at:15556 $at:15503 $at:15566 $at:15504
  start backup bash -c "ulimit -n 64; exec clonesrv6 -b -i $interval \
    $at:15566 $at:15504 $at:15556 $at:15503"
  wait_for backup 'snapshot of'
  start strangers perl -MIO::Socket::INET -e 'my @s; for (1 .. 100) {
    push @s, IO::Socket::INET->new(PeerAddr => "127.0.0.1:15566", Timeout => 1) }
    $| = 1; print "connected\n"; sleep'
  wait_for strangers connected
  freeze primary                 # and the passive server has to join it again
  wait_for backup 'W: too many open descriptors: joining later'
  thaw primary
  kill9 strangers
  wait_for backup 'passive -> active'
  table $at:15566 | grep KTHXBAI
  stop backup
  stop primary
}

@test "clone 6: a server whose name cannot be resolved does not delay the client" {
  if ! unshare -nm true 2>/dev/null; then skip 'no right to make namespaces'; fi
  write_silent_name_server
  pair
  start one unshare -nm bash with_silent_name_server.sh \
    clonecli6 -v -m 20 -n 20 -e 0 ipc://a tcp://backup.example:5566
  ends one
  [[ $(lines_of one '^I: /client/') == 20 ]]
  stop backup
  stop primary
}

@test "clone 6: a value of 1 MB is confirmed over a slow line" {
  if [[ ! ${HAMMER-} ]]; then skip 'takes 40 s: make hammer'; fi
  export WAIT_S=100
  hosts p b c
  servers=(tcp://10.77.0.1:5556 tcp://10.77.0.2:5556)
  on c tc qdisc add dev eth0 root tbf rate 1mbit burst 16kb latency 500ms
  on p start primary clonesrv6 -p "${servers[0]}" tcp://10.77.0.1:5003 \
    "${servers[1]}" tcp://10.77.0.2:5003
  on b start backup clonesrv6 -b "${servers[1]}" tcp://10.77.0.2:5003 \
    "${servers[0]}" tcp://10.77.0.1:5003
  wait_until settled
  mkfifo one.in
  on c start one bash -c "exec 6<>one.in; exec cloneapp ${servers[*]} <&6"
  wait_for one 'I: ready'
  tell one blob /blob 1000000
  wait_for one '^same /blob: yes'
  tell one end
  ends one
}
