// Package system tests the daemon as users run it: `elbow run` as a process of
// its own, between real clients (curl, wrk, net/http) and real targets (nginx,
// Node, Python, net/http).
//
// What is tested here is what only shows between processes: signals, kills,
// restarts, reloads under load, and how other people's HTTP behaves. What ELB's
// semantics are is told by the scripts of test/spec.
//
// The test binary is also a target: started with the right environment it serves
// instead of testing (target_test.go), so that a target can be killed as a
// process. Programs that are missing make their tests skip and say so.
//
// Loads are counted, never timed: a load is so and so many requests, and every
// single one is accounted for. -short makes them smaller.
package system
