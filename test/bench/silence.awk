# silence.awk - what a client got, from lines that begin with the time: how many
# answers in each tenth of a second, how many were lost, how often a request was
# worked on again, and the longest silence around the fault.

FILENAME == "servers" {
  if ($0 ~ begun)
    works[++n] = $1
  next
}

$0 ~ answer {
  t = $1 - begin
  if (t < seconds) {
    if (t >= 0) bins[int(t * 10)]++
    if (t > at - begin - 0.5 && t - last > silence) {
      silence = t - last
      from = last
    }
  }
  if (t < seconds) { last = t; moment = $1 }
  answers++
  if (t < seconds) counted++
}

/ failed: / { lost++ }

END {
  if (seconds - last > silence) {
    silence = seconds - last
    from = last
  }
  never = last < seconds - 1
  for (i = 1; i <= n; i++)
    if (works[i] <= moment + slack)   # what was begun for its answers
      worked++
  for (i = 0; i < seconds * 10; i++)
    row = row (i ? "," : "") (bins[i] + 0)
  # fault, bins, silence from, how long, for ever?, lost, worked on again
  print pattern, fault, sprintf("%.3f", at - begin), row, sprintf("%.3f", from),
        sprintf("%.3f", silence), (never ? "yes" : "no"), lost + never,
        (worked > counted ? worked - counted : 0)
}
