# compare.awk - "ours limit" per line to one row: medians, and their ratio.

function median(a, n,   i, j, t) {
  for (i = 2; i <= n; i++)
    for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
  return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function number(x) { return x < 10 ? sprintf("%.2f", x) : sprintf("%.0f", x) }

NF < 2 { bad++; next }

{
  n++
  less = unit ~ /^(us|ms)/
  # load prints three numbers, others one; the limit begins after those of ours
  ours[n] = $1; limit[n] = NF == 2 ? $2 : $4
  cpu[n] = NF == 6 ? $2 : 0; cpu_limit[n] = NF == 6 ? $5 : 0; own[n] = NF == 6 ? $3 : 0
  ratio[n] = less ? limit[n] / ours[n] : ours[n] / limit[n]
}

END {
  OFS = "\t"
  if (n == 0) { print name, unit, "-", "-", "-", target, "no", "-", "failed"; exit }
  r = median(ratio, n)
  if (cpu[1] > 0)
    comment = sprintf("%s; CPU us/answer %.1f, limit %.1f, load %.1f", comment,
                      median(cpu, n), median(cpu_limit, n), median(own, n))
  print name, unit, number(median(ours, n)), number(median(limit, n)),
        sprintf("%.2f", r), target,
        (target == "-" ? "-" : (r >= target ? "yes" : "no")),
        sprintf("%.2f..%.2f", ratio[1], ratio[n]), comment
}
