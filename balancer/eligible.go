package balancer

// Eligible returns the targets that Pick chooses from for work that came in by a
// zone, or by config.NoZone, and whether they are all there are because none is well.
// The slice must not be changed. Work that the zone of is drawn may go to any of them.
func (g *Group) Eligible(zone int) (targets []*Target, failOpen bool) {
	e := g.eligible.Load()
	s := &e.all
	if uint(zone) < uint(len(e.zones)) {
		s = &e.zones[zone]
	}
	return s.targets, s.failOpen
}
