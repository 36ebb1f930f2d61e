# Discovery on networks that fail, return and change; and the datagrams themselves.

load helpers
load discovery

@test "discovery: a node waits for a network, and survives its loss and a change of address" {
  local from
  hosts a b
  on b ip addr flush dev eth0
  # An interface without an address, if this machine can make one.
  on b ip tuntap add dev tun0 mode tun 2>/dev/null && on b ip link set tun0 up
  node a
  node ping b udpping2
  wait_for ping '^W: broadcast: Network is unreachable$'
  stop ping
  run -1 on b timeout "$WAIT_S" udpping1
  [[ $output == *'E: 255.255.255.255: Network is unreachable' ]]
  node b
  wait_for b '^W: broadcast: Network is unreachable$'

  on b ip addr add 10.77.0.2/24 dev eth0
  within 1500 all_see_all a b
  wait_for b '^W: broadcast works again$'

  cut b
  within 6000 last_reported a LEFT "$(uuid b)"
  within 1000 last_reported b LEFT "$(uuid a)"
  heal b
  within 1500 all_see_all a b

  # Peers do not notice another address. (To delete the first address of an interface
  # deletes the others too, unless promote_secondaries is set. So add it afterwards.)
  capture a network
  from=$(lines_of a LEFT)
  on b ip addr del 10.77.0.2/24 dev eth0
  on b ip addr add 10.77.0.9/24 dev eth0
  captured network 10.77.0.9 "$(uuid b)" 2
  [[ $(lines_of a LEFT) == "$from" ]]
  all_see_all a b
}

@test "discovery: a beacon leaves by each interface, also by two of one network" {
  hosts a b
  cable a 10.77.0.7/24 b 10.77.0.8/24 eth1   # the same network as eth0
  cable a 10.88.0.0/31 b 10.88.0.1/31 eth2   # a network without a broadcast address
  cable a 10.99.0.1/32 b 10.99.0.2/32 eth3
  capture b network
  node a
  captured network 10.77.0.1 "$(uuid a)" 2
  captured network 10.77.0.7 "$(uuid a)" 2
  captured network 10.88.0.0 "$(uuid a)" 2
  captured network 10.99.0.1 "$(uuid a)" 2
  # The first cable is pulled: the beacons still leave by the second.
  cut a
  captured_more network 10.77.0.7 "$(uuid a)" 2
  stop a
  captured network 10.77.0.7 "$(uuid a)00"
  captured network 10.88.0.0 "$(uuid a)00"
}

@test "discovery: a beacon is sixteen bytes once a second, a farewell seventeen, a ping one" {
  hosts a b
  capture b network
  node a
  captured network 10.77.0.1 "$(uuid a)" 4
  # Never sooner, and a second apart where the machine had time.
  awk '/^[0-9]/ { if (last && (!least || $1 - last < least)) least = $1 - last; last = $1 }
    END { print least; exit !(least > 0.9 && least < 1.15) }' network.log
  stop a
  captured network 10.77.0.1 "$(uuid a)00"
  node one a udpping1 10.77.0.255
  captured network 10.77.0.1 21 2
  stop one
  node two a udpping2
  captured_more network 10.77.0.1 21 2
  stop two INT
}

@test "discovery: pings find peers by address and port; udpping1 does not share its port" {
  local from
  hosts a b
  node a a udpping1 10.77.0.255
  node b b udpping2
  wait_for a '^Found peer 10\.77\.0\.1:9999$'
  within 1500 has_line a '^Found peer 10\.77\.0\.2:9999$'
  within 1500 has_line b '^Found peer 10\.77\.0\.1:9999$'
  for program in udpping1 udpping2 udpping3; do
    run -1 on a timeout "$WAIT_S" $program
    [[ $output == *'E: udp://0.0.0.0:9999: Address already in use' ]]
  done
  run -1 on b timeout "$WAIT_S" udpping1
  [[ $output == *'E: udp://0.0.0.0:9999: Address already in use' ]]
  # Two on one host, and each receives the pings of both.
  node b2 b udpping2
  from=$(lines_of b '10\.77\.0\.2')
  wait_for b2 '^Found peer 10\.77\.0\.2:9999$' 2
  wait_for b '^Found peer 10\.77\.0\.2:9999$' $((from + 2))
  stop a
  stop b
  stop b2
}

@test "discovery: nodes share the port as on macOS and BSD, with SO_REUSEPORT" {
  hosts a
  capture a network ReusePort
  node a
  node ping a udpping2
  captured network 10.77.0.1 "$(uuid a)"
  captured network 10.77.0.1 21
  stop a
  stop ping
}
