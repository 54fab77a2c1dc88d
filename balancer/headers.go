package balancer

import (
	"slices"
	"strings"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// ResponseHeaders is the header fields that a listener puts into every response,
// in place of those of the same names. The zero value puts in none. It never
// changes.
type ResponseHeaders struct {
	// Lines is the field lines, each with its CRLF. Nobody may write to it.
	Lines []byte

	names   []string // in lower case
	lengths uint64   // bit n: there is a name of n bytes
}

func compileResponseHeaders(headers []config.Header) ResponseHeaders {
	var r ResponseHeaders
	for _, h := range headers {
		r.Lines = append(r.Lines, h.Name+": "+h.Value+"\r\n"...)
		r.names = append(r.names, strings.ToLower(h.Name))
		r.lengths |= 1 << len(h.Name)
	}
	r.Lines = slices.Clip(r.Lines)
	return r
}

// Replace marks the fields of h whose place Lines takes as dropped.
func (r *ResponseHeaders) Replace(h *httpmsg.Head) {
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != httpmsg.OtherField || r.lengths&(1<<(f.Name.Len&63)) == 0 {
			continue
		}
		for _, name := range r.names {
			if int(f.Name.Len) == len(name) && httpmsg.EqualFold(h.Bytes(f.Name), name) {
				f.Drop = true
				break
			}
		}
	}
}
