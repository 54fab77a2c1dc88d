package application

import (
	"bytes"
	"net/http"
	"time"
	"unsafe"

	"github.com/elbow-lb/elbow/internal/accesslog"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// finish counts the exchange and logs it.
func (x *exchange) finish() {
	if x.outcome != OutcomeOK {
		x.counters.Refuse(uint8(x.outcome))
		if x.outcome == OutcomeClientClosed && x.status == 0 {
			// ELB's 460: nothing was answered. Else what was begun is logged.
			x.status = x.outcome.Status()
			x.counters.ELBCode(x.status)
		}
	}
	x.counters.ReceivedBytes.Add(uint64(x.received))
	x.counters.SentBytes.Add(uint64(x.sentBytes))
	if l := x.server().access.Load(); l != nil {
		x.logTo(l)
	}
}

func (x *exchange) logTo(l *accesslog.Log) {
	now := x.worker.Refresh()
	epoch := x.server().epochAt(now)
	b, r, h := x.bind, &x.record, &x.req
	*r = accesslog.Record{
		Time:          epoch + now,
		CreationTime:  epoch + x.first,
		ELB:           b.Listener.LogName,
		Client:        x.from.client,
		RequestTime:   accesslog.NotDispatched,
		TargetTime:    accesslog.NotDispatched,
		ResponseTime:  accesslog.NotDispatched,
		ELBStatus:     x.status,
		TargetStatus:  x.targetCode,
		ReceivedBytes: x.received,
		SentBytes:     x.sentBytes,
		Port:          b.Listener.Config.Port,
		RulePriority:  accesslog.NoRule,
		Actions:       x.actions,
		RedirectURL:   x.redirect,
		ErrorReason:   x.outcome.String(),
		TraceID:       x.trace,
		ConnTraceID:   x.conn.appendTraceID(x.tidArr[:0]),
		Node:          x.conn.localAddr(),

		TransformedHost: x.rewritten.host,
		TransformedURI:  x.rewritten.uri,
		TransformStatus: x.rewritten.status,
	}
	x.desync.log(r)
	if x.outcome == OutcomeTargetMalformed && x.detail != "" {
		r.ErrorReason = x.detail
	}
	if h.Method.Len > 0 {
		r.Method = h.Bytes(h.Method)
		r.URI = h.Bytes(h.Target)
		if h.Form == httpmsg.AbsoluteForm {
			r.URI = originForm(h, x.pathArr[:0])
		}
		r.Host = hostOnly(h.Bytes(h.Host))
		r.Protocol = x.protocol()
		if x.headLen > 0 {
			r.UserAgent, _ = h.Get(httpmsg.FieldUserAgent)
		}
	}
	if x.action != nil {
		r.RulePriority = x.action.Priority
	}
	if x.group != nil {
		r.TargetGroup = x.group.LogName
	}
	if x.target != nil {
		r.Target = x.target.Addr
		if x.sent > 0 {
			r.RequestTime = x.sent - x.first
			if x.answered > 0 {
				r.TargetTime = x.answered - x.sent
				if x.replied > 0 {
					r.ResponseTime = x.replied - x.answered
				}
			}
		}
	}
	l.Append(x.worker.Loop().Index, r)
}

// protocol is the version in the request line; "" where none was understood.
func (x *exchange) protocol() string {
	h := &x.req
	switch {
	case h.HTTP10:
		return "HTTP/1.0"
	case x.headLen == 0 && !bytes.HasPrefix(h.Buf[h.Target.Off+h.Target.Len:], lineEnd11):
		return "" // refused before, or for, its version
	}
	return "HTTP/1.1"
}

// originForm is an absolute-form target as the target of the request saw it.
// scratch is room for what does not stand in the head.
func originForm(h *httpmsg.Head, scratch []byte) []byte {
	end := h.Target.Off + h.Target.Len
	switch {
	case h.Path.Len > 0:
		return h.Buf[h.Path.Off:end]
	case h.HasQuery:
		return append(append(scratch, "/?"...), h.Bytes(h.Query)...)
	case h.MethodID == httpmsg.MethodOptions:
		return asterisk
	}
	return slash
}

// appendDate appends t (Unix ns) as a Date field has it (RFC 9110 section
// 5.6.7).
func appendDate(b []byte, t int64) []byte {
	return time.Unix(0, t).UTC().AppendFormat(b, http.TimeFormat)
}

// bytesOf views a string as bytes that nobody may write to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
