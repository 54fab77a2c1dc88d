// Package balancer decides where work goes. It holds no sockets, starts no
// goroutines and reads no clock: listeners ask it, health and control feed it.
//
// Compile turns a config.Model into a Snapshot, which is published by one swap
// of Live. A request loads Live once and then walks plain pointers:
//
//	Live.Load → Snapshot.Bind(slot) → Listener.Rules.Match → Listener.Action
//	  → Forward.Choose → Group.Pick → Target → Target.State
//
// A Snapshot never changes, with one exception: each Group holds a pointer to
// the set of its targets that may be picked, which Group.Refresh replaces when a
// target's health changes. What must outlive a Snapshot (outstanding counts,
// health, idle connections) lives in TargetState, and is carried from one
// Snapshot to the next by Key; so are the positions of rotations.
//
// On the way from Load to Target nothing locks, blocks or allocates.
//
// # Which targets are eligible
//
// Healthy ones, and those whose health is not checked (unavailable). When a
// group has too few of them it fails open: every registered target is eligible,
// whatever its state (ELB guide, Target group health: "fail open"). Too few is
// less than unhealthy_state_routing.minimum_healthy_targets says, by default
// less than one; with elbow.failover.enabled the group's work goes to the other
// groups of its forward action instead. With cross-zone load balancing off
// all of this holds for each zone by itself, so a zone without targets has none
// to pick although others have.
//
// # What part each takes
//
// An equal one, but for two things. A target in slow start takes max(1 %, elapsed
// / duration) of its share, and one with an anomaly that is mitigated 5 % of it.
// Who calls Live.Tick each second has these weights brought up to date; a pick
// reads no clock, but a table of Shares that came with the eligible targets.
// Weights go with round_robin and weighted_random; least_outstanding_requests
// goes by counts alone.
//
// A target belongs to a group because the configuration registers it there. A
// deregistered one is not in the next Snapshot's group and so gets no new work;
// work in flight keeps its Snapshot and TargetState and finishes.
package balancer
