# SPDX-License-Identifier: MIT
# Copyright (c) the Berth authors
#
# Doxygen's filter: the headers' comments are plain, and here they become what Doxygen takes for documentation. What
# stands above a declaration, or behind one on its line, is that declaration's; the first comment is the file's. Lines
# that are indented within a comment are code.
#
#   awk -f comments.awk berth/host.h

# Text as Doxygen prints it, whatever stands in it.
function plain(text) {
  gsub(/[\\@<>&#%"]/, "\\\\&", text)
  return text
}

# A line of a comment: its words, or a line of code in it.
function line_of(text) {
  if (text ~ /^   +[^ ]/) {
    if (!in_code) printf "@verbatim "
    in_code = 1
    return text
  }
  if (in_code && text !~ /^ *$/) {
    in_code = 0
    return "@endverbatim " plain(text)
  }
  return in_code ? text : plain(text)
}

function end_code() {
  if (in_code) printf " @endverbatim "
  in_code = 0
}

BEGIN { file_comment = "wanted" }

# Inside a comment of several lines.
in_block {
  sub(/^ *\*? ?/, " ")
  last = sub(/ *\*\/ *$/, "")
  text = line_of($0)
  printf "%s", text
  if (last) {
    end_code()
    printf " */"
    in_block = 0
  }
  printf "\n"
  next
}

# The file's own comment.
file_comment == "wanted" && /^(\/\*|\/\/) SPDX/ {
  slashes = /^\/\//
  print slashes ? "/// @file" : "/** @file"
  in_block = !slashes
  file_comment = slashes ? "lines" : "done"
  next
}
file_comment == "lines" && !/^\/\// {
  file_comment = "done"
  if (in_code) print "/// @endverbatim"
  in_code = 0
}

# Whole lines.
/^ *\/\// {
  match($0, /^ *\/\//)
  head = substr($0, 1, RLENGTH)
  text = substr($0, RLENGTH + 1)
  if (file_comment == "lines" && text ~ /^   +[^ ]/) {
    if (!in_code) print "/// @verbatim"
    in_code = 1
    print "///" text
  } else {
    if (in_code && text !~ /^ *$/) {
      print "/// @endverbatim"
      in_code = 0
    }
    print head "/" plain(text)
  }
  next
}
/^ *\/\*/ {
  match($0, /^ *\/\*/)
  head = substr($0, 1, RLENGTH)
  text = substr($0, RLENGTH + 1)
  last = sub(/ *\*\/ *$/, "", text)
  print head "*" plain(text) (last ? " */" : "")
  in_block = !last
  next
}

# Behind something on its line.
/[^ ].* \/\/ / {
  at = index($0, " // ")
  print substr($0, 1, at) "///<" plain(substr($0, at + 3))
  next
}
/[^ ].* \/\* / {
  at = index($0, " /* ")
  text = substr($0, at + 3)
  if (text ~ /\*\/ *[^ ]/) {  # within a declaration: a parameter's
    print
    next
  }
  last = sub(/ *\*\/ *$/, "", text)
  print substr($0, 1, at) "/**<" plain(text) (last ? " */" : "")
  in_block = !last
  next
}
{ print }
