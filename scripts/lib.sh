# Shared by the scripts: words for people, stages with times. Sourced, not run.

if [[ -t 1 ]]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' green='' red='' plain=''
fi

say() { printf '%s\n' "$*"; }
heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
good() { printf '%s   ok: %s%s\n' "$green" "$*" "$plain"; }
bad() { printf '%s   WRONG: %s%s\n' "$red" "$*" "$plain" >&2; }

# 75 -> 1 min 15 s
duration() { (($1 < 60)) && printf '%d s' "$1" || printf '%d min %d s' $(($1 / 60)) $(($1 % 60)); }
