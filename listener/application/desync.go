package application

import (
	"bytes"

	"github.com/elbow-lb/elbow/internal/accesslog"
	"github.com/elbow-lb/elbow/internal/desync"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// desyncVerdict is what desync mitigation found of a request (ALB guide, Desync
// mitigation mode).
type desyncVerdict struct {
	tier    desync.Tier
	reason  desync.Reason
	isolate bool // neither connection is used again after this request
}

// log fills in the log's fields; both stay empty for a compliant request.
func (v *desyncVerdict) log(r *accesslog.Record) {
	if v.tier != desync.Compliant {
		r.Classification, r.ClassificationReason = v.tier.String(), v.reason.String()
	}
}

// judge classifies a request whose head the parser accepted.
func (x *exchange) judge() {
	x.desync.tier, x.desync.reason = desync.ClassifyHead(&x.req)
	if x.desync.tier != desync.Compliant {
		x.countDesync()
	}
}

// judgeRefused classifies a request whose head the parser refused, by the bytes
// that have come. It changes nothing about the refusal.
func (x *exchange) judgeRefused() {
	if x.outcome < refusalBase {
		return
	}
	head := bytes.TrimPrefix(x.buf[x.start:x.end], crlf) // as the parser does
	x.desync.tier, x.desync.reason = desync.ClassifyPart(head)
	if x.desync.tier != desync.Compliant {
		x.countDesync()
	}
}

func (x *exchange) countDesync() { x.counters.Desync[x.desync.tier-1].Inc() }

// mitigate does what the load balancer's mode says; false if the request is
// blocked. It also takes out the fields that no rule and no target may see: they
// have been judged.
func (x *exchange) mitigate() bool {
	if x.desync.tier != desync.Compliant {
		switch desync.Decide(x.desync.tier, x.attr.DesyncMode) {
		case desync.Block:
			x.closing = true
			return false
		case desync.Isolate:
			// A target that sees two requests in this one answers a second
			// time, and whoever came next on its connection would be given
			// that; a client that hid one would have it answered here.
			x.closing, x.desync.isolate = true, true
		}
	}
	if x.attr.DropInvalidFields && x.req.HideInvalidNames() > 0 {
		x.counters.DroppedInvalid.Inc()
	}
	return true
}

// countInvalidFields counts the request, for which a target was chosen, if it
// has fields that routing.http.drop_invalid_header_fields.enabled would drop.
func (x *exchange) countInvalidFields() {
	if !x.attr.DropInvalidFields && x.req.HasInvalidName() {
		x.counters.ForwardedInvalid.Inc()
	}
}

// appendTrailers appends the trailer lines that a target may see.
func (x *exchange) appendTrailers(b, lines []byte) []byte {
	if !x.attr.DropInvalidFields {
		return append(b, lines...)
	}
	for len(lines) > 0 {
		line := lines[:bytes.IndexByte(lines, '\n')+1]
		if name, _, _ := bytes.Cut(line, colon); httpmsg.PlainName(name) {
			b = append(b, line...)
		}
		lines = lines[len(line):]
	}
	return b
}

var colon = []byte(":")
