# What failed, of node's TAP, in few lines each: awk -f red-tests.awk [-v only=FILE] [-v lines=7] TAP
# A line "- NAME (FILE:LINE)" and below it the beginning of the error; what says the same as the one before is not repeated.
BEGIN { if (!lines) lines = 7; width = 180; none() }
/^ *(not )?ok / { show(); isRed = /^ *not ok /; indent = index($0, /^ *not/ ? "not" : "ok") - 1; if (isRed) name = substr($0, index($0, " - ") + 3, 120); else noted = 0; next }
/^ *# Subtest: / { next }
/^# / { if (!isRed) note(substr($0, 3)); next }
!isRed { next }
{ line = substr($0, indent + 1) }
line ~ /^  \.\.\.$/ { show(); next }
line ~ /^  [a-zA-Z]+:/ {
  key = substr(line, 3, index(line, ":") - 3); value = plain(substr(line, index(line, ":") + 2))
  if (key == "location") { place = value; sub(/:[0-9]+$/, "", place); file = place; sub(/:[0-9]+$/, "", file) }
  if (key == "failureType") type = value
  if ((key == "error" || key == "actual") && value != "" && value != "|-") say(key, value)
  next
}
key == "error" || key == "actual" { say(key, substr(line, key == "error" ? 5 : 3)); next }
key == "stack" && !at && index(line, file) { at = line; sub(/.*\//, "", at); sub(/:[0-9]+\)?$/, "", at); next }
END { show() }

function plain(text) { if (text ~ /^'.*'$/) text = substr(text, 2, length(text) - 2); return text }
function say(key, text) {
  if (text ~ /^ *$/ || text ~ /^Expected (values|the input) to be / || text ~ /^\+ actual - expected/) { if (text ~ /actual - expected/) isDiff = 1; return }
  if (key == "error" && said < lines) error[++said] = substr(text, 1, width)
  else if (key == "error") rest++
  else if (seen < lines) actual[++seen] = substr(text, 1, width)
}
function note(text) { if (text !~ /^ *$/ && text !~ /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [0-9.]+$/ && noted < lines) notes[++noted] = substr(text, 1, width) }
function none() { isRed = said = seen = rest = isDiff = 0; name = place = file = type = at = key = "" }
function show(    text, i) {
  if (isRed && name != "" && type != "subtestsFailed" && (only == "" || only == file)) {
    text = ""
    if (error[1] == "test failed" && said == 1) for (i = 1; i <= noted; i++) text = text "\n    " notes[i]
    else for (i = 1; i <= said; i++) text = text "\n    " error[i]
    if (!isDiff) for (i = 1; i <= seen && i + said <= lines; i++) text = text "\n    " (i == 1 ? "actual: " : "        ") actual[i]
    if (rest) text = text " … " rest " lines more"
    sub(/.*\//, "", place)
    print "- " name " (" (at == "" ? place : at) ")" (text == before ? "\n    the same" : text)
    before = text
  }
  if (isRed) noted = 0
  none()
}
