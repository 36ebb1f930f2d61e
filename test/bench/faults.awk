# faults.awk - faults.tsv as a picture: SVG, or text if "text" is set.

BEGIN {
  FS = "\t"
  names["none"] = "No protection"; what["none"] = "a REQ socket, a server"
  names["lazy"] = "Lazy Pirate"; what["lazy"] = "asks again after 2.5 s"
  names["simple"] = "Simple Pirate"; what["simple"] = "a queue, two workers"
  names["paranoid"] = "Paranoid Pirate"; what["paranoid"] = "queue with heartbeats"
  names["majordomo"] = "Majordomo"; what["majordomo"] = "services by name"
  names["binary"] = "Binary Star"; what["binary"] = "a pair, one stands by"
  names["freelance"] = "Freelance"; what["freelance"] = "two servers, no broker"
  # The picture, in pixels
  left = 178; panel = 272; beside = 76; rows_at = 118; high = 58; bars = 26
  fault_name[1] = "kill"; fault_name[2] = "freeze"
}

!($1 in seen) { seen[$1]; order[++patterns] = $1 }

{
  key = $1 SUBSEP $2
  row[key] = $4
  at[key] = $3; from[key] = $5; silence[key] = $6; never[key] = $7
  lost[key] = $8; again[key] = $9
}

function x(column, t) { return 20 + left + (column - 1) * (panel + beside + 14) + t * panel / 10 }

function label(key) {
  if (never[key] == "yes") return "no answer any more"
  return sprintf(silence[key] < 1 ? "%.2f s" : "%.1f s", silence[key])
}

function head() {
  width = x(2, 10) + beside + 20
  height = rows_at + patterns * high + 72
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"t d\">\n", width, height, width, height
  print "<title id=\"t\">What a client gets when the one who serves is killed, or hangs</title>"
  printf "<desc id=\"d\">"
  for (p = 1; p <= patterns; p++)
    for (f = 1; f <= 2; f++) {
      key = order[p] SUBSEP fault_name[f]
      printf "%s, %s: longest silence %s. ", names[order[p]], fault_name[f], label(key)
    }
  print "</desc>"
  print "<style>"
  print "text{font:13px -apple-system,BlinkMacSystemFont,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#1f2328}"
  print ".title{font-size:19px;font-weight:600}.column{font-size:14px;font-weight:600}.name{font-size:14px;font-weight:600}"
  print ".small{font-size:11.5px;fill:#59636e}.mid{text-anchor:middle}.end{text-anchor:end}.number{text-anchor:middle;font-variant-numeric:tabular-nums}"
  print ".none{fill:#818b98}.back{fill:#fff;stroke:#d1d9e0}.bar{fill:#0969da}.base{stroke:#d1d9e0}.rule{stroke:#d1d9e0;stroke-dasharray:2 3}"
  print ".gap{fill:#cf222e;fill-opacity:.09}.span{stroke:#cf222e;stroke-width:1.5;fill:none}.hot{fill:#cf222e;font-weight:600}.fault{stroke:#59636e}"
  print "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.none{fill:#656c76}.back{fill:#0d1117;stroke:#3d444d}.bar{fill:#58a6ff}.base,.rule{stroke:#3d444d}.gap{fill:#ff7b72;fill-opacity:.14}.span{stroke:#ff7b72}.hot{fill:#ff7b72}.fault{stroke:#9198a1}}"
  print "</style>"
  printf "<rect class=\"back\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", width - 1, height - 1
  print "<text class=\"title\" x=\"20\" y=\"34\">What a client gets when the one who serves is taken away</text>"
  print "<text class=\"small\" x=\"20\" y=\"54\">Answers in each tenth of a second, from the real programs: one client that asks again when it has its answer, 20 to 50 times a second.</text>"
}

function columns(   f, t) {
  for (f = 1; f <= 2; f++) {
    printf "<text class=\"column\" x=\"%.1f\" y=\"86\">%s</text>\n", x(f, 0), f == 1 ? "Killed at 2 s" : "Frozen at 2 s"
    printf "<text class=\"small\" x=\"%.1f\" y=\"102\">%s</text>\n", x(f, 0), f == 1 ? "kill -9; started again at 5 s" : "kill -STOP; its connections stay open"
    printf "<text class=\"small mid\" x=\"%.1f\" y=\"102\">lost</text>\n", x(f, 10) + 22
    printf "<text class=\"small mid\" x=\"%.1f\" y=\"102\">again</text>\n", x(f, 10) + 58
    for (t = 0; t <= 10; t += 2)
      printf "<text class=\"small mid\" x=\"%.1f\" y=\"%d\">%d%s</text>\n", x(f, t), rows_at + patterns * high + 16, t, t == 10 ? " s" : ""
    printf "<line class=\"fault\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n", x(f, 2), x(f, 2), rows_at, rows_at + patterns * high
    if (f == 1)
      printf "<line class=\"rule\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n", x(f, 5), x(f, 5), rows_at, rows_at + patterns * high
  }
  t = rows_at + patterns * high
  printf "<text class=\"small\" x=\"20\" y=\"%d\">lost: requests that never got an answer; again: how often work began on a request that had been begun before.</text>\n", t + 40
  printf "<text class=\"small\" x=\"20\" y=\"%d\">Heartbeats and timeouts are the defaults. Only the client of Binary Star has less patience than its default: 50 ms instead of 1 s.</text>\n", t + 57
}

function one(p, f,   key, y, n, i, bin, top, h, a, b, mid) {
  key = order[p] SUBSEP fault_name[f]
  y = rows_at + p * high - 8
  n = split(row[key], bin, ",")
  for (i = 1; i <= 18; i++) top += bin[i] / 18
  top = int(top + 0.7)          # as usual before the fault; what is more is cut
  a = x(f, from[key]); b = x(f, from[key] + silence[key])
  if (silence[key] > 0.15)
    printf "<rect class=\"gap\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", a, y - bars - 2, b - a, bars + 2
  printf "<path class=\"bar\" d=\""
  for (i = 1; i <= n; i++)
    if (bin[i] > 0) {
      h = bars * (bin[i] < top ? bin[i] : top) / top
      printf "M%.1f %dv-%.1fh%.1fv%.1fz", x(f, (i - 1) / 10) + 0.2, y, h, panel / 100 - 0.5, h
    }
  print "\"/>"
  printf "<line class=\"base\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", x(f, 0), x(f, 10), y + 0.5, y + 0.5
  if (silence[key] > 0.15) {
    printf "<path class=\"span\" d=\"M%.1f %dv5m0 -2.5H%.1f%s\"/>\n", a, y - bars - 8, b, never[key] == "yes" ? "" : "m0 -2.5v5"
    mid = (a + b) / 2
    if (b - a > 60)
      printf "<text class=\"hot mid\" x=\"%.1f\" y=\"%d\">%s</text>\n", mid, y - bars / 2 + 4, label(key)
    else
      printf "<text class=\"hot\" x=\"%.1f\" y=\"%d\">%s</text>\n", b + 6, y - bars - 4, label(key)
  }
  printf "<text class=\"number%s\" x=\"%.1f\" y=\"%d\">%s</text>\n", (lost[key] + 0 ? " hot" : " none"), x(f, 10) + 22, y - 4, never[key] == "yes" ? "all" : lost[key]
  printf "<text class=\"number%s\" x=\"%.1f\" y=\"%d\">%d</text>\n", (again[key] + 0 ? "" : " none"), x(f, 10) + 58, y - 4, again[key]
}

function svg(   p, f) {
  head()
  columns()
  for (p = 1; p <= patterns; p++) {
    printf "<text class=\"name\" x=\"20\" y=\"%d\">%s</text>\n", rows_at + p * high - 24, names[order[p]]
    printf "<text class=\"small\" x=\"20\" y=\"%d\">%s</text>\n", rows_at + p * high - 8, what[order[p]]
    for (f = 1; f <= 2; f++) one(p, f)
  }
  print "</svg>"
}

# Two tenths of a second to a character: eight heights, and a blank.
function sparkline(key,   bin, n, i, top, v, line) {
  n = split(row[key], bin, ",")
  for (i = 2; i <= n; i += 2) {
    v[i] = bin[i - 1] + bin[i]
    if (i <= 18 && v[i] > top) top = v[i]
  }
  for (i = 2; i <= n; i += 2)
    line = line (v[i] == 0 ? " " : substr("▁▂▃▄▅▆▇█", 3 * int(1 + 7 * (v[i] < top ? v[i] / top : 1)) - 2, 3))
  return line
}

function as_text(   p, f, key) {
  for (f = 1; f <= 2; f++) {
    print f == 1 ? "Killed at 2 s, started again at 5 s" : "\nFrozen at 2 s"
    for (p = 1; p <= patterns; p++) {
      key = order[p] SUBSEP fault_name[f]
      printf "  %-16s |%s| %-18s lost %-4s again %d\n", names[order[p]], sparkline(key), label(key), never[key] == "yes" ? "all" : lost[key], again[key]
    }
  }
}

END { if (text) as_text(); else svg() }
