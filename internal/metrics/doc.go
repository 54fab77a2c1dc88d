// Package metrics counts what the data path does and exports it to Prometheus.
//
// Counters are sharded: every listener, target group and target has one shard
// per event loop, on cache lines of its own. The data path holds pointers to
// shards and adds to their fields; an add is one uncontended atomic operation,
// without a lock, a map lookup or an allocation. A scrape sums the shards. So
// the cost is on the side that runs every fifteen seconds.
//
//	conn: ls := listener.Shard(loop)        once per connection
//	      ls.Requests.Inc()                 per request
//	      gs.TargetCode(200); gs.Observe(ns)
//	scrape: sum over shards + callbacks     elbow_requests_total ...
//
// Levels that somebody else already keeps (health, outstanding requests,
// generations) are not copied here: OnScrape callbacks read them when asked.
//
// Labels are bounded by the configuration: names of load balancers, listeners,
// target groups, targets and zones, classes and codes. Nothing that a client
// sends becomes a label. The number of series is at most
// 120 + 30 per listener + 35 per target group + 15 per target.
//
// Each metric's help text names the CloudWatch metric of AWS/ApplicationELB
// that it corresponds to; docs/metrics.md has the table.
package metrics
