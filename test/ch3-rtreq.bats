load helpers

# The number of tasks handed out is the number completed, by ten workers.
sum_is_right() { # NAME
  local handed completed
  [[ $(lines_of "$1" '^Completed: [1-9]') -eq 10 ]] || return
  handed=$(sed -n 's/^Handed out: \(.*\) tasks/\1/p' "$1.log")
  completed=$(awk '/^Completed/ { n += $2 } END { print n }' "$1.log")
  ((handed == completed)) || fail "$handed handed out, $completed completed"
}

# bats test_tags=demo:office
@test "router to workers: ten workers complete all tasks and are fired" {
  note 'workers ask for a task when they are idle: REQ, then DEALER'
  for _ in $(seq "$(rounds 2 100)"); do
    rm -f ./*.log
    start rtreq rtreq -t 1500 tcp://127.0.0.1:*
    start rtdealer rtdealer -t 1500 tcp://127.0.0.1:*
    ends rtreq
    ends rtdealer
    sum_is_right rtreq
    sum_is_right rtdealer
  done
}

@test "router to workers: equally fast workers get equal shares" {
  run -0 rtreq -t 5000 ipc://manager
  run -0 awk '/^Completed/ && ($2 < 10 || $2 > 35) { exit 1 }' <<<"$output"
}

@test "router to workers: outside workers of both kinds get tasks and are fired" {
  for program in rtreq rtdealer; do
    start "$program" "$program" -t 2000 -w 0 "ipc://$program"
    wait_for "$program" 'bound'
    run -0 zpeer REQ "ipc://$program" 'Hi Boss'
    [[ $output == '[Work harder]' ]]
    run -0 zpeer -i $'\001any' DEALER "ipc://$program" '' 'Hi Boss'
    [[ $output == '[][Work harder]' ]]
    start late zpeer -r 40 -w 100 -n 40 -t 9000 DEALER "ipc://$program" '' 'Hi Boss'
    wait_for late '^\[\]\[Fired!\]$'
    ends late
    stop "$program" INT
  done
}

# ---- Faults ---------------------------------------------------------------------

# bats test_tags=wire
@test "router to workers: a worker with a fixed id that restarts gets tasks again" {
  for program in rtreq rtdealer; do
    start "$program" "$program" -t 60000 -w 0 "ipc://$program"
    start old zpeer -i fixed -n 9 -t 60000 DEALER "ipc://$program" '' 'Hi Boss'
    wait_for old 'Work harder'
    freeze old                  # its connection stays open
    run -0 zpeer -i fixed -t 5000 REQ "ipc://$program" 'Hi Boss'
    [[ $output == '[Work harder]' ]]
    kill9 old
    stop "$program"
    rm old.log
  done
}

# ---- Malformed input --------------------------------------------------------------

# bats test_tags=wire
@test "router to workers: any message means that a worker is idle" {
  local many=(1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1)
  for program in rtreq rtdealer; do
    start "$program" "$program" -t 60000 -w 0 "ipc://$program"
    run -0 zpeer -t 5000 REQ "ipc://$program" ready
    [[ $output == '[Work harder]' ]]
    run -0 zpeer -t 5000 REQ "ipc://$program" a '' b
    [[ $output == '[Work harder]' ]]
    run -0 zpeer -t 5000 DEALER "ipc://$program" x
    [[ $output == '[][Work harder]' ]]
    run -0 zpeer -t 5000 DEALER "ipc://$program" "${many[@]}"
    [[ $output == '[][Work harder]' ]]
    run -0 zpeer -t 5000 DEALER "ipc://$program" proxy worker '' 'Hi Boss'
    [[ $output == '[proxy][worker][][Work harder]' ]]
    stop "$program" TERM
  done
}
