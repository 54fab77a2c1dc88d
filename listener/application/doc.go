// Package application is the data path of an application load balancer: it
// reads requests, decides by the rules of the listener, and relays them.
//
// The methods of exchange, in the order they run, are the life of a request:
//
//	readHead   the head arrives and is parsed in place
//	begin      the snapshot is pinned: from here on one configuration holds
//	admit      what no target may see is refused
//	route      rules choose an action
//	answer     a redirect or a fixed response is made here, or
//	forward    a target is picked, connected, sent to and received from
//	finish     counts, log line, and whether the connection is kept
//
// A client connection that is idle between requests is parked: it has no
// goroutine, no buffer and no exchange. An exchange is the scratch space of a
// worker, so nothing is allocated per request; every slice in it is valid until
// finish.
//
// What arrives is never passed on as it came. The head is parsed by the one
// parser there is and its lines are sent on one by one, without those meant for
// this hop and with our own; bodies are framed anew. On failure the connection
// to the target is closed, never pooled, and the client's is kept only if its
// next byte is known to begin a request.
package application
