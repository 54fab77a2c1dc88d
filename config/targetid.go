package config

import (
	"errors"
)

// ParseTarget returns the target of a group that an id names, in no zone, as if
// the configuration had it. A port of 0 means the group's. The error says what is
// wrong with the id.
func ParseTarget(group *TargetGroup, id string, port uint16) (Target, error) {
	addr, name, problem := parseTargetID(id)
	if problem != "" {
		return Target{}, errors.New(problem)
	}
	if port == 0 {
		port = group.Port
	}
	return Target{ID: id, Addr: addr, Name: name, Port: port, Zone: NoZone}, nil
}

// Same tells whether two targets of a group are one: their ids mean the same, and
// their ports are equal.
func (t Target) Same(o Target) bool { return t.SameID(o) && t.Port == o.Port }

// SameID tells whether the ids of two targets mean the same address or name.
func (t Target) SameID(o Target) bool { return t.Addr == o.Addr && t.Name == o.Name }
