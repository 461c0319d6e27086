# Included after project() of every interface package (CMAKE_PROJECT_INCLUDE) where ROS comes from wheels: nothing there
# is written in C++, and without the C++ generators the packages compile in half the time. The C introspection type
# support stays: Fast DDS describes its types with it.
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
list(FILTER AMENT_EXTENSIONS_rosidl_generate_idl_interfaces EXCLUDE REGEX
  "^(rosidl_generator_cpp|rosidl_typesupport_(cpp|fastrtps_cpp|introspection_cpp)):")

# A quarter of the compilation is saved by one unit for all of Fast DDS' type support, and by a modest optimisation: these
# functions copy fields.
set(CMAKE_C_FLAGS_RELEASE -O1)
set(CMAKE_CXX_FLAGS_RELEASE -O1)
function(vipa_one_unit)
  set_target_properties(${PROJECT_NAME}__rosidl_typesupport_fastrtps_c PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
endfunction()
cmake_language(DEFER CALL vipa_one_unit)
