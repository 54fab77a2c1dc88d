package desync

// Mode is what a load balancer does about the classes
// (routing.http.desync_mitigation_mode).
type Mode uint8

const (
	Monitor   Mode = iota // lets everything pass
	Defensive             // ELB's default: blocks Severe, isolates Ambiguous
	Strictest             // blocks all that is not compliant
)

var modeNames = [...]string{"monitor", "defensive", "strictest"}

// ModeNames returns the modes' names in the configuration, by Mode.
func ModeNames() []string { return modeNames[:] }

// String returns the mode's name in the configuration.
func (m Mode) String() string { return modeNames[m] }

// Action is what is done with a request.
type Action uint8

const (
	Allow   Action = iota // forward it
	Isolate               // forward it, then close the client's and the target's connection
	Block                 // answer 400 and close the client's connection
)

var actionNames = [...]string{"allow", "isolate", "block"}

// String returns the action's name.
func (a Action) String() string { return actionNames[a] }

// actions is the table of the ALB guide, Desync mitigation mode.
//
// What could be read in two ways is let through by the default mode, but then
// nothing may follow it on either connection: whatever a target took for the
// end of the request, no other request or response stands behind it.
var actions = [...][NumTiers]Action{
	Monitor:   {Allow, Allow, Allow, Allow},
	Defensive: {Allow, Allow, Isolate, Block},
	Strictest: {Allow, Block, Block, Block},
}

// Decide returns what is done with a request of class t under mode m.
func Decide(t Tier, m Mode) Action { return actions[m][t] }
