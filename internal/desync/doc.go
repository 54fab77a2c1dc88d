// Package desync judges how likely two HTTP/1 implementations are to disagree
// about where a request ends: the classes, reasons and modes of an Application
// Load Balancer's desync mitigation (ALB guide, Desync mitigation mode), by the
// rules of AWS's http-desync-guardian.
//
// It only judges. What a request means is decided by http1, which is stricter
// than any mode and whose refusals no mode lifts; a request reaches a target
// only when both let it.
//
//	[ClassifyHead]  of a head that http1 accepted: nearly always a glance
//	[Classify]      of the raw bytes of a head, whatever they are
//	[ClassifyPart]  the same of bytes that http1 refused before their end had come
//	[Decide]        class and mode to action
//
// The rules look at a head line by line and never fail. The worst class counts,
// and of several findings of that class the first: lines, then fields in
// their order, then Transfer-Encoding and Content-Length together, method,
// version, URI.
//
// The rules are the guardian's even where they are odd, so that a class means
// what it means with ELB: an empty Content-Length is 0 to them, a version
// of "HTTP/2" or later ends the examination, and "GET  HTTP/1.1" has an empty
// URI. Each of these is refused by http1 whatever its class.
//
// No function here allocates or keeps what it was given.
package desync
