# Completion of delegation-milter(8) in fish: the program knows its options best. fish reads this file when the first
# word is completed, from /usr/share/fish/vendor_completions.d.
delegation-milter completions fish | source
