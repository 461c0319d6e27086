# Included after project() of every interface package (CMAKE_PROJECT_INCLUDE) where ROS comes from wheels: nothing there
# is written in C++, and without the C++ generators the packages compile in half the time. The C introspection type
# support stays: Fast DDS describes its types with it.
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
list(FILTER AMENT_EXTENSIONS_rosidl_generate_idl_interfaces EXCLUDE REGEX
  "^(rosidl_generator_cpp|rosidl_typesupport_(cpp|fastrtps_cpp|introspection_cpp)):")
