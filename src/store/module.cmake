# Who wrote a file is said in it, with the version.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/store/writer.cpp PROPERTIES
                            COMPILE_DEFINITIONS TSRUN_VERSION="${PROJECT_VERSION}")
