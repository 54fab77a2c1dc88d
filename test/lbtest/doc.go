// Package lbtest runs spec scripts: short dialogues between clients, a load
// balancer and targets that state one sentence of ELB's behaviour each.
//
// A script is a txtar archive. Its text is one command per line; its files are
// configurations. The actors are real: clients and targets are sockets of the
// test, the load balancer is the product's own control.Controller in this
// process, or the daemon's binary beside it. What may stand in a script is in
// test/spec/README.md.
//
// The life of a script: ParseArchive splits the file, parseScript its commands;
// a run holds the actors and hands each command to its verb; a verb that does
// not see what it expects returns an error, and the run reports the line, what
// was expected and seen, and the transcript of all that the actors did.
//
// Whatever a verb waits for has a limit (patience), and nothing sleeps for a
// time: a script is as fast as what it describes.
package lbtest
