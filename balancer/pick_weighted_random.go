package balancer

// weightedRandom is ELB's weighted_random, with the weights that ELB starts
// from: all equal. It keeps no state.
type weightedRandom struct{}

// Pick implements Picker.
func (weightedRandom) Pick(targets []*Target, random uint64, exclude *Target) *Target {
	if t, ok := pickOther(targets, random, exclude); ok {
		return t
	}
	return targets[reduce(mix(random), uint64(len(targets)))]
}
