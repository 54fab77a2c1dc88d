package balancer

// weightedRandom is ELB's weighted_random: a target drawn at random by its
// share. Shares are equal, but for what anomaly mitigation takes away. It keeps
// no state.
type weightedRandom struct{}

// Pick implements Picker.
func (weightedRandom) Pick(targets []*Target, shares *Shares, random uint64, exclude *Target) *Target {
	if t, ok := pickOther(targets, shares, random, exclude); ok {
		return t
	}
	if shares != nil {
		return targets[shares.at(mix(random))]
	}
	return targets[reduce(mix(random), uint64(len(targets)))]
}
