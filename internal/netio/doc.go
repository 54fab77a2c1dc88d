// Package netio is the I/O engine under every listener: goroutines decide,
// loops wait.
//
// # How a descriptor lives
//
// Every socket is a Conn. It is registered once, edge-triggered, in the epoll
// instance of one Loop and never modified; the epoll descriptor itself sits in
// Go's netpoller, so a loop that waits costs no thread. A Conn that has nothing
// to say is parked: it has no goroutine and no buffer, only its own struct.
// When a parked Conn becomes readable its loop tells the Parker that parked it,
// which normally claims it and hands it to a warm Worker. The worker, a
// coroutine, runs sequential code (read, decide, write) on the loop's own
// goroutine. When it has to wait, the loop goes on with its next event, and
// switches back when what was waited for has come. When there is nothing more
// to read it parks the Conn again and goes back to the free list.
//
// # Ownership
//
// A Conn has at most one owner. Who that is, is one word per direction, changed
// only by compare-and-swap (Conn.r for reading and parking, Conn.w for
// writing):
//
//	nil       an owner runs; nothing happened since it last looked
//	ready     an owner runs; an event came that it has not consumed
//	parked    no owner (r only); the loop or a pool may claim it
//	woken     parked, and its Parker was told of an event (r only); whoever
//	          claims it finds ready
//	armed     the owner met EAGAIN and wants to know of EPOLLOUT (w only)
//	*waiter   the owner sleeps until this direction is ready or times out
//	closed    the descriptor is gone
//
// The rules that make it safe, each of which was a bug in a prototype:
//
//   - An event while the owner runs becomes ready, and ready makes the next park
//     fail. So no wake-up is lost between the last read and the park. Nor is one
//     lost between the Parker's being told and somebody else's claiming: parked
//     becomes woken first.
//   - A read consumes ready before it asks the kernel, never after: the event
//     may be of bytes that the read did not find.
//   - Data and FIN can arrive in one edge. The FIN is kept in Conn.hangup, and
//     the shortcut "a short read means drained" holds only while it is clear.
//     Where it does not hold, or the read filled its buffer, Conn.unread keeps
//     the owner from sleeping over what no further edge will tell.
//   - After EAGAIN on write: arm, write once more, then sleep. The edge may have
//     come before the arming.
//   - Epoll data carries descriptor and generation, and the descriptor table is
//     cleared before close. An event that outlives its descriptor finds nothing,
//     or another generation.
//   - A parked Conn is taken only by winning the swap from parked or woken
//     (Claim), by whomever: its loop, a pool, the timer wheel or Engine.Close.
//     While it is being registered, whoever registers it is its owner.
//   - Only an owner makes system calls on a descriptor or closes it, and a Conn
//     is never reused for another descriptor, so a stale pointer can only find
//     the word closed. Engine.Close, too, only marks what is not parked: the
//     owner's next operation fails. (Peek in Ready is the exception; it changes
//     nothing.)
//
// A sleeping owner is registered in the words it waits for. Whoever swaps its
// waiter out owes it exactly one token (Worker.tell); an owner that waits for
// several words takes its other waiters back by swap, and where that fails
// takes the token that is then on its way. A token of the wheel's may be of an
// old deadline (the wheel looked, then the owner set a new one and slept), so
// the owner looks at its deadline before it believes it.
//
// # Time
//
// Deadlines are one coarse number per Conn, checked by one timer wheel per loop
// that re-files lazily: moving a deadline later is one store. The clock of a
// Loop is stamped once per batch of events, so knowing the time costs a request
// nothing.
//
// Reads, writes and accepts go through RawSyscall on descriptors that never
// block: blocking in RawSyscall would hold a P and stop the garbage collector.
package netio
