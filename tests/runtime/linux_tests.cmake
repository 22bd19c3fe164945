engine_test(linux_units_test cgroup_stats_test.cc linux_units_test.cc LIBS engine_launch)
engine_test(linux_keeper_test linux_keeper_test.cc LIBS engine_launch simdjson)
target_compile_definitions(linux_keeper_test PRIVATE
  KEEPER="$<TARGET_FILE:dockercd-keeper>" PROBE="$<TARGET_FILE:probe>")
add_dependencies(linux_keeper_test dockercd-keeper probe)
engine_test(exec_units_test exec_body_test.cc exec_plan_test.cc LIBS engine_runtime)
engine_test(keeper_exec_test keeper_exec_test.cc LIBS engine_launch simdjson)
target_compile_definitions(keeper_exec_test PRIVATE
  KEEPER="$<TARGET_FILE:dockercd-keeper>" PROBE="$<TARGET_FILE:probe>")
add_dependencies(keeper_exec_test dockercd-keeper probe)
engine_test(device_rules_test device_rules_test.cc LIBS engine_launch)
