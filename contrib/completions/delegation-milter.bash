# Completion of delegation-milter(8) in bash: the program knows its options best. bash-completion reads this file when
# the first word is completed, as /usr/share/bash-completion/completions/delegation-milter.
# shellcheck shell=bash disable=SC1090
source <(delegation-milter completions bash)
