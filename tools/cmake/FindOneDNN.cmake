# oneDNN as the target OneDNN::OneDNN, and OneDNN_VERSION. Debian's own package file for CMake asks
# for OpenCL's development files, which nothing here uses; header and library are all it takes.
find_path(OneDNN_INCLUDE_DIR dnnl.hpp)
find_library(OneDNN_LIBRARY dnnl)
if(OneDNN_INCLUDE_DIR)
  set(header ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h)
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS ${header} line REGEX "#define DNNL_VERSION_${part} ")
    string(REGEX REPLACE ".* ([0-9]+).*" "\\1" OneDNN_${part} "${line}")
  endforeach()
  set(OneDNN_VERSION ${OneDNN_MAJOR}.${OneDNN_MINOR}.${OneDNN_PATCH})
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR
                                  VERSION_VAR OneDNN_VERSION)
if(OneDNN_FOUND AND NOT TARGET OneDNN::OneDNN)
  add_library(OneDNN::OneDNN UNKNOWN IMPORTED)
  set_target_properties(OneDNN::OneDNN PROPERTIES IMPORTED_LOCATION ${OneDNN_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${OneDNN_INCLUDE_DIR})
endif()
