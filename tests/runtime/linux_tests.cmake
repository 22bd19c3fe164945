engine_test(linux_units_test linux_units_test.cc LIBS engine_launch)
engine_test(linux_keeper_test linux_keeper_test.cc LIBS engine_launch simdjson)
target_compile_definitions(linux_keeper_test PRIVATE
  KEEPER="$<TARGET_FILE:dockercd-keeper>" PROBE="$<TARGET_FILE:probe>")
add_dependencies(linux_keeper_test dockercd-keeper probe)
