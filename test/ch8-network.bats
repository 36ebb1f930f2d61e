# Networks that come, go and change; and what is on the air.

load helpers
load discovery

@test "discovery: without a network, and when it comes, goes, and has another address" {
  hosts a b
  on b ip addr flush dev eth0
  on b ip tuntap add dev tun0 mode tun 2>/dev/null && on b ip link set tun0 up
  node a
  node b
  on b start b2 udpping2
  wait_for b2 '^W: broadcast: Network is unreachable$'
  wait_for b '^W: broadcast: Network is unreachable$'
  run -1 on b timeout "$WAIT_S" udpping1          # which forgives nothing
  [[ $output == *'E: udp://0.0.0.0:9999: Address already in use' ]]
  stop b2
  kill9 b
  run -1 on b timeout "$WAIT_S" udpping1
  [[ $output == *'E: 255.255.255.255: Network is unreachable' ]]
  node b
  wait_for b '^W: broadcast: Network is unreachable$' 2
  on b ip addr add 10.77.0.2/24 dev eth0
  within 1500 all_see_all a b
  wait_for b '^W: broadcast: works again$'
  on b ip link set eth0 down
  wait_for b 'LEFT'
  on b ip addr flush dev eth0
  on b ip addr add 10.77.0.9/24 dev eth0
  on b ip link set eth0 up
  within 1500 all_see_all a b
  # And one that moves while it is seen is the same one.
  on b ip addr add 10.77.0.10/24 dev eth0
  on b ip addr del 10.77.0.9/24 dev eth0
  elapse 2
  all_see_all a b
  [[ $(lines_of a LEFT) -le 1 ]]
}

@test "discovery: by all interfaces, not by the first" {
  hosts a b
  "${in_switch[@]}" nsenter -t "${host_pid[a]}" -n ip link add eth1 type veth peer name eth1 \
    netns "${host_pid[b]}"
  for name in a b; do
    on $name ip addr add "10.88.0.$([[ $name == a ]] && echo 1 || echo 2)/24" dev eth1
    on $name ip link set eth1 up
  done
  ears b ears
  node a
  wait_for ears " 10.77.0.1 $(uuid a)$" 2
  wait_for ears " 10.88.0.1 $(uuid a)$" 2
}

@test "discovery: the beacon is sixteen bytes a second, and the farewell seventeen" {
  hosts a b
  ears b ears
  node a
  wait_for ears "10.77.0.1 $(uuid a)$" 5
  # Never sooner, and a second apart where the machine had time.
  awk '/^[0-9]/ { if (last && (!least || $1 - last < least)) least = $1 - last; last = $1 }
    END { print least; exit !(least > 0.9 && least < 1.15) }' ears.log
  stop a
  wait_for ears "10.77.0.1 $(uuid a)00$" 1
  on a start one udpping1 10.77.0.255
  wait_for ears '10.77.0.1 21$' 2
  stop one
  on a start two udpping2
  wait_for ears '10.77.0.1 21$' 4
  stop two INT
}

@test "discovery: pings find peers by address and port, one a host or many" {
  hosts a b
  node a a udpping1 10.77.0.255
  node b b udpping2
  wait_for a '^Found peer 10\.77\.0\.1:9999$'
  within 1500 wait_for a '^Found peer 10\.77\.0\.2:9999$'
  within 1500 wait_for b '^Found peer 10\.77\.0\.1:9999$'
  run -1 on a timeout "$WAIT_S" udpping1
  [[ $output == *'E: udp://0.0.0.0:9999: Address already in use' ]]
  run -1 on a timeout "$WAIT_S" udpping3          # beside one that does not share
  [[ $output == *'E: udp://0.0.0.0:9999: Address already in use' ]]
  node b2 b udpping2
  from=$(lines_of b 10.77.0.2)
  wait_for b2 '^Found peer 10\.77\.0\.2:9999$' 2
  wait_for b '^Found peer 10\.77\.0\.2:9999$' $((from + 2))
  # A cable that is pulled does them no harm.
  cut b
  elapse 1.2
  heal b
  within 1500 wait_for b '^Found peer 10\.77\.0\.1:9999$' $(($(lines_of b '10\.77\.0\.1') + 1))
  stop a
  stop b
  stop b2
}
