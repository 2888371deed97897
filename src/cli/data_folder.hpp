// Where the data that comes with tsrun is: chips, models, published measurements.
#pragma once

#include <string>

namespace tsrun::cli {

// The path of data/NAME: in $TSRUN_DATA, beside the installed binary (../share/tsrun/data), or in the source it was built
// from. Refuses a name that is in none of them, listing where it was looked for.
std::string data_path(const std::string& name);

// The file of a chip or model: `given` itself where it names a file (it holds a '/' or ends in .json), else
// data/FOLDER/GIVEN.json; an unknown name is refused with those that exist.
std::string named_file(const std::string& folder, const std::string& given, const char* option);

}  // namespace tsrun::cli
