package netio

import "golang.org/x/sys/unix"

// budget says how many of the process's descriptors this engine may have. The
// others, and there are always some, are for what the process needs to be looked
// after when it is full: the admin API, logs, configuration files, health checks.
type budget struct {
	limit int64 // RLIMIT_NOFILE
	dial  int64 // below it connections to targets are made
	// accept is below dial, so that whom it lets in can be served: otherwise
	// clients alone could have them all, and each wait for a connection to a
	// target that can never be.
	accept int64
}

// reserved bounds what is kept for the rest of the process.
const reserved = 128

func newBudget(limit int64) budget {
	b := budget{limit: limit}
	b.dial = limit - min(reserved, limit/4)
	b.accept = b.dial - b.dial/4
	return b
}

// full tells whether there are n connections or more, as the table counts them,
// which is nearly all descriptors there are.
func (e *Engine) full(n int64) bool { return e.table.live.Load() >= n }

// beyond closes fd, and says so, if its number is among the reserved ones: the
// kernel gives the lowest that is free, so all below are taken, whoever has them.
func (b *budget) beyond(fd int) bool {
	if int64(fd) < b.dial {
		return false
	}
	unix.Close(fd)
	return true
}

// Descriptors returns how many descriptors the process may have, and how many of
// them connections may use; of clients alone, three quarters of those.
func (e *Engine) Descriptors() (limit, connections int) {
	return int(e.budget.limit), int(e.budget.dial)
}
