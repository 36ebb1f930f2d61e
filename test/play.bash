# play.bash - shared by test/demo and test/trace/trace: find a scene, play it in its
# own process group, and end all of that group.

export LC_ALL=C                 # numbers with a decimal point

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# scene_file NAME - print the file with the scene that carries the tag demo:NAME, or
# trace:NAME if only traces show it
scene_file() {
  grep -l "^# bats test_tags=\(demo\|trace\):$1\$" "$tests"/*.bats && return
  echo "There is no scene '$1'. There are:" >&2
  sed -n 's/^# bats test_tags=demo:/  /p' "$tests"/*.bats >&2
  return 1
}

# play COMMAND... - run it in the background, in the process group $group
play() {
  set -m
  "$@" &
  group=$!
  set +m
}

# say_skipped - if the scene was skipped, print why
say_skipped() {
  sed -n 's/^ok [0-9].* # skip */skipped: /p' "$dir/result"
}

# Stop all that the scene has started, and remove the folder $dir.
clear_up() {
  kill -CONT -- "-$group" 2>/dev/null
  kill -TERM -- "-$group" 2>/dev/null
  for _ in {1..15}; do
    kill -0 -- "-$group" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "-$group" 2>/dev/null
  rm -rf "$dir"
}
