#!/bin/sh
# Index the media of the demonstration and ask three questions. `make demo` calls this.
#   sh examples/demo/run.sh [LIBRARY]     (needs `onlooker` on the PATH)
set -eu
cd "$(dirname "$0")"
library=${1:-.demo-library}
case $library in /*) ;; *) library=../../$library ;; esac
ONLOOKER_LIBRARY=$library
export ONLOOKER_LIBRARY

ask() {
  printf '\n\033[1m$ onlooker search %s\033[0m\n' "$1"
  onlooker search --limit 5 "$1" || echo '(nothing found)'
}

printf '\033[1m$ onlooker add examples/demo/media\033[0m\n'
onlooker add media
ask '"gradient descent"'
ask 'potsdan'
ask 'creme brulee'

cat <<END

Found: a phrase that was shown and said, a misspelt word on a photo, and letters without their accents.
Look at the same in a browser:

  ${ONLOOKER:-onlooker} serve --library ${SHOWN:-$library}

END
