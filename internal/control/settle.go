package control

import "context"

// Settle waits until no health check is under way and what the last ones found
// is in force, or until ctx ends, whose error it then returns. Whoever moves a
// fake clock, or wants to act on the health of targets just registered, calls
// it; it begins no check.
func (c *Controller) Settle(ctx context.Context) error { return c.probes.Settle(ctx) }
