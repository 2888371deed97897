// The files that a command writes: looked at before it works, so that nothing is lost that a person meant to keep and no
// work is done in vain; whole when they appear under their names.
#pragma once

#include <string>
#include <vector>

namespace tsrun::cli {

// A path, and the option or place that it was given for: "--json".
struct NamedPath {
  std::string option, path;
};

// Whether both names are of one file, or would be where nothing is there yet.
bool is_same_file(const std::string& a, const std::string& b);

// Refuses (exit 2) an output that is an input, lies among the files of an input that is a folder, or is another output
// too; that is a folder, a disk or a socket, or lies in no folder that can be written. Stdout is no file. Inputs need not
// be there.
void check_outputs(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs);

// Whether a JSON document may be written there: nothing is there, or what begins with the field that our own documents
// begin with, or a character device or a pipe. A model, a chip, a list of prompts or results would be lost.
bool may_hold_document(const std::string& path);

// A character device or a pipe: it takes bytes as they come.
bool is_stream(const std::string& path);

// Whether it is "-", or where this process's stdout leads: /dev/stdout, or the file that it was sent to.
bool names_stdout(const std::string& path);

// The file appears under its name only when it is complete, behind a link where the name is one; a character device or a
// pipe, which cannot be replaced, takes the bytes as they come. Throws (exit 1) where they cannot be written.
void write_whole(const std::string& path, const std::string& bytes);

}  // namespace tsrun::cli
